"""Writes the boxes of fragmented files: segments of fMP4, and the header that all segments share.

ISO/IEC 14496-12 section 8.8 defines the boxes, RFC 8216 section 3.3 those that HLS needs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SYNC = 0x02000000  # sample_depends_on: 2, no other sample
NOT_SYNC = 0x01010000  # sample_depends_on: 1; sample_is_non_sync_sample
DEFAULT_BASE_IS_MOOF = 0x020000  # of tfhd: offsets count from the moof box, wherever the segment is stored
DEFAULT_DURATION, DEFAULT_FLAGS = 0x08, 0x20  # of tfhd
DATA_OFFSET, DURATIONS, SIZES, FLAGS, COMPOSITION = 0x001, 0x100, 0x200, 0x400, 0x800  # of trun
ENABLED_IN_MOVIE = 3  # flags of tkhd
IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
UNDETERMINED = 0x55C4  # the language `und`, packed
MOVIE_TIMESCALE = 1000  # The movie timescale is unused: all durations in the header are zero.


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample. `duration`, `composition`: ticks of the track."""

    data: bytes | memoryview
    duration: int
    composition: int = 0  # composition time minus decode time; may be negative
    key: bool = True


@dataclass(frozen=True, slots=True)
class TrackRun:
    """Samples of one track in decode order. `decode_time`: of the first, in ticks since zero (tfdt)."""

    track: int  # track_ID: counts from 1
    decode_time: int
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class TrackEntry:
    """A track in the header. `sample_description`: the whole `stsd` box. `media_time`: ticks of the media at which the
    presentation begins (an edit list); presentation times are earlier than composition times by this much.
    """

    kind: Literal["vide", "soun"]
    timescale: int
    sample_description: bytes
    width: int = 0  # of the shown picture, in units of 1/65536 pixel
    height: int = 0
    media_time: int = 0


def box(kind: bytes, *payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, payload)), kind) + b"".join(payload)


def full_box(kind: bytes, *payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


# segments


def fragment(sequence: int, runs: Sequence[TrackRun]) -> bytes:
    """A segment of one fragment: the samples of each run, run after run.

    `sequence`: counts fragments, from 1. Raises ValueError for a decode time or a size that the boxes cannot hold.
    """
    runs = [run for run in runs if run.samples]
    brands = (b"msdh", b"iso6", b"cmfs") if len(runs) == 1 else (b"msdh", b"iso6")  # CMAF knows no muxed tracks
    styp = box(b"styp", brands[0], bytes(4), *brands)
    try:
        media = sum(len(sample.data) for run in runs for sample in run.samples)
        moof = _moof(sequence, runs, len(_moof(sequence, runs, 0)))
        mdat = struct.pack(">I4s", 8 + media, b"mdat")
    except struct.error as error:
        raise ValueError(f"A fragment cannot say this: {error}.") from error
    return b"".join((styp, moof, mdat, *(sample.data for run in runs for sample in run.samples)))


def _moof(sequence: int, runs: Sequence[TrackRun], size: int) -> bytes:
    """The `moof` box. `size`: its own length, after which the samples follow."""
    position = size + 8  # the header of mdat
    trafs = []
    for run in runs:
        trafs.append(_traf(run, position))
        position += sum(len(sample.data) for sample in run.samples)
    return box(b"moof", full_box(b"mfhd", struct.pack(">I", sequence)), *trafs)


def _traf(run: TrackRun, offset: int) -> bytes:
    """The fragment of a track. Values that all samples share are written once, in `tfhd`: for audio most of them."""
    columns = {
        DURATIONS: [sample.duration for sample in run.samples],
        SIZES: [len(sample.data) for sample in run.samples],
        FLAGS: [SYNC if sample.key else NOT_SYNC for sample in run.samples],
        COMPOSITION: [sample.composition for sample in run.samples],
    }
    tfhd_flags, defaults = DEFAULT_BASE_IS_MOOF, b""
    for column, flag in ((DURATIONS, DEFAULT_DURATION), (FLAGS, DEFAULT_FLAGS)):
        if len(set(columns[column])) == 1:
            tfhd_flags |= flag
            defaults += struct.pack(">I", columns.pop(column)[0])
    if not any(columns[COMPOSITION]):
        del columns[COMPOSITION]
    row = struct.Struct(">" + "".join("i" if column == COMPOSITION else "I" for column in columns))
    table = b"".join(row.pack(*values) for values in zip(*columns.values(), strict=True))
    return box(
        b"traf",
        full_box(b"tfhd", struct.pack(">I", run.track), defaults, flags=tfhd_flags),
        full_box(b"tfdt", struct.pack(">Q", run.decode_time), version=1),
        full_box(
            b"trun",
            struct.pack(">Ii", len(run.samples), offset),
            table,
            version=1,  # composition offsets are signed
            flags=DATA_OFFSET | sum(columns),
        ),
    )


# the header


def header(tracks: Sequence[TrackEntry]) -> bytes:
    """`ftyp` and `moov` of a file whose samples are all in fragments (EXT-X-MAP). Track IDs count from 1."""
    brands = (b"iso6", b"mp41", b"cmfc") if len(tracks) == 1 else (b"iso6", b"mp41")
    traks = [_trak(number, track) for number, track in enumerate(tracks, 1)]
    trexes = [full_box(b"trex", struct.pack(">5I", number, 1, 0, 0, 0)) for number in range(1, len(tracks) + 1)]
    mvhd = full_box(
        b"mvhd",
        struct.pack(">4I", 0, 0, MOVIE_TIMESCALE, 0),
        struct.pack(">IH10x", 1 << 16, 1 << 8),  # normal speed and volume
        IDENTITY,
        struct.pack(">24xI", len(tracks) + 1),
    )
    return box(b"ftyp", brands[0], bytes(4), *brands) + box(b"moov", mvhd, *traks, box(b"mvex", *trexes))


def _trak(number: int, track: TrackEntry) -> bytes:
    is_video = track.kind == "vide"
    tkhd = full_box(
        b"tkhd",
        struct.pack(">8xI20x", number),  # times before it; duration, layer and group after it: all zero
        struct.pack(">H2x", 0 if is_video else 1 << 8),  # volume
        IDENTITY,
        struct.pack(">2I", track.width, track.height),
        flags=ENABLED_IN_MOVIE,
    )
    mdhd = full_box(b"mdhd", struct.pack(">4I2H", 0, 0, track.timescale, 0, UNDETERMINED, 0))
    hdlr = full_box(b"hdlr", struct.pack(">4x4s12xx", track.kind.encode()))
    media_header = full_box(b"vmhd", bytes(8), flags=1) if is_video else full_box(b"smhd", bytes(4))
    dinf = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1)))  # in this file
    empty = (full_box(kind, bytes(size)) for kind, size in ((b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4)))
    stbl = box(b"stbl", track.sample_description, *empty)
    # The duration of fragmented media is unknown: 0 (ISO/IEC 14496-12 section 8.6.6).
    elst = full_box(b"elst", struct.pack(">IIi2H", 1, 0, track.media_time, 1, 0))
    edts = box(b"edts", elst) if track.media_time else b""
    return box(b"trak", tkhd, edts, box(b"mdia", mdhd, hdlr, box(b"minf", media_header, dinf, stbl)))
