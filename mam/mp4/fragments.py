"""Movie fragments (ISO/IEC 14496-12 section 8.8): the samples of a `moof` box.

Every count in a box is checked against the box's size before memory is allocated for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mam.errors import TooLarge, TruncatedMedia
from mam.mp4.boxes import Box, InvalidIndex, boxes, header, leaves
from mam.mp4.tables import MAX_OFFSET, MAX_SAMPLES, Flags, Ints, NoSampleTables, unpack

MAX_MOOF_SAMPLES = 1 << 20  # A fragment has at most this many samples: nine hours at 30 frames a second.
MAX_TICKS = 1 << 52  # Larger times are refused: this is beyond any clock, and far from the limit of 64 bits.

# Flags of tfhd: its fields, and two properties (section 8.8.7).
_BASE_DATA_OFFSET, _DESCRIPTION, _DEFAULT_DURATION, _DEFAULT_SIZE, _DEFAULT_FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
_DURATION_IS_EMPTY, _BASE_IS_MOOF = 0x010000, 0x020000
# Flags of trun: its fields, and the columns of its table (section 8.8.8).
_DATA_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_DURATION, _SIZE, _FLAGS, _COMPOSITION = 0x100, 0x200, 0x400, 0x800
# Sample flags: depends on others, or is no sync sample; libavformat reads either as no key frame.
_NO_SYNC = 0x01010000


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults for a track's samples, from `trex` (section 8.8.3). `duration`: in ticks.

    `description`: the number of the sample description, from 1.
    """

    duration: int = 0
    size: int = 0
    flags: int = 0
    description: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """The samples of one track in one fragment. Ticks of the track's own time.

    `time`: of the first sample; None: the end of the track's previous part. `skipped`: ticks without samples after the
    part. `columns`: offset, size, duration, composition offset and flags: int64, shape (5, samples).
    """

    track_id: int
    time: int | None
    columns: Ints
    skipped: int = 0
    description: int = 1  # the number of the sample description


@dataclass(frozen=True, slots=True)
class Columns:
    """The samples of all fragments, in a track's own time."""

    offset: Ints
    size: Ints
    dts: Ints
    duration: Ints
    composition: Ints
    sync: Flags  # by the samples' flags

    def __len__(self) -> int:
        return len(self.size)


# moov


def read_defaults(moov: bytes) -> dict[int, Defaults]:
    """The defaults by track ID, from the `trex` boxes. Raises NoSampleTables when the file is not fragmented."""
    top = header(moov, 0, len(moov))
    inner = boxes(moov, top[1] if top else 8, len(moov))
    mvex = next((box for box in inner if box.kind == b"mvex"), None)
    if mvex is None:
        raise NoSampleTables("not a fragmented file")
    defaults = {}
    for trex in boxes(moov, mvex.payload, mvex.end):
        if trex.kind == b"trex":
            track_id, description, duration, size, flags = unpack(">5I", moov, trex, 4)
            defaults[int(track_id)] = Defaults(duration, size, flags, description)
    return defaults


def track_id(moov: bytes, trak: Box) -> int:
    """The track ID in fragments, from `tkhd`."""
    tkhd = leaves(moov, trak.payload, trak.end).get(b"tkhd")
    if tkhd is None:
        raise InvalidIndex("A track has no header.")
    (version,) = unpack(">B", moov, tkhd, 0)
    return int(unpack(">I", moov, tkhd, 20 if version == 1 else 12)[0])


# moof


def read_moof(
    moof: bytes, position: int, defaults: Mapping[int, Defaults], wanted: Collection[int], object_size: int
) -> list[Part]:
    """The parts of the `wanted` tracks (by ID) in the `moof` box at byte `position` of the object.

    Raises TruncatedMedia when it points beyond `object_size`, InvalidIndex when it contradicts itself, NoSampleTables
    where there are too many samples to list.
    """
    top = header(moof, 0, len(moof))
    if top is None or top[0] != b"moof":
        raise InvalidIndex(f"There is no fragment at byte {position}.")
    parts = []
    media_end = position  # the end of the previous traf's media; for the first traf the start of the moof
    samples_left = MAX_MOOF_SAMPLES
    for traf in boxes(moof, top[1], len(moof)):
        if traf.kind != b"traf":
            continue
        part, media_end = _read_traf(moof, traf, _Place(position, media_end, object_size, samples_left), defaults)
        samples_left -= part.columns.shape[1]
        if part.track_id in wanted:
            parts.append(part)
    return parts


@dataclass(frozen=True, slots=True)
class _Place:
    """The context of a `traf`: byte positions in the object, and how many samples it may have.

    `previous_end`: the end of the previous media.
    """

    moof: int
    previous_end: int
    object_size: int
    samples_left: int


def _read_traf(moof: bytes, traf: Box, place: _Place, defaults: Mapping[int, Defaults]) -> tuple[Part, int]:
    """(the samples of a `traf`, the end of their media)."""
    inner = list(boxes(moof, traf.payload, traf.end))
    tfhd = next((box for box in inner if box.kind == b"tfhd"), None)
    if tfhd is None:
        raise InvalidIndex("A track's fragment has no header.")
    number, base, default, empty = _read_tfhd(moof, tfhd, place, defaults)
    tfdt = next((box for box in inner if box.kind == b"tfdt"), None)
    time = _read_tfdt(moof, tfdt) if tfdt else None
    runs, media_end, samples_left = [], base, place.samples_left
    for box in inner:
        if box.kind == b"trun":
            columns, media_end = _read_trun(moof, box, base, media_end, default, place.object_size, samples_left)
            samples_left -= columns.shape[1]
            runs.append(columns)
    columns = runs[0] if len(runs) == 1 else np.concatenate([np.zeros((5, 0), np.int64), *runs], axis=1)
    return Part(number, time, columns, default.duration if empty else 0, default.description), media_end


def _read_tfhd(
    moof: bytes, tfhd: Box, place: _Place, defaults: Mapping[int, Defaults]
) -> tuple[int, int, Defaults, bool]:
    """(track ID, base of the runs' offsets, defaults, whether the track has no samples here)."""
    flags, number = unpack(">II", moof, tfhd, 0)
    default = defaults.get(number, Defaults())
    base = place.moof if flags & _BASE_IS_MOOF else place.previous_end
    duration, size, sample_flags, description = default.duration, default.size, default.flags, default.description
    offset = 8
    if flags & _BASE_DATA_OFFSET:
        (base,) = unpack(">Q", moof, tfhd, offset)
        if base > MAX_OFFSET:
            raise InvalidIndex("A fragment's media lies beyond any file's end.")
        offset += 8
    if flags & _DESCRIPTION:
        (description,) = unpack(">I", moof, tfhd, offset)
        offset += 4
    if flags & _DEFAULT_DURATION:
        (duration,) = unpack(">I", moof, tfhd, offset)
        offset += 4
    if flags & _DEFAULT_SIZE:
        (size,) = unpack(">I", moof, tfhd, offset)
        offset += 4
    if flags & _DEFAULT_FLAGS:
        (sample_flags,) = unpack(">I", moof, tfhd, offset)
    return number, base, Defaults(duration, size, sample_flags, description), bool(flags & _DURATION_IS_EMPTY)


def _read_tfdt(moof: bytes, tfdt: Box) -> int:
    (version,) = unpack(">B", moof, tfdt, 0)
    (time,) = unpack(">Q" if version == 1 else ">I", moof, tfdt, 4)
    if time > MAX_TICKS:
        raise InvalidIndex("A fragment begins beyond any clock.")
    return int(time)


def _read_trun(
    moof: bytes, trun: Box, base: int, previous_end: int, default: Defaults, object_size: int, samples_left: int
) -> tuple[Ints, int]:
    """(the columns of a Part, the end of the run's media). A run without an offset begins at `previous_end`."""
    flags, count = unpack(">II", moof, trun, 0)
    position, start = 8, previous_end
    if flags & _DATA_OFFSET:
        start = base + unpack(">i", moof, trun, position)[0]
        position += 4
    if start < 0:
        raise InvalidIndex("A fragment's media lies before the file.")
    first_flags = default.flags
    if flags & _FIRST_FLAGS:
        (first_flags,) = unpack(">I", moof, trun, position)
        position += 4
    if count > samples_left:
        raise NoSampleTables(f"a fragment of more than {MAX_MOOF_SAMPLES} samples")
    fields = [field for field in (_DURATION, _SIZE, _FLAGS, _COMPOSITION) if flags & field]
    if 4 * len(fields) * count > trun.end - trun.payload - position:
        raise InvalidIndex(f"Box 'trun' claims {count} samples and has no room for them.")
    if count and not flags & _SIZE and not default.size:
        raise InvalidIndex("A fragment does not say how large its samples are.")
    if not flags & _SIZE and default.size * count > object_size:
        raise TruncatedMedia(f"{count} samples of {default.size} bytes do not fit into an object of {object_size}.")
    table = np.frombuffer(moof, ">u4", len(fields) * count, trun.payload + position).reshape(count, len(fields))
    columns = np.empty((5, count), np.int64)
    row = {_SIZE: 1, _DURATION: 2, _COMPOSITION: 3, _FLAGS: 4}
    columns[1:] = [[default.size], [default.duration], [0], [default.flags]]
    for column, field in enumerate(fields):
        columns[row[field]] = table[:, column]
    columns[3] = columns[3].astype(np.uint32).view(np.int32)  # signed in version 0 too, as writers use it
    if flags & _FIRST_FLAGS and count:
        columns[4, 0] = first_flags
    size = columns[1]
    columns[0] = np.cumsum(size) - size + start
    end = start + int(size.sum())
    if end > object_size and count:
        raise TruncatedMedia(f"A fragment names media up to byte {end}, the object ends at byte {object_size}.")
    return columns, end


def join(parts: Sequence[Part], *, begin: int = 0, room: int = MAX_SAMPLES) -> Columns:
    """Joins the parts of one track in order. The first begins at `begin` where it has no time.

    Raises InvalidIndex when a part begins before the previous one, TooLarge for more than `room` samples.
    """
    if sum(part.columns.shape[1] for part in parts) > room:
        raise TooLarge(f"A track has more than {MAX_SAMPLES} samples.")
    duration = _column(parts, 2)
    dts = _without_ties(_decode_times(parts, duration, begin), duration)
    if (dts[1:] < dts[:-1]).any():
        raise InvalidIndex("A fragment begins before the one before it does.")
    duration = _with_durations(dts, duration)
    flags = np.concatenate([np.zeros(0, np.uint32), *(part.columns[4].astype(np.uint32) for part in parts)])
    return Columns(_column(parts, 0), _column(parts, 1), dts, duration, _column(parts, 3), (flags & _NO_SYNC) == 0)


def _column(parts: Sequence[Part], number: int) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *(part.columns[number] for part in parts)])


def _decode_times(parts: Sequence[Part], duration: Ints, begin: int) -> Ints:
    """The decode times: the sum of previous durations, corrected by each part's own time."""
    shifts, time, elapsed = [], begin, 0
    for part in parts:
        time = time if part.time is None else part.time
        shifts.append(time - elapsed)
        length = int(part.columns[2].sum())
        time, elapsed = time + length + part.skipped, elapsed + length
    if time > 2 * MAX_TICKS:
        raise InvalidIndex("The fragments last beyond any clock.")
    counts = [part.columns.shape[1] for part in parts]
    dts: Ints = np.cumsum(duration)
    dts -= duration
    dts += np.repeat(np.array(shifts, np.int64), counts)
    return dts


def _without_ties(dts: Ints, duration: Ints) -> Ints:
    """Decode times without ties: ffmpeg (frag_every_frame) writes some samples without duration at the next one's time.

    Such a sample is moved to the end of the previous one.
    """
    tied = 1 + np.flatnonzero((duration[1:-1] == 0) & (dts[1:-1] == dts[2:]))
    dts[tied] = np.minimum(dts[tied], dts[tied - 1] + duration[tied - 1])
    return dts


def _with_durations(dts: Ints, duration: Ints) -> Ints:
    """Samples without a duration last until the next one; the last one lasts as long as the previous one."""
    if not len(duration) or duration.all():
        return duration
    until_next = np.append(np.diff(dts), 0)
    filled: Ints = np.where(duration == 0, until_next, duration)
    if len(filled) > 1 and not filled[-1]:
        filled[-1] = filled[-2]
    return filled
