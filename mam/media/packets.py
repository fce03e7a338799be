"""Packets of a source, in decode order, from as few ranged reads as possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import av
import numpy as np

from mam.media.source import MediaSource, MediaTrack
from mam.mp4.ranges import coalesce
from mam.mp4.tables import Ints

if TYPE_CHECKING:
    Packet = av.Packet[Any]  # generic since PyAV 18
else:
    Packet = av.Packet

WINDOW = 8 << 20  # Samples are fetched in windows of this many bytes: a 6 s segment of a full-HD film is one window.
ORIGIN = 10  # Every timestamp is moved by these seconds, so that decode times of B-frames are positive in TS and NUT.


@dataclass(frozen=True, slots=True)
class Run:
    """Samples `first` to `last - 1` of a track."""

    track: MediaTrack
    first: int
    last: int


AnyRun = TypeVar("AnyRun", bound=Run)


@dataclass(frozen=True, slots=True)
class _Column:
    """All samples of several runs, merged by decode time."""

    run: Ints
    offset: Ints
    size: Ints
    dts: Ints
    pts: Ints
    duration: Ints
    key: Ints


def read_packets(media: MediaSource, runs: list[AnyRun]) -> Iterator[tuple[AnyRun, Packet]]:
    """The packets of the runs, each with its run, in decode order.

    Timestamps are moved by `ORIGIN`; the time base is set, the stream is not.
    """
    runs = [run for run in runs if run.last > run.first]
    if not runs:
        return
    column = _merge(media, runs)
    scales = [media.samples(run.track.number).timescale for run in runs]
    bases = [Fraction(1, scale) for scale in scales]
    for low, high in _windows(column.size):
        yield from _fetch(media, runs, column, slice(low, high), scales, bases)


def _merge(media: MediaSource, runs: list[AnyRun]) -> _Column:
    parts = [media.samples(run.track.number) for run in runs]
    cut = [slice(run.first, run.last) for run in runs]
    # A run keeps its own order, even where its times step back (parts that an edit list joins).
    seconds = np.concatenate([np.maximum.accumulate(p.dts[c] / p.timescale) for p, c in zip(parts, cut, strict=True)])
    order = np.argsort(seconds, kind="stable")
    which = np.concatenate([np.full(run.last - run.first, n, np.int64) for n, run in enumerate(runs)])

    def merged(name: str) -> Ints:
        joined: Ints = np.concatenate([getattr(p, name)[c] for p, c in zip(parts, cut, strict=True)])[order]
        return joined

    names = ("offset", "size", "dts", "pts", "duration", "key")
    return _Column(which[order], *(merged(name) for name in names))


def _windows(sizes: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of samples of about `WINDOW` bytes each; at least one sample."""
    total = np.cumsum(sizes)
    low = 0
    while low < len(sizes):
        base = int(total[low - 1]) if low else 0
        high = max(int(np.searchsorted(total, base + WINDOW, side="right")), low + 1)
        yield low, high
        low = high


def _fetch(
    media: MediaSource, runs: list[AnyRun], column: _Column, part: slice, scales: list[int], bases: list[Fraction]
) -> Iterator[tuple[AnyRun, Packet]]:
    offset, size = column.offset[part], column.size[part]
    ranges = coalesce(offset, size)
    blocks = [memoryview(media.reader.read(r.start, r.stop)) for r in ranges]
    block = np.searchsorted(np.array([r.start for r in ranges]), offset, side="right") - 1
    within = offset - np.array([r.start for r in ranges])[block]
    rows = zip(
        column.run[part].tolist(), block.tolist(), within.tolist(), size.tolist(),
        column.dts[part].tolist(), column.pts[part].tolist(), column.duration[part].tolist(), column.key[part].tolist(),
        strict=True,
    )  # fmt: skip
    for run, number, start, length, dts, pts, duration, key in rows:
        data = blocks[number][start : start + length]
        changes = media.changes.get(runs[run].track.number) if key else None
        if changes:  # decoders know only the first description
            data = memoryview(changes.before(start + ranges[number].start) + data)
        packet = av.Packet(data)
        shift = ORIGIN * scales[run]
        packet.time_base = bases[run]
        packet.dts, packet.pts, packet.duration, packet.is_keyframe = dts + shift, pts + shift, duration, bool(key)
        yield runs[run], packet
