"""How many pictures a second a track has, and whether they follow each other at one rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mam.errors import TooLarge
from mam.mp4.samples import Samples

MAX_GAP_SECONDS = 3600  # between two frames: longer is a mistake or an attack
MAX_RATE = 60  # frames a second of what is encoded
STANDARD_RATES = [Fraction(n, d) for n, d in (
    (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1),
)]  # fmt: skip


def frame_rate(samples: Samples) -> Fraction:
    """Frames a second, on average; a standard rate where it is close to one."""
    seconds = max(samples.end - samples.start, Fraction(1, 1000))
    return standard(len(samples) / seconds)


def standard(rate: Fraction) -> Fraction:
    near = min(STANDARD_RATES, key=lambda each: abs(each - rate))
    return near if abs(near - rate) * 1000 < near else rate


def is_constant(samples: Samples) -> bool:
    """Whether frames follow each other at one rate, but for what a coarse clock makes of it."""
    shown = np.sort(samples.pts)
    if len(shown) < 3:
        return True
    step = (int(shown[-1]) - int(shown[0])) / (len(shown) - 1)
    off = np.abs(shown - shown[0] - step * np.arange(len(shown))).max()
    return bool(off <= max(1.5, step / 10))


def frame_grid(samples: Samples) -> Fraction | None:
    """The fixed rate that frames are put at, where they are not shown at one already, or faster than 60 a second."""
    constant = is_constant(samples)
    if constant and frame_rate(samples) <= MAX_RATE:
        return None
    if constant:
        return halved(frame_rate(samples).limit_denominator(1001))
    gaps = np.diff(np.sort(samples.pts))
    usual = Fraction(samples.timescale, max(1, int(np.quantile(gaps[gaps > 0], 0.1))))  # the fastest that lasts
    return min(STANDARD_RATES, key=lambda each: abs(each - usual))


def halved(rate: Fraction) -> Fraction:
    """The rate, or as much of it as is encoded."""
    while rate > MAX_RATE:
        rate /= 2
    return rate


def check_gaps(samples: Samples) -> None:
    """Raises TooLarge where two frames lie further apart than any film has them."""
    gap = int(samples.duration.max())
    if gap > MAX_GAP_SECONDS * samples.timescale:
        raise TooLarge(f"Two frames lie {gap // samples.timescale} s apart.")
