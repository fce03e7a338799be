"""The levels of H.264, which say how much a decoder must be able to do."""

from __future__ import annotations

# Name, macroblocks per second, macroblocks per frame (ITU-T H.264 table A-1).
LEVELS = (("3.0", 40_500, 1_620), ("3.1", 108_000, 3_600), ("4.0", 245_760, 8_192), ("4.2", 522_240, 8_704),
          ("5.1", 983_040, 36_864), ("5.2", 2_073_600, 36_864), ("6.2", 16_711_680, 139_264))  # fmt: skip


def codecs_of(level: str) -> str:
    """CODECS of H.264 in the high profile, as x264 makes it."""
    return f"avc1.6400{round(float(level) * 10):02x}"


def h264_level(width: int, height: int, rate: float) -> str:
    """The lowest level for the picture; it is given explicitly, so that all chunks write the same SPS."""
    blocks = -(-width // 16) * -(-height // 16)
    return next((name for name, per_second, per_frame in LEVELS if blocks <= per_frame and blocks * rate <= per_second),
                LEVELS[-1][0])  # fmt: skip
