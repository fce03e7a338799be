"""The frame rate of a track, and whether it is constant."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mam.errors import TooLarge
from mam.mp4.samples import Samples

MAX_GAP_SECONDS = 3600  # A longer gap between two frames is a mistake or an attack.
MAX_RATE = 60  # Encoded video has at most this many frames per second.
STANDARD_RATES = [Fraction(n, d) for n, d in (
    (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1),
)]  # fmt: skip


def frame_rate(samples: Samples) -> Fraction:
    """The average frames per second; a standard rate where it is close to one."""
    seconds = max(samples.end - samples.start, Fraction(1, 1000))
    return standard(len(samples) / seconds)


def standard(rate: Fraction) -> Fraction:
    """The nearest standard rate where it is close, else the rate."""
    near = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    return near if abs(near - rate) * 1000 < near else rate


def is_constant(samples: Samples) -> bool:
    """Whether the frame rate is constant, apart from the rounding of a coarse clock."""
    shown = samples.times
    if len(shown) < 3:
        return True
    step = (int(shown[-1]) - int(shown[0])) / (len(shown) - 1)
    deviation = np.abs(shown - shown[0] - step * np.arange(len(shown))).max()
    return bool(deviation <= max(1.5, step / 10))


def frame_grid(samples: Samples) -> Fraction | None:
    """The fixed rate for a track whose rate is not constant, or above 60 a second; None for the track's own times."""
    constant = is_constant(samples)
    if constant and frame_rate(samples) <= MAX_RATE:
        return None
    if constant:
        return halved(frame_rate(samples).limit_denominator(1001))
    gaps = np.diff(samples.times)
    usual = Fraction(samples.timescale, max(1, int(np.quantile(gaps[gaps > 0], 0.1))))  # the fastest sustained rate
    return min(STANDARD_RATES, key=lambda standard: abs(standard - usual))


def halved(rate: Fraction) -> Fraction:
    """The rate, halved until it is at most MAX_RATE."""
    while rate > MAX_RATE:
        rate /= 2
    return rate


def check_gaps(samples: Samples) -> None:
    """Raises TooLarge where the gap between two frames is longer than in any film."""
    gap = int(samples.duration.max())
    if gap > MAX_GAP_SECONDS * samples.timescale:
        raise TooLarge(f"Two frames lie {gap // samples.timescale} s apart.")
