"""Storyboards: small pictures of a whole video on a few sheets, and the WebVTT with the time of each picture."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from mam.hls import cues
from mam.naming import sheet_name

CONTENT_TYPE = "text/vtt"
SHEET_TYPE = "image/jpeg"
LEAST_STEP, MOST_STEP = 2, 10  # Two tiles are this many seconds apart.
WISHED_TILES = 100  # Within these limits, the step is chosen for this many tiles: one sheet.
COLUMNS, ROWS = 10, 10  # A sheet has this many tiles.
_SHEET = re.compile(r"^(storyboard-[0-9]{2,}\.jpg)(?=#xywh=)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tile:
    """The place of a tile: its sheet, and its left and top edge in pixels."""

    sheet: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Board:
    """The tiles of a video, in order of time, row by row. `width`, `height`: pixels of each tile; `step`: seconds."""

    duration: Fraction
    step: int
    width: int
    height: int

    def __len__(self) -> int:
        return max(1, math.ceil(self.duration / self.step))

    @property
    def sheets(self) -> int:
        return -(-len(self) // (COLUMNS * ROWS))

    def start(self, number: int) -> Fraction:
        """The start of a tile in seconds from the beginning of the video; for the number after the last tile, the
        end."""
        return min(Fraction(number * self.step), self.duration)

    def tile(self, number: int) -> Tile:
        sheet, place = divmod(number, COLUMNS * ROWS)
        row, column = divmod(place, COLUMNS)
        return Tile(sheet, column * self.width, row * self.height)

    def size(self, sheet: int) -> tuple[int, int]:
        """Width and height of a sheet, which ends with its last tile."""
        tiles = min(len(self) - sheet * COLUMNS * ROWS, COLUMNS * ROWS)
        return min(tiles, COLUMNS) * self.width, -(-tiles // COLUMNS) * self.height

    def to_webvtt(self) -> str:
        """A cue for each tile, whose payload is the sheet with a media fragment (https://www.w3.org/TR/media-frags/)."""
        return "\n".join(("WEBVTT\n", *self._cues()))

    def _cues(self) -> Iterator[str]:
        for number in range(len(self)):
            tile = self.tile(number)
            begin = cues.milliseconds(self.start(number))
            end = max(cues.milliseconds(self.start(number + 1)), begin + 1)  # a shorter cue would be invalid
            payload = f"{sheet_name(tile.sheet)}#xywh={tile.x},{tile.y},{self.width},{self.height}"
            yield f"{cues.written(begin)} --> {cues.written(end)}\n{payload}\n"


def board(duration: Fraction, width: int, height: int) -> Board:
    """The storyboard of a video of `duration` seconds: a tile every 2 s of a short one, every 10 s of a long one."""
    step = min(max(math.ceil(duration / WISHED_TILES), LEAST_STEP), MOST_STEP)
    return Board(duration, step, width, height)


def with_urls(text: str, url: Callable[[str], str]) -> str:
    """A storyboard's WebVTT with URLs for its sheets. `url`: from the name of a sheet to its URL."""
    return _SHEET.sub(lambda match: url(match[1]), text)


def duration_of(text: str) -> Fraction:
    """The duration of a storyboard's WebVTT in seconds; 0 for a text without cues."""
    timings = [timing for line in text.splitlines() if (timing := cues.timing(line))]
    return timings[-1][1] if timings else Fraction(0)
