"""Samples as rows, to be compared."""

from __future__ import annotations

from mam.mp4.samples import Samples
from tests.unit.mp4.movies import Sample, Track, composition_times, decode_times, sync_or_all

Row = tuple[int, int, int, int, int, bool]


def rows_of(samples: Samples) -> list[Row]:
    columns = (samples.offset, samples.size, samples.dts, samples.pts, samples.duration, samples.key)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def as_rows(samples: tuple[Sample, ...]) -> list[Row]:
    return [(s.offset, s.size, s.dts, s.pts, s.duration, s.key) for s in samples]


def lasting(track: Track, rows: list[Row]) -> list[Row]:
    """The last picture lasts as long as the one before it, or a moment, where the file does not say."""
    if track.kind != "vide" or not rows or rows[-1][4]:
        return rows
    length = (rows[-2][4] if len(rows) > 1 else 0) or max(track.timescale // 25, 1)
    return [*rows[:-1], (*rows[-1][:4], length, rows[-1][5])]


def first_needed(track: Track) -> int:
    """The sample that is read first.

    Of video the last key frame shown no later than the edit begins, at which decoding must start, or the first of all;
    of sound the first that is heard a sixteenth of a second before it, or later.
    """
    keys = sync_or_all(track)
    begin = keys.index(True) if track.kind == "vide" and any(keys) else 0
    if track.edit is None:
        return begin
    if track.kind != "vide":
        soon = track.edit.media_time - track.timescale // 16
        ends = [
            time + duration for time, duration in zip(composition_times(track), decode_times(track)[1], strict=True)
        ]
        return next((n for n, end in enumerate(ends) if end >= soon), 0)
    times = zip(composition_times(track), keys, strict=True)
    return max((n for n, (time, key) in enumerate(times) if key and time <= track.edit.media_time), default=begin)
