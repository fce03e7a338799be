"""The samples of a track: places, sizes and times as columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from mam.mp4.tables import Flags, Ints


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one track in decode order; all columns have the same length.

    `offset`, `size`: bytes in the object. `dts`, `pts`, `duration`: ticks of `1 / timescale` seconds, on the
    presentation's timeline (edit list applied). `key`: decoding can start there. `shown`: False where an edit list
    hides a picture that is decoded for others; None when all are shown. `joins`: the numbers of the samples at which
    further parts of an edit list begin; each part is decoded by itself.
    """

    timescale: int
    offset: Ints
    size: Ints
    dts: Ints
    pts: Ints
    duration: Ints
    key: Flags
    shown: Flags | None = None
    joins: tuple[int, ...] = ()
    _sorted: list[Ints] = field(default_factory=list, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.size)

    @property
    def times(self) -> Ints:
        """The presentation times in ticks, sorted. They are sorted once: a film has some hundred thousand.

        They are nearly sorted already, which numpy's stable sort uses: it takes a fifteenth of the other one's time.
        """
        if not self._sorted:
            self._sorted.append(np.sort(self.pts, kind="stable"))
        return self._sorted[0]

    @property
    def start(self) -> Fraction:
        """The presentation time of the first sample in seconds."""
        return Fraction(int(self.pts.min()), self.timescale)

    @property
    def end(self) -> Fraction:
        """The end of the last sample in seconds."""
        return Fraction(int((self.pts + self.duration).max()), self.timescale)


def select(samples: Samples, part: slice | Flags | Ints) -> Samples:
    """Some of the samples, by position or number."""
    columns = ("offset", "size", "dts", "pts", "duration", "key")
    shown = None if samples.shown is None else samples.shown[part]
    return replace(samples, shown=shown, joins=(), **{name: getattr(samples, name)[part] for name in columns})


def from_key_frame(samples: Samples) -> Samples:
    """The samples from the first key frame on, since earlier ones cannot be decoded; all without key frames."""
    return select(samples, slice(int(np.argmax(samples.key)), None)) if samples.key.any() else samples
