"""Fragments and their header, read back: everything that was said is there, where the boxes say it is."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.mp4.boxes import Box, boxes
from mam.mp4.track_headers import read_headers
from mam.mp4.writing import Sample, TrackEntry, TrackRun, box, fragment, full_box, header

NON_SYNC = 0x10000
ROW = ((0x100, "duration", ">I"), (0x200, "size", ">I"), (0x400, "flags", ">I"), (0x800, "composition", ">i"))

SAMPLES = st.builds(
    Sample,
    data=st.binary(max_size=40),
    duration=st.sampled_from((0, 1, 1024)) | st.integers(0, 2**32 - 1),
    composition=st.just(0) | st.integers(-(2**31), 2**31 - 1),
    key=st.booleans(),
)
RUNS = st.lists(
    st.tuples(st.integers(0, 2**64 - 1), st.lists(SAMPLES, min_size=1, max_size=8)), min_size=1, max_size=3
).map(lambda runs: [TrackRun(track, time, samples) for track, (time, samples) in enumerate(runs, 1)])

TRACKS = [
    TrackEntry("vide", 30000, full_box(b"stsd", bytes(4), box(b"avc1")), 64 << 16, 48 << 16),
    TrackEntry("soun", 48000, full_box(b"stsd", bytes(4), box(b"mp4a"))),
]


@given(st.integers(0, 2**32 - 1), RUNS)
def test_a_fragment_is_read_back_as_it_was_meant(sequence: int, runs: list[TrackRun]) -> None:
    assert read(fragment(sequence, runs)) == (sequence, runs)


@given(RUNS)
def test_all_of_the_media_is_of_some_sample(runs: list[TrackRun]) -> None:
    data = fragment(1, runs)
    mdat = within(data)[b"mdat"][0]
    assert mdat.end == len(data)
    assert mdat.end - mdat.payload == sum(len(sample.data) for run in runs for sample in run.samples)


def test_what_all_samples_share_is_said_once() -> None:
    """An hour of AAC has 168,750 frames: twelve bytes fewer for each is 4.5 kb/s."""
    sound = fragment(1, [TrackRun(1, 0, [Sample(b"x", 1024)] * 100)])
    mixed = fragment(1, [TrackRun(1, 0, [Sample(b"x", 1024 + n, n, n % 2 == 0) for n in range(100)])])
    assert len(mixed) - len(sound) == 100 * 12 - 8


def test_a_track_without_samples_is_left_out() -> None:
    run = TrackRun(1, 5, [Sample(b"picture", 40)])
    assert fragment(1, [run]) == fragment(1, [run, TrackRun(2, 5, [])])


@pytest.mark.parametrize("run", [TrackRun(1, -1, [Sample(b"", 1)]), TrackRun(1, 0, [Sample(b"", -1), Sample(b"", 1)])])
def test_times_before_zero_are_refused(run: TrackRun) -> None:
    with pytest.raises(ValueError, match="A fragment cannot say this"):
        fragment(1, [run])


def test_only_a_track_alone_claims_to_be_cmaf() -> None:
    runs = [TrackRun(number, 0, [Sample(b"x", 1)]) for number in (1, 2)]
    assert b"cmfs" in fragment(1, runs[:1])
    assert b"cmfs" not in fragment(1, runs)
    assert b"cmfc" in header(TRACKS[:1])
    assert b"cmfc" not in header(TRACKS)


def test_the_header_describes_the_tracks_and_holds_no_sample_and_no_duration() -> None:
    data = header(TRACKS)
    top = within(data)
    assert list(top) == [b"ftyp", b"moov"]
    moov = top[b"moov"][0]
    assert [(found.kind, found.sample_entry) for found in read_headers(data[moov.start : moov.end])] == [
        ("vide", "avc1"),
        ("soun", "mp4a"),
    ]
    inner = within(data, moov)
    assert list(inner) == [b"mvhd", b"trak", b"mvex"]
    assert ticks(data, inner[b"mvhd"][0]) == (1000, 0)
    for number, (trak, track) in enumerate(zip(inner[b"trak"], TRACKS, strict=True), 1):
        parts = within(data, trak)
        tkhd, mdia = parts[b"tkhd"][0], within(data, parts[b"mdia"][0])
        identity, duration = struct.unpack_from(">I4xI", data, tkhd.payload + 12)
        assert (identity, duration) == (number, 0)
        assert struct.unpack_from(">2I", data, tkhd.end - 8) == (track.width, track.height)
        assert ticks(data, mdia[b"mdhd"][0]) == (track.timescale, 0)
        stbl = within(data, within(data, mdia[b"minf"][0])[b"stbl"][0])
        assert data[stbl[b"stsd"][0].start : stbl[b"stsd"][0].end] == track.sample_description
        assert all(not any(data[stbl[kind][0].payload : stbl[kind][0].end]) for kind in (b"stts", b"stsc", b"stco"))
    trexes = within(data, inner[b"mvex"][0])[b"trex"]
    assert [struct.unpack_from(">2I", data, trex.payload + 4) for trex in trexes] == [(1, 1), (2, 1)]


# a reader of our own for what is written


def within(data: bytes, outer: Box | None = None) -> dict[bytes, list[Box]]:
    """The boxes directly inside a box, or in the file, by kind."""
    found: dict[bytes, list[Box]] = {}
    for inner in boxes(data, outer.payload if outer else 0, outer.end if outer else len(data)):
        found.setdefault(inner.kind, []).append(inner)
    return found


def ticks(data: bytes, of: Box) -> Any:
    """(time scale, duration) of mvhd and mdhd."""
    return struct.unpack_from(">2I", data, of.payload + 12)


def read(data: bytes) -> tuple[int, list[TrackRun]]:
    """The sequence number and the runs of a segment, as ISO/IEC 14496-12 section 8.8 says."""
    top = within(data)
    assert list(top) == [b"styp", b"moof", b"mdat"]
    moof = top[b"moof"][0]
    inner = within(data, moof)
    (sequence,) = struct.unpack_from(">I", data, inner[b"mfhd"][0].payload + 4)
    return sequence, [_read_run(data, moof, within(data, traf)) for traf in inner[b"traf"]]


def _read_run(data: bytes, moof: Box, traf: dict[bytes, list[Box]]) -> TrackRun:
    tfhd, tfdt, trun = (traf[kind][0] for kind in (b"tfhd", b"tfdt", b"trun"))
    flags, track = struct.unpack_from(">2I", data, tfhd.payload)
    assert flags & 0x020000, "default-base-is-moof"
    at, common = tfhd.payload + 8, {"duration": 0, "size": 0, "flags": 0, "composition": 0}
    for flag, field in ((0x08, "duration"), (0x10, "size"), (0x20, "flags")):
        if flags & flag:
            (common[field],) = struct.unpack_from(">I", data, at)
            at += 4
    assert at == tfhd.end
    version, time = struct.unpack_from(">IQ", data, tfdt.payload)
    assert version == 1 << 24
    kind, count, offset = struct.unpack_from(">IIi", data, trun.payload)
    assert kind >> 24 == 1, "signed composition offsets"
    at, media, samples = trun.payload + 12, moof.start + offset, []
    for _ in range(count):
        row = dict(common)
        for flag, field, form in ROW:
            if kind & flag:
                (row[field],) = struct.unpack_from(form, data, at)
                at += 4
        content = data[media : media + row["size"]]
        media += row["size"]
        samples.append(Sample(content, row["duration"], row["composition"], not row["flags"] & NON_SYNC))
    assert at == trun.end
    return TrackRun(track, time, samples)
