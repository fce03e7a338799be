"""The shown part of a stored picture, where only the container defines it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

from mam.media.tracks import MediaTrack
from mam.mp4 import entries
from mam.mp4.repair import CODED_BLOCK, coded_size

LEAST = Fraction(1, 4)  # A clean aperture smaller than this part of a side is a mistake.


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of the stored picture, in pixels from its upper left corner."""

    width: int
    height: int
    x: int = 0
    y: int = 0

    @property
    def filters(self) -> tuple[str, ...]:
        return (f"crop=w={self.width}:h={self.height}:x={self.x}:y={self.y}:exact=1",)


def stored_size(track: MediaTrack) -> tuple[int, int]:
    """Width and height of decoded pictures by the headers; (0, 0) when they are unknown."""
    context = track.template.codec_context
    width, height = coded_size(track.entry) or (int(context.width), int(context.height))
    return (width, height) if width and height else _stated_size(track)


def size(track: MediaTrack) -> tuple[int, int]:
    """Width and height of the shown part by the headers, before rotation and scaling to square pixels."""
    stored = stored_size(track)
    crop = crop_of(track, *stored)
    return (crop.width, crop.height) if crop else stored


def crop_of(track: MediaTrack, width: int, height: int) -> Crop | None:
    """The shown part of a decoded picture of that size; None for all of it.

    It is defined by the clean aperture (ISO/IEC 14496-12 section 12.1.4), or by a sample entry with fewer lines or
    columns than the codec's blocks: 1080 of 1088.
    """
    return _clean_aperture(track, width, height) or _within_blocks(track, width, height)


def _clean_aperture(track: MediaTrack, width: int, height: int) -> Crop | None:
    clap = entries.configuration(track.entry, b"clap")
    if clap is None or len(clap) < 32:
        return None
    numbers = struct.unpack_from(">IIIIiIiI", clap)  # sizes, then the offset of its centre from the picture's
    if 0 in numbers[1::2]:
        return None
    across, down, right, below = (Fraction(*numbers[i : i + 2]) for i in range(0, 8, 2))
    x, y = ((whole - part) / 2 + off for whole, part, off in ((width, across, right), (height, down, below)))
    return _checked(Crop(round(across), round(down), max(0, round(x)), max(0, round(y))), width, height)


def _within_blocks(track: MediaTrack, width: int, height: int) -> Crop | None:
    crop = Crop(*_stated_size(track))
    if not (0 <= width - crop.width < CODED_BLOCK and 0 <= height - crop.height < CODED_BLOCK):
        return None
    return _checked(crop, width, height)


def _checked(crop: Crop, width: int, height: int) -> Crop | None:
    """A crop, or None when it is the whole picture, exceeds it, or is tiny."""
    if (crop.width, crop.height) == (width, height) or crop.x + crop.width > width or crop.y + crop.height > height:
        return None
    return crop if crop.width >= width * LEAST and crop.height >= height * LEAST else None


def _stated_size(track: MediaTrack) -> tuple[int, int]:
    """Width and height of the sample entry, else of the track header."""
    entry = track.entry
    width, height = struct.unpack_from(">2H", entry, 32) if len(entry) >= 36 else (0, 0)
    return (width, height) if width and height else track.header.size
