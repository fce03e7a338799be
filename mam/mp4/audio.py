"""What a frame of audio says of itself."""

from __future__ import annotations

SYNC = 0xFFE0  # the first eleven bits of a frame of MPEG audio


def mpeg_layer(frame: bytes) -> int | None:
    """1, 2 or 3 (ISO/IEC 11172-3 section 2.4.1.3); None when it is no frame of MPEG audio."""
    head = int.from_bytes(frame[:2], "big")
    layer = 4 - (head >> 1 & 3)
    return layer if head & SYNC == SYNC and layer != 4 else None
