"""Whatever a file holds, reading its index ends in samples that lie within it, or in an error that says why not."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mam.errors import MamError
from mam.media.reader import ObjectReader
from mam.media.source import MediaSource, demux, read_moov
from mam.mp4 import bare_file, index, track_headers
from mam.mp4.boxes import InvalidIndex, leaves
from mam.mp4.samples import Samples
from mam.mp4.survey import survey
from mam.mp4.tables import MAX_SAMPLES, NoSampleTables
from tests.unit.films import Film, film, opened
from tests.unit.mp4.movies import Edit, Movie, Track, box, even_chunks, table, write

FEW_MEGABYTES = 8 << 20
CASES = settings().max_examples * 5  # `make mutants` takes the thorough profile

VIDEO = Track(
    sizes=(90, 40, 30, 50) * 5,
    durations=(40,) * 20,
    timescale=1000,
    composition=(40, 80, 0, 40) * 5,
    sync=(True, False, False, False) * 5,
    chunks=even_chunks(20, 3),
    edit=Edit(delay=100, media_time=40, duration=800, version=1),
)
SOUND = Track(
    kind="soun",
    entry="mp4a",
    sizes=(9,) * 30,
    durations=(1024,) * 30,
    timescale=48000,
    chunks=even_chunks(30, 7),
    size_form="4",
    wide_offsets=True,
    version=1,
    edit=Edit(media_time=1024),
)
UNIFORM = replace(SOUND, size_form="uniform", edit=None)
FILES = tuple(
    write(movie)
    for movie in (
        Movie((VIDEO, SOUND), extras=True),
        Movie((UNIFORM,), version=1, moov_first=False),
        Movie((VIDEO,), wide=frozenset({b"trak", b"stbl"}), open_ended=True),
    )
)

NUMBERS = (0, 1, 2, 7, 8, 0xFF, 0xFFFF, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, MAX_SAMPLES)
KINDS = (
    b"moov trak mdia minf stbl edts free stsd stts ctts stss stsc stco co64 stsz stz2 elst mvhd mdhd tkhd hdlr".split()
)
Damage = Callable[[bytes], bytes]


def _at(data: bytes, where: int, new: bytes) -> bytes:
    at = where % max(1, len(data) - len(new) + 1)
    return data[:at] + new + data[at + len(new) :]


def _u32(data: bytes, where: int, value: int) -> bytes:
    """Boxes, and most of what is in them, are aligned to four bytes more often than not."""
    return _at(data, where * 4, struct.pack(">I", value))


def _kind(data: bytes, kind: bytes, new: bytes) -> bytes:
    return data.replace(kind, new, 1)


def _field(data: bytes, kind: bytes, field: int, value: int) -> bytes:
    """A number in the box of that kind, counted from its version and flags."""
    at = data.find(kind)
    return data if at < 0 else _at(data, min(at + 4 + 4 * field, len(data) - 4), struct.pack(">I", value))


def _size(data: bytes, kind: bytes, value: int) -> bytes:
    at = data.find(kind)
    return data if at < 4 else _at(data, at - 4, struct.pack(">I", value))


def _nest(data: bytes, where: int, kind: bytes, depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(kind, inner)
    at = where % len(data)
    return data[:at] + inner + data[at:]


def _damages() -> st.SearchStrategy[Damage]:
    where, number = st.integers(0, 4000), st.sampled_from(NUMBERS) | st.integers(0, 0xFFFFFFFF)
    kind = st.sampled_from(KINDS)

    def of(function: Callable[..., bytes], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Damage]:
        return st.tuples(*arguments).map(lambda given: lambda data: function(data, *given))

    return st.one_of(
        of(lambda data, at, value: _at(data, at, bytes([value])), where, st.integers(0, 255)),
        of(_u32, where, number),
        of(_kind, kind, kind),
        of(_field, kind, st.integers(0, 12), number),
        of(_size, kind, number),
        of(_nest, where, kind, st.integers(1, 40)),
        of(lambda data, at: data[: at % len(data)], where),
        of(lambda data, at, length: data[:at] + data[at + length :] or data[:1], where, st.integers(1, 64)),
        of(lambda data, at, length: data[: at + length] + data[at:], where, st.integers(1, 400)),
    )


DAMAGES = st.lists(_damages(), min_size=1, max_size=4)
ANY_FILE = st.sampled_from(FILES)


@st.composite
def damaged(draw: st.DrawFn, part: str) -> bytes:
    """The `data` or the `moov` of a sound file, after a few accidents."""
    data: bytes = getattr(draw(ANY_FILE), part)
    for damage in draw(DAMAGES):
        data = damage(data) or b"\0"
    return data


@contextmanager
def only_our_errors() -> Iterator[None]:
    with suppress(MamError, NoSampleTables):
        yield


def look_at(moov: bytes, object_size: int) -> None:
    """All that is read of a moov box."""
    with only_our_errors():
        survey(moov)
    with only_our_errors():
        bare_file.without_tables(moov)
    with only_our_errors():
        for header in track_headers.read_headers(moov):
            with only_our_errors():
                check(index.read_samples(moov, header.number, object_size), object_size)


def check(samples: Samples, object_size: int) -> None:
    """What is read from an index can be relied on, whoever wrote it."""
    columns = (samples.offset, samples.size, samples.dts, samples.pts, samples.duration, samples.key)
    assert {len(samples)} == {len(column) for column in columns}
    if not len(samples):
        return
    assert samples.offset.min() >= 0
    assert samples.size.min() >= 0
    assert int(samples.offset.max()) + int(samples.size.max()) < 1 << 62
    assert int((samples.offset + samples.size).max()) <= object_size
    assert (np.diff(samples.dts) >= 0).all()
    assert max(abs(int(samples.pts.min())), int((samples.pts + samples.duration).max())) < 1 << 62
    assert samples.start <= samples.end


@settings(max_examples=CASES)
@given(damaged("moov"), st.sampled_from((0, 100, 4000, 1 << 40)))
@example(_field(FILES[0].moov, b"elst", 2, 0xFFFFFFFF), 1 << 20)  # a delay beyond any clock
@example(_field(FILES[0].moov, b"co64", 2, 0x7FFFFFFF), 1 << 20)
def test_a_damaged_index_gives_samples_within_the_object_or_an_error_of_ours(moov: bytes, object_size: int) -> None:
    look_at(moov, object_size)


@settings(max_examples=CASES // 4)
@given(st.binary(max_size=300))
def test_any_bytes_at_all_give_an_error_of_ours(payload: bytes) -> None:
    look_at(box(b"moov", payload), 1 << 20)


@settings(max_examples=CASES // 4)
@given(damaged("data"))
def test_a_damaged_file_has_a_moov_box_or_an_error_of_ours_and_is_read_within_its_bounds(data: bytes) -> None:
    def read(start: int, stop: int) -> bytes:
        assert 0 <= start < stop <= len(data)
        return data[start:stop]

    with only_our_errors():
        look_at(read_moov(read, len(data)), len(data))


@settings(max_examples=CASES // 10)
@given(damaged("data"))
def test_libavformat_gets_no_damaged_index_that_it_or_pyav_would_fail_at_in_ways_unknown_to_us(data: bytes) -> None:
    with only_our_errors():
        media = opened(data)
        for track in media.tracks:
            with only_our_errors():
                media.samples(track.number)


@settings(max_examples=CASES // 20)
@given(damaged("moov"))
def test_a_damaged_index_takes_no_more_than_a_few_megabytes(moov: bytes) -> None:
    with at_most(FEW_MEGABYTES):
        look_at(moov, 5000)


@contextmanager
def at_most(size: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= size


@pytest.mark.parametrize("form", ["stsz", "uniform", "4"])
def test_millions_of_samples_that_the_object_has_no_room_for_cost_nothing(form: str) -> None:
    moov = write(Movie((replace(UNIFORM, size_form=form),))).moov
    kind, field = (b"stz2", 2) if form == "4" else (b"stsz", 2)
    claimed = _field(moov, kind, field, MAX_SAMPLES)
    claimed = _field(claimed, b"stts", 2, MAX_SAMPLES)
    claimed = _field(claimed, b"stsc", 3, MAX_SAMPLES)

    with at_most(FEW_MEGABYTES), pytest.raises(MamError):
        index.read_samples(claimed, 0, 5000)


@pytest.mark.parametrize("kind", [b"stts", b"ctts", b"stss", b"stsc", b"stco", b"elst"])
def test_a_table_that_claims_more_entries_than_it_has_room_for_is_refused(kind: bytes) -> None:
    moov = _field(write(Movie((VIDEO,))).moov, kind, 1, 0x7FFFFFFF)
    with at_most(FEW_MEGABYTES), pytest.raises(InvalidIndex):
        index.read_samples(moov, 0, 1 << 40)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_box_smaller_than_its_own_header_is_refused(size: int) -> None:
    moov = _size(write(Movie((VIDEO,), extras=True)).moov, b"free", size)
    with pytest.raises(InvalidIndex):
        track_headers.read_headers(moov)


def test_boxes_nested_without_end_are_refused() -> None:
    moov = box(b"moov", _nest(b"\0", 0, b"trak", 5000))
    with pytest.raises(InvalidIndex):
        track_headers.read_headers(moov)


def test_a_crowd_of_boxes_is_refused() -> None:
    with pytest.raises(InvalidIndex):
        track_headers.track_boxes(box(b"moov", box(b"free", b"") * 100_001))


def test_a_crowd_of_boxes_is_refused_wherever_it_stands() -> None:
    """Few in any one place, and containers behind them, which must not make them dearer."""
    moov = write(Movie((VIDEO,) * 3)).moov
    few = box(b"free", b"") * (track_headers.MAX_BOXES // 6) + box(b"minf", b"") * (track_headers.MAX_BOXES // 6)
    crowded = moov[8:]
    for kind in (b"mdia", b"trak"):  # of the last track, whose boxes then reach to the end
        at = crowded.rindex(kind) - 4
        crowded = crowded[:at] + struct.pack(">I", len(crowded) + len(few) - at) + crowded[at + 4 :]
    crowded += few
    assert len(track_headers.read_headers(box(b"moov", crowded))) == 3
    track_headers.check_crowd(box(b"moov", crowded))
    with pytest.raises(InvalidIndex, match="boxes"):
        track_headers.check_crowd(box(b"moov", crowded + few + few))
    with pytest.raises(InvalidIndex, match="boxes"):
        MediaSource(cast(ObjectReader, None), box(b"moov", crowded + few + few))


def test_the_first_box_of_a_kind_counts_however_deep_the_others_lie() -> None:
    data = box(b"minf", box(b"aaaa", b"1")) + box(b"aaaa", b"2") + box(b"minf", box(b"bbbb", b"3"))
    found = leaves(data, 0, len(data))
    assert {kind: data[b.payload : b.end] for kind, b in found.items()} == {b"aaaa": b"1", b"bbbb": b"3"}


def test_more_samples_than_are_listed_are_left_to_the_demuxer() -> None:
    moov = _field(write(Movie((UNIFORM,))).moov, b"stsz", 2, MAX_SAMPLES + 1)
    with pytest.raises(NoSampleTables):
        index.read_samples(moov, 0, 1 << 40)


def test_an_edit_list_beyond_any_clock_is_refused() -> None:
    rows = [((1 << 63) - 1, -1, 1, 0), (800, (1 << 63) - 1, 1, 0)]
    moov = write(Movie((VIDEO,))).moov
    old = table(b"elst", "QqHH", [(100, -1, 1, 0), (800, 40, 1, 0)], version=1)
    assert old in moov
    for row in rows:
        with pytest.raises(InvalidIndex):
            index.read_samples(
                moov.replace(old, table(b"elst", "QqHH", [row], version=1) + box(b"free", bytes(12))), 0, 1 << 20
            )


def test_names_that_are_not_utf8_do_not_matter() -> None:
    """QuickTime names handlers in Mac Roman."""
    written = write(Movie((replace(VIDEO, handler=b"\x0bVid\x8eo \x80\xff\xfe\0"),)))
    assert [track.codec for track in opened(written.data).tracks] == ["h264"]


def test_metadata_that_is_not_utf8_does_not_stop_the_demuxer() -> None:
    data = film(Film(movflags="frag_keyframe+empty_moov"))
    moov = read_moov(lambda start, stop: data[start:stop], len(data))
    name = box(b"udta", box(b"\xa9nam", b"\x00\x04\x55\xc4caf\xe9") + bytes(4))
    named = struct.pack(">I", len(moov) + len(name)) + moov[4:] + name
    assert sorted(demux(opened(data.replace(moov, named)), [0, 1])) == [0, 1]


@pytest.mark.parametrize("kind", [b"stbl", b"hdlr"])
def test_a_track_without_its_boxes_is_damaged_whoever_asks_first(kind: bytes) -> None:
    moov = _kind(write(Movie((VIDEO,))).moov, kind, b"free")
    with pytest.raises(InvalidIndex):
        index.read_samples(moov, 0, 1 << 20)
