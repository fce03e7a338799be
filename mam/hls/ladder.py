"""The rungs of a ladder: sizes and bit rates at which a picture is encoded for slower lines. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mam.hls.rates import Rate
from mam.naming import rung_name
from mam.rung_table import RUNGS, Rung

START_RATE = 2_000_000  # Bits per second: what a player can be expected to carry before it has measured its line.
MOST_AT_START = 8_000_000  # Bits per second on average: up to this rate, a copy is there sooner than an encode.
WORTHWHILE = Fraction(4, 5)  # A rung's cap is less than this part of the source's rate: it would save nothing else.
USUAL_FRAME_RATE = 30  # The caps are those of this many frames per second or fewer; more frames need more bits.
HALF_BELOW = 2_000_000  # Bits per second: below it, a rung has the usual frame rate at most (Apple's authoring rules).
MOST_FRAMES = 60  # Frames per second of any rung (Apple's authoring rules).
AVERAGED = 1.02  # A source of this many times such a rate still has it: a variable rate is known as an average.
GROWTH = 0.7  # Bits grow with the frame rate by this power: consecutive frames of a fast source differ less.
PEAK_TO_AVERAGE = Fraction(3, 2)  # What is capped like this has a peak of about this many times its average.
PEAK = Fraction(11, 10)  # Measured: x264 with a buffer of one second exceeds its cap by at most this factor.


@dataclass(frozen=True, slots=True)
class FittedRung:
    """A rung at the shape and frame rate of one video. `maxrate`: bits per second, the cap. `every`: only each
    `every`th frame of the video is shown.
    """

    name: str
    width: int
    height: int
    maxrate: int
    crf: int
    every: int = 1

    @property
    def bufsize(self) -> int:
        """The decoder's buffer in bits: one second."""
        return self.maxrate


def below(
    width: int, height: int, frame_rate: float, bit_rate: float, table: Sequence[Rung] = RUNGS
) -> list[FittedRung]:
    """The rungs below a copied picture of this size and rate (bits per second), the largest first."""
    side = min(width, height)
    rungs = [_fitted(rung, width, height, frame_rate) for rung in _falling(table) if rung.side < side]
    return [rung for rung in rungs if rung.maxrate < WORTHWHILE * int(bit_rate)]


def whole(
    width: int, height: int, frame_rate: float, bit_rate: float, table: Sequence[Rung] = RUNGS
) -> list[FittedRung]:
    """The rungs of a picture that cannot be copied, the largest first: one of its own size and those below.

    The largest is that of the table's next larger size, at the picture's own size.
    """
    side = min(width, height)
    larger = [rung for rung in _falling(table) if rung.side >= side]
    top = larger[-1] if larger else _falling(table)[0]
    first = _fitted(top, width, height, frame_rate, side=min(side, top.side))
    return [first, *(r for r in below(width, height, frame_rate, bit_rate, table) if r.maxrate < first.maxrate)]


def promised(maxrate: int) -> Rate:
    """The bit rates that are promised of a rung before it is whole. `maxrate`: its cap."""
    return Rate(int(maxrate * PEAK), int(maxrate / PEAK_TO_AVERAGE))


def start_of(rungs: Sequence[FittedRung]) -> FittedRung:
    """The rung that a player is best given first: the one nearest to START_RATE."""
    return min(rungs, key=lambda rung: abs(rung.maxrate - START_RATE))


def _falling(table: Sequence[Rung]) -> list[Rung]:
    return sorted(table, key=lambda rung: -rung.side)


def _fitted(rung: Rung, width: int, height: int, frame_rate: float, *, side: int | None = None) -> FittedRung:
    """A rung at the picture's shape, with even sides."""
    side = side or rung.side
    longer = _even(Fraction(max(width, height) * side, min(width, height)))
    shorter = _even(Fraction(side))
    size = (longer, shorter) if width >= height else (shorter, longer)
    every = _every(rung, frame_rate)
    faster = max(1.0, frame_rate / every / USUAL_FRAME_RATE) ** GROWTH
    maxrate = round(rung.maxrate * faster / 1000) * 1000
    return FittedRung(rung_name(shorter), *size, maxrate=maxrate, crf=rung.crf, every=every)


def _every(rung: Rung, frame_rate: float) -> int:
    """The divisor of the frame rate: a rung of few bits has the usual one at most, and any other MOST_FRAMES."""
    most = USUAL_FRAME_RATE if rung.maxrate < HALF_BELOW else MOST_FRAMES
    return max(1, math.ceil(frame_rate / (AVERAGED * most)))


def _even(pixels: Fraction) -> int:
    return max(2, round(pixels / 2) * 2)
