"""Byte ranges for reading a set of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mam.mp4.tables import Ints

MAX_GAP = 1 << 20  # Larger gaps are not read: a megabyte costs about as much as another request.


@dataclass(frozen=True, slots=True)
class ByteRange:
    start: int
    stop: int


def coalesce(offset: Ints, size: Ints, *, max_gap: int = MAX_GAP) -> list[ByteRange]:
    """The fewest ranges, in order, that cover all samples without reading over a gap of more than `max_gap` bytes."""
    if not len(offset):
        return []
    order = np.argsort(offset, kind="stable")
    starts = offset[order]
    ends = np.maximum.accumulate((offset + size)[order])
    breaks = np.flatnonzero(starts[1:] - ends[:-1] > max_gap) + 1
    first = np.concatenate(([0], breaks))
    last = np.concatenate((breaks, [len(starts)])) - 1
    return [ByteRange(int(start), int(stop)) for start, stop in zip(starts[first], ends[last], strict=True)]
