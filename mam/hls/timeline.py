"""Segment boundaries: exact, in ticks, on an absolute grid."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator

MICROSECONDS = 1_000_000


class Timeline(BaseModel):
    """`boundaries[n]` to `boundaries[n + 1]` is segment n, in ticks of `1 / timescale` seconds."""

    model_config = ConfigDict(frozen=True)

    timescale: int = Field(gt=0)
    boundaries: tuple[int, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> Timeline:
        if any(after <= before for before, after in pairwise(self.boundaries)):
            raise ValueError("segment boundaries must rise")
        return self

    def __len__(self) -> int:
        return len(self.boundaries) - 1

    def time(self, number: int) -> Fraction:
        """The start of segment `number` in seconds; for `len(self)` the end of the last one."""
        return Fraction(self.boundaries[number], self.timescale)

    @property
    def start(self) -> Fraction:
        return self.time(0)

    @property
    def end(self) -> Fraction:
        return self.time(len(self))

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return self.end - self.start

    def durations(self) -> Iterator[int]:
        """EXTINF of each segment, in whole microseconds.

        They are differences of rounded ends, so that every run sums to within a microsecond of its exact duration
        (Apple's authoring specification, 8.1).
        """
        first, previous_end = self.boundaries[0], 0
        for boundary in self.boundaries[1:]:
            ticks = (boundary - first) * MICROSECONDS
            end = (2 * ticks + self.timescale) // (2 * self.timescale)
            yield end - previous_end
            previous_end = end


def grid(length: Fraction | int, *, target: int, lead: Sequence[int] = ()) -> Iterator[int]:
    """The ideal boundaries within `length` seconds, in seconds after the start: the first segments last `lead` seconds,
    the others `target`.
    """
    boundary, number, end = 0, 0, math.ceil(length)
    while True:
        boundary += lead[number] if number < len(lead) else target
        number += 1
        if boundary >= end:
            return
        yield boundary


def cut_at(
    points: Sequence[int],
    *,
    timescale: int,
    start: Fraction,
    end: Fraction,
    target: int,
    lead: Sequence[int] = (),
) -> Timeline:
    """The timeline that starts a segment at the first of `points` at or after each ideal boundary.

    `points`: sorted presentation times in ticks, at which a segment may start (key frames; any frame when encoding).
    `start`, `end`: seconds; both become boundaries, rounded outwards to ticks. The first point never cuts: it is
    in segment 0, even when other media starts before it.
    """
    first = start.numerator * timescale // start.denominator
    last = max(-(-end.numerator * timescale // end.denominator), first + 1)
    boundaries = [first]
    begin = -(-start.numerator * timescale // start.denominator)  # rounded up, as the ideal boundaries are
    for seconds in grid(end - start, target=target, lead=lead):
        ticks = begin + seconds * timescale
        index = max(bisect_left(points, ticks), 1)
        if index >= len(points):
            break
        if boundaries[-1] < (cut := int(points[index])) < last:
            boundaries.append(cut)
    boundaries.append(last)
    return Timeline(timescale=timescale, boundaries=tuple(boundaries))
