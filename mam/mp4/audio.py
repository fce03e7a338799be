"""Headers of audio frames."""

from __future__ import annotations

SYNC = 0xFFE0  # A frame of MPEG audio begins with these eleven bits.


def mpeg_layer(frame: bytes) -> int | None:
    """The layer of an MPEG audio frame, 1 to 3 (ISO/IEC 11172-3 section 2.4.1.3); None for other bytes."""
    head = int.from_bytes(frame[:2], "big")
    layer = 4 - (head >> 1 & 3)
    return layer if head & SYNC == SYNC and layer != 4 else None
