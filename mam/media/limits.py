"""The most that one file may take: tracks, pixels, memory; and the options that hold ffmpeg to it."""

from __future__ import annotations

MAX_SOUNDS = 32  # At most this many audio tracks of a file are used.
MAX_PIXELS = 8192 * 4320  # Of one picture.
# One allocation, in bytes: a picture of MAX_PIXELS in the widest format, four floats a pixel, takes half of it.
MAX_ALLOCATION = 1 << 30
GUARDS: dict[str, object] = {
    # These options come before -i: they limit what ffmpeg may open and what a file may claim.
    "protocol_whitelist": "pipe",
    "max_streams": 1 + MAX_SOUNDS,
    "max_pixels": MAX_PIXELS,
    # LCEVC data inside H.264 or HEVC is not decoded: its decoder had a heap overflow (CVE-2026-125262).
    "export_side_data": "+enhancements",
}
GENERAL = ("-hide_banner", "-nostats", "-loglevel", "error", "-max_alloc", str(MAX_ALLOCATION))
