"""Bit rates of media playlists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mam.hls.playlist import target_duration
from mam.hls.timeline import MICROSECONDS


@dataclass(frozen=True, slots=True)
class Rate:
    """The bit rates of a media playlist in bits per second: the peak segment bit rate, and the average."""

    peak: int
    average: int


def measure(durations: Sequence[int], sizes: Sequence[int]) -> Rate:
    """The bit rates of segments that last `durations` (microseconds) and have `sizes` (bytes).

    Peak, by RFC 8216 section 4.3.4.2: the largest of any contiguous set of segments that lasts half to one and a half
    target durations.
    """
    target = target_duration(durations) * MICROSECONDS
    average = _rate(sum(sizes), sum(durations))
    peak = average
    for first in range(len(durations)):
        microseconds, size = 0, 0
        for number in range(first, len(durations)):
            microseconds += durations[number]
            size += sizes[number]
            if 2 * microseconds > 3 * target:
                break
            if 2 * microseconds >= target:
                peak = max(peak, _rate(size, microseconds))
    return Rate(peak, average)


def _rate(size: int, microseconds: int) -> int:
    """Bits per second, rounded up."""
    return -(-8 * size * MICROSECONDS // max(1, microseconds))
