"""Holes in a sound: where the index has nothing to be heard, although a sample before it claims to last that long."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mam.mp4.samples import Samples
from mam.mp4.tables import Ints

SHORTEST = Fraction(1, 100)  # seconds: less is what coarse clocks make of sound without a hole
LONGEST_FRAME = 4  # parts of a second: no codec whose frames differ in length has a longer one
ALIKE = Fraction(1, 20)  # by which frames of one length differ in a coarse clock
OPENING = Fraction(1, 10)  # seconds at the start whose hole is none to a listener: what stands before it is priming


def holes(samples: Samples) -> list[tuple[Fraction, Fraction]]:
    """The seconds from which and to which nothing is heard between two samples, in order.

    A sample is heard as long as most others are: in an index it lasts until the next one. Those that come early wait
    for their turn, as a player has them wait.
    """
    if len(samples) < 2:
        return []
    length = _lengths(samples.duration, samples.timescale)
    heard = np.cumsum(length) - length  # of all samples before, without holes
    ready = np.maximum.accumulate(samples.pts - heard) + heard + length  # when each one ends
    missing = samples.pts[1:] - ready[:-1]
    found = np.flatnonzero(missing * SHORTEST.denominator > samples.timescale * SHORTEST.numerator)
    scale = samples.timescale
    return [(Fraction(int(ready[n]), scale), Fraction(int(samples.pts[n + 1]), scale)) for n in found]


def _lengths(duration: Ints, timescale: int) -> Ints:
    """Ticks that each sample is heard: as long as most of them, or what it says as far as a codec allows it."""
    usual = int(np.median(duration))
    alike = np.abs(duration - usual) <= max(1, int(usual * ALIKE))
    if alike.mean() > 0.5:
        return np.full(len(duration), usual, np.int64)
    return np.minimum(duration, timescale // LONGEST_FRAME)


def has_holes(samples: Samples) -> bool:
    """Whether there is one that a listener, or a player, would notice."""
    return any(end > samples.start + OPENING for _, end in holes(samples))
