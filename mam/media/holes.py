"""Holes in a sound: gaps between samples, although the index stretches the previous sample over them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mam.mp4.samples import Samples
from mam.mp4.tables import Ints

SHORTEST = Fraction(1, 100)  # Shorter holes, in seconds, come from coarse clocks.
LONGEST_FRAME = 4  # Codecs with frames of different lengths have no frame longer than this fraction of a second.
ALIKE = Fraction(1, 20)  # Frames of one length may differ by this much in a coarse clock.
OPENING = Fraction(1, 10)  # A hole within this many seconds of the start is inaudible: only priming precedes it.


def holes(samples: Samples) -> list[tuple[Fraction, Fraction]]:
    """The start and end, in seconds, of each silence between two samples, in order.

    A sample is heard as long as most others, while the index has it last until the next one. Samples that come early
    are delayed, as by a player.
    """
    if len(samples) < 2:
        return []
    length = _lengths(samples.duration, samples.timescale)
    heard = np.cumsum(length) - length  # the end of all previous samples without holes
    ready = np.maximum.accumulate(samples.pts - heard) + heard + length  # when each one ends
    missing = samples.pts[1:] - ready[:-1]
    positions = np.flatnonzero(missing * SHORTEST.denominator > samples.timescale * SHORTEST.numerator)
    scale = samples.timescale
    return [(Fraction(int(ready[n]), scale), Fraction(int(samples.pts[n + 1]), scale)) for n in positions]


def _lengths(duration: Ints, timescale: int) -> Ints:
    """The audible ticks of each sample: those of most samples, else its own, up to a codec's longest frame."""
    usual = int(np.median(duration))
    alike = np.abs(duration - usual) <= max(1, int(usual * ALIKE))
    if alike.mean() > 0.5:
        return np.full(len(duration), usual, np.int64)
    return np.minimum(duration, timescale // LONGEST_FRAME)


def has_holes(samples: Samples) -> bool:
    """Whether the sound has a hole that a listener or a player notices."""
    return any(end > samples.start + OPENING for _, end in holes(samples))
