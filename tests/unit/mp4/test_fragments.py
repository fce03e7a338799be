"""The index of a fragmented file: as its fragments were written, as libavformat reads them, and with few reads."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mam.errors import ChangingFormat, EncryptedMedia, MediaError, NotAVideo, TooLarge, TruncatedMedia
from mam.media import fragment_index
from mam.media.fragment_index import find_samples
from mam.media.reader import ObjectReader
from mam.media.source import MediaSource, demux, read_moov
from mam.mp4 import fragments
from mam.mp4.boxes import InvalidIndex, boxes
from mam.mp4.fragments import Defaults, Part
from mam.mp4.tables import NoSampleTables
from mam.store.objects import Store
from tests.media import ffmpeg
from tests.unit.films import Film, Memory, demuxed, film, opened, source_of
from tests.unit.mp4.moofs import NO_SYNC, TRAFS, TREX, Row, Run, Sample, Traf, moof, movie
from tests.unit.mp4.movies import Edit, Track, box, even_chunks, full, sample_entry
from tests.unit.mp4.rows import Row as IndexRow
from tests.unit.mp4.rows import rows_of

MEDIA = os.environ.get("MAM_TEST_MEDIA", "")
BASE = Film(seconds=6)
PLAIN = "frag_keyframe+empty_moov+default_base_moof"

WAYS = {
    "fragments behind the first, which is in the moov": "frag_keyframe",
    "a moov without samples": "frag_keyframe+empty_moov",
    "default-base-is-moof": PLAIN,
    "no base data offset": "frag_keyframe+empty_moov+omit_tfhd_offset",
    "an edit list": "frag_keyframe+delay_moov",
    "an edit list, default-base-is-moof": "frag_keyframe+delay_moov+default_base_moof",
    "a sidx before each fragment": "dash+frag_keyframe+delay_moov",
    "a sidx for all": "dash+global_sidx+frag_keyframe+delay_moov",
    "CMAF": "cmaf+frag_keyframe+delay_moov",
    "a moof for each track": "frag_keyframe+empty_moov+separate_moof",
    "no mfra": "frag_keyframe+empty_moov+skip_trailer",
    "no mfra, no sidx": "frag_keyframe+delay_moov+skip_trailer+skip_sidx",
    "discontinuous": "frag_keyframe+empty_moov+frag_discont",
}
LATER = {"": (), "begins at 3 s": ("-output_ts_offset", "3"), "half a second each": ("-frag_duration", "500000")}
CASES = [
    pytest.param(way, more, id=f"{name}, {later}" if later else name)
    for name, way in WAYS.items()
    for later, more in LATER.items()
]


@cache
def pieces(movflags: str, *more: str) -> bytes:
    """The film in fragments, as ffmpeg writes them."""
    with tempfile.TemporaryDirectory() as folder:
        whole, made = Path(folder) / "whole.mp4", Path(folder) / "made.mp4"
        whole.write_bytes(film(BASE))
        ffmpeg("-i", str(whole), "-c", "copy", "-movflags", movflags, *more, str(made))
        return made.read_bytes()


def found(data: bytes, media: MediaSource | None = None) -> dict[int, list[IndexRow]]:
    media = media or opened(data)
    samples = find_samples(media, [track.number for track in media.tracks])
    return {number: rows_of(rows) for number, rows in samples.items()}


class Counting(Memory):
    """A store that remembers what was read of its object."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[tuple[int, int]] = []

    def read(self, bucket: str, key: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        assert 0 <= start < stop <= len(self.data)
        self.reads.append((start, stop))
        return super().read(bucket, key, start, stop, etag=etag)


def counted(data: bytes) -> tuple[MediaSource, Counting]:
    """The source, and the store that it lies in, which has not been read of."""
    store = Counting(data)
    reader = ObjectReader(cast(Store, store), source_of(data))
    media = MediaSource(reader, read_moov(reader.read, reader.size))
    store.reads.clear()
    return media, store


def payloads(data: bytes, rows: list[IndexRow]) -> list[bytes]:
    return [data[offset : offset + size] for offset, size, *_ in rows]


def times(rows: list[IndexRow], *, since: int = 0) -> list[tuple[int, int]]:
    return [(dts - since, pts - since) for _, _, dts, pts, _, _ in rows]


def top_level(data: bytes, kind: bytes) -> list[tuple[int, int]]:
    return [(found.start, found.end) for found in boxes(data, 0, len(data)) if found.kind == kind]


# as ffmpeg writes and libavformat reads


@pytest.mark.parametrize(("way", "more"), CASES)
def test_fragments_are_read_as_libavformat_reads_them(way: str, more: tuple[str, ...]) -> None:
    data = pieces(way, *more)
    assert demuxed(data) == found(data)


@pytest.mark.parametrize("way", [*WAYS.values(), "frag_every_frame+empty_moov", "frag_keyframe+negative_cts_offsets"])
def test_fragments_hold_the_samples_of_the_file_they_were_made_of(way: str) -> None:
    """Bytes, key frames, and the times between samples.

    Where the file begins is the muxer's choice, and without an edit list it lets the first sound last longer.
    """
    whole = opened(film(BASE))
    data = pieces(way)
    for number, rows in found(data).items():
        expected = rows_of(whole.samples(number))
        assert payloads(film(BASE), expected) == payloads(data, rows)
        assert [row[5] for row in expected] == [row[5] for row in rows]
        assert _shown(expected) == _shown(rows)
        assert all(before[2] < after[2] for before, after in pairwise(rows))


def _shown(rows: list[IndexRow]) -> list[int]:
    return [row[3] - rows[1][3] for row in rows[1:]]


def test_what_is_shown_before_it_is_decoded_moves_the_decoding() -> None:
    """libavformat moves the showing instead, in fragments: a picture then comes later than its sound."""
    data = pieces("frag_keyframe+empty_moov+negative_cts_offsets")
    actual, theirs = found(data)[0], demuxed(data)[0]
    late = theirs[0][3] - actual[0][3]
    assert late > 0
    assert times(theirs, since=late) == times(actual)
    assert actual[0][3] == 0


@pytest.mark.parametrize("flags", ["frag_keyframe", PLAIN, "frag_keyframe+delay_moov"])
def test_audio_alone_is_read_as_libavformat_reads_it(flags: str) -> None:
    data = film(Film(video=None, movflags=f"{flags}+frag_every_frame"))
    assert demuxed(data) == found(data)


@pytest.mark.media
@pytest.mark.skipif(not MEDIA, reason="MAM_TEST_MEDIA names no folder of real files")
@pytest.mark.parametrize("name", ["sample_fragmented.mp4", "rotate-buck-bunny.mp4"])
def test_real_fragmented_files_are_read_as_libavformat_reads_them(name: str) -> None:
    data = (Path(MEDIA) / name).read_bytes()
    actual = found(data)
    expected = {number: rows for number, rows in demuxed(data).items() if number in actual}
    for number, rows in actual.items():
        late = expected[number][0][3] - rows[0][3]  # see above: signed composition offsets
        assert [(r[0], r[1], r[2] - late, r[3] - late, r[4], r[5]) for r in expected[number]] == rows


@pytest.mark.media
@pytest.mark.skipif(not MEDIA, reason="MAM_TEST_MEDIA names no folder of real files")
def test_a_real_encrypted_fragmented_file_is_refused() -> None:
    with pytest.raises(EncryptedMedia):
        opened((Path(MEDIA) / "sample_fragmented_widevine.mp4").read_bytes())


# one moof


@given(st.lists(TRAFS, min_size=1, max_size=4).map(tuple), TREX, st.integers(0, 1 << 33))
def test_a_moof_of_any_form_is_read_back(trafs: tuple[Traf, ...], trex: dict[int, Defaults], position: int) -> None:
    head, media, expected = moof(trafs, position, trex)
    parts = fragments.read_moof(head, position, trex, [1, 2], position + len(head) + len(media))
    assert [(traf.track_id, traf.time) for traf in trafs] == [(part.track_id, part.time) for part in parts]
    assert expected == [_rows(part) for part in parts]


def _rows(part: Part) -> list[Row]:
    return [Row(*row) for row in part.columns.T.tolist()]


@given(st.lists(TRAFS, min_size=1, max_size=3).map(tuple), TREX)
def test_a_moof_whose_media_the_object_does_not_hold_is_cut_off(
    trafs: tuple[Traf, ...], trex: dict[int, Defaults]
) -> None:
    head, _, rows = moof(trafs, 0, trex)
    ends = [row.offset + row.size for mine in rows for row in mine]
    if not ends:
        return
    fragments.read_moof(head, 0, trex, [1, 2], max(ends))
    with pytest.raises(TruncatedMedia):
        fragments.read_moof(head, 0, trex, [1, 2], max(ends) - 1)


@given(st.lists(TRAFS, min_size=1, max_size=3).map(tuple), TREX, st.data())
def test_a_damaged_moof_gives_samples_within_the_object_or_an_error_of_ours(
    trafs: tuple[Traf, ...], trex: dict[int, Defaults], draw: st.DataObject
) -> None:
    head, _, _ = moof(trafs, 0, trex)
    damaged = bytearray(head)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(head) - 4))
        damaged[at : at + 4] = struct.pack(">I", draw.draw(st.sampled_from((0, 1, 8, 1 << 20, 0xFFFFFFFF))))
    with suppress(MediaError, NoSampleTables):
        for part in fragments.read_moof(bytes(damaged), 0, trex, [1, 2], 1 << 20):
            offset, size, *_ = part.columns
            assert not len(size) or int((offset + size).max()) <= 1 << 20
            columns = fragments.join([part])
            assert (columns.dts[1:] >= columns.dts[:-1]).all()


def test_only_the_samples_of_wanted_tracks_are_given_and_the_others_are_passed() -> None:
    sample = Sample(10, 40, 0, 0)
    trafs = (Traf(1, (Run((sample,) * 3),)), Traf(2, (Run((sample,), gap=None),), base="before"))
    head, media, expected = moof(trafs, 0, {})
    parts = fragments.read_moof(head, 0, {}, [2], len(head) + len(media))
    assert [expected[1]] == [_rows(part) for part in parts]


@pytest.mark.parametrize(("flags", "key"), [(0, True), (0x02000000, True), (0x01000000, False), (0x00010000, False)])
def test_a_picture_that_needs_others_or_is_no_sync_sample_is_no_key_frame(flags: int, key: bool) -> None:
    assert [row[5] for row in found(fragmented_file(Traf(1, (Run((Sample(20, 40, flags, 0),)),))))[0]] == [key]


def test_a_track_that_has_nothing_for_a_while_goes_on_later() -> None:
    """duration-is-empty: the default duration is how long."""
    traf = Traf(1, (), time=500, empty=True, defaults=(70, None, None))
    (empty,) = fragments.read_moof(moof((traf,), 0, {})[0], 0, {}, [1], 1 << 20)
    assert fragments.join([empty, part(40)]).dts.tolist() == [570]


def test_a_run_that_says_no_sizes_is_refused() -> None:
    head, _, _ = moof((Traf(1, (Run((Sample(0, 1, 0, 0),), listed=frozenset()),)),), 0, {})
    with pytest.raises(InvalidIndex):
        fragments.read_moof(head, 0, {}, [1], 1 << 20)


# times


def part(*durations: int, time: int | None = None, skipped: int = 0) -> Part:
    trafs = (Traf(1, (Run(tuple(Sample(1, duration, 0, 0) for duration in durations)),), time=time),)
    (made,) = fragments.read_moof(moof(trafs, 0, {})[0], 0, {}, [1], 1 << 20)
    return replace(made, skipped=skipped)


def test_a_fragment_without_a_time_begins_where_the_one_before_it_ended() -> None:
    columns = fragments.join([part(40, 40), part(40, time=500), part(30), part(20, skipped=100), part(1)], begin=7)
    assert columns.dts.tolist() == [7, 47, 500, 540, 570, 690]


def test_a_fragment_that_begins_before_the_one_before_it_is_refused() -> None:
    with pytest.raises(InvalidIndex):
        fragments.join([part(40, 40, time=100), part(40, time=139)])


def test_a_sample_without_a_duration_lasts_until_the_next_and_the_last_as_long_as_the_one_before() -> None:
    columns = fragments.join([part(40, 0, time=0), part(40, 30, 0, time=100)])
    assert columns.duration.tolist() == [40, 60, 40, 30, 30]


def test_a_sample_without_a_duration_at_the_time_of_the_next_begins_where_the_one_before_it_ends() -> None:
    columns = fragments.join([part(40, time=0), part(0, time=80), part(40, time=80)])
    assert columns.dts.tolist() == [0, 40, 80]
    assert columns.duration.tolist() == [40, 40, 40]


# whole files of our own


SAMPLES = (Sample(20, 100, 0, 0), Sample(10, 100, NO_SYNC, 0))
TREX_ONE = {1: Defaults(100, 10, NO_SYNC)}


def fragmented_file(*trafs: Traf, track: Track | None = None) -> bytes:
    data = movie(TREX_ONE, track)
    for traf in trafs:
        head, media, _ = moof((traf,), len(data), TREX_ONE)
        data += head + media
    return data


@pytest.mark.parametrize("duration", [0, 5, 10_000])
def test_an_edit_list_moves_fragments_and_its_length_hides_none(duration: int) -> None:
    """Whatever length it claims, it was written before the fragments were."""
    track = Track(timescale=1000, edit=Edit(delay=50, media_time=100, duration=duration))
    data = fragmented_file(Traf(1, (Run(SAMPLES * 2),), time=100), Traf(1, (Run(SAMPLES),), time=500), track=track)
    assert [row[3] for row in found(data)[0]] == [50, 150, 250, 350, 450, 550]


def test_a_fragment_that_begins_with_the_last_sample_of_the_one_before_begins_a_tick_later() -> None:
    rows = found(fragmented_file(Traf(1, (Run(SAMPLES),)), Traf(1, (Run(SAMPLES),), time=100)))[0]
    assert [(row[2], row[4]) for row in rows] == [(0, 100), (100, 1), (101, 99), (200, 100)]


@pytest.mark.parametrize("description", [1, 2, 3])
def test_a_fragment_of_another_format_is_refused(description: int) -> None:
    avc = sample_entry("avc1")
    track = Track(timescale=1000, more_entries=(avc.replace(b"\x64\0\x0a", b"\x4d\0\x0a"), avc))
    runs = (Run(SAMPLES),)
    data = fragmented_file(
        Traf(1, runs, time=0), Traf(1, runs, time=200, described=True, description=description), track=track
    )
    with pytest.raises(ChangingFormat) if description == 2 else nullcontext():
        assert len(found(data)[0]) == 4


def test_samples_in_the_moov_come_before_those_in_fragments() -> None:
    own = Track(
        timescale=1000, sizes=(30, 40), durations=(100, 50), sync=(True, False), chunks=even_chunks(2, 2),
        edit=Edit(duration=150),
    )  # fmt: skip
    data = fragmented_file(Traf(1, (Run(SAMPLES),), time=None), Traf(1, (Run(SAMPLES),), time=900), track=own)
    rows = found(data)[0]
    assert [row[2] for row in rows] == [0, 100, 150, 250, 900, 1000]
    assert [row[1] for row in rows] == [30, 40, 20, 10, 20, 10]
    assert [row[5] for row in rows] == [True, False, True, False, True, False]


def test_fragments_that_begin_before_the_samples_of_the_moov_are_refused() -> None:
    own = Track(timescale=1000, sizes=(30, 40), durations=(100, 50), chunks=(2,))
    with pytest.raises(InvalidIndex):
        found(fragmented_file(Traf(1, (Run(SAMPLES),), time=99), track=own))


def test_a_file_in_one_piece_is_left_to_others() -> None:
    with pytest.raises(NoSampleTables):
        found(film(BASE))


def test_a_fragmented_file_without_fragments_holds_no_media() -> None:
    with pytest.raises(NotAVideo):
        found(fragmented_file())


@pytest.mark.parametrize("limit", [("MAX_FRAGMENTS", NoSampleTables), ("MAX_SAMPLES", TooLarge)], ids=lambda x: x[0])
def test_a_crowd_is_not_listed(monkeypatch: pytest.MonkeyPatch, limit: tuple[str, type[Exception]]) -> None:
    monkeypatch.setattr(fragment_index, limit[0], 1)
    with pytest.raises(limit[1]):
        found(fragmented_file(Traf(1, (Run(SAMPLES),)), Traf(1, (Run(SAMPLES),), time=500)))


@pytest.mark.parametrize("way", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+skip_trailer", "frag_keyframe"])
def test_a_file_that_ends_within_a_fragment_is_read_up_to_the_one_before(way: str) -> None:
    """A recording of which the end was lost; what is behind the last whole fragment is told of."""
    data = pieces(way)
    start, end = top_level(data, b"moof")[-1]
    _, media_end = top_level(data, b"mdat")[-1]
    whole = found(data[:start])
    assert whole
    for length in (start + 3, start + 8, start + 20, end, end + 7, end + 8, media_end - 1):
        media = opened(data[:length])
        assert found(data[:length], media) == whole
        assert [str(length - start) in note for note in media.notes] == [True]


@pytest.mark.parametrize("way", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+skip_trailer"])
@given(junk=st.binary(min_size=1, max_size=40))
def test_what_is_appended_to_the_last_fragment_loses_no_samples(way: str, junk: bytes) -> None:
    data = pieces(way)
    assert found(data + junk) == found(data)


@pytest.mark.parametrize("way", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+skip_trailer"])
def test_a_file_that_ends_within_its_first_fragment_is_cut_off(way: str) -> None:
    data = pieces(way)
    start, end = top_level(data, b"moof")[0]
    for length in (start + 3, start + 20, end, end + 8):
        with pytest.raises(TruncatedMedia):
            found(data[:length])


def test_damage_in_the_middle_is_no_end() -> None:
    """The list at the end of the file names fragments behind it."""
    data = bytearray(pieces("frag_keyframe+empty_moov"))
    start, _ = top_level(bytes(data), b"moof")[1]
    data[start : start + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(TruncatedMedia):
        found(bytes(data))


# lists of fragments


@pytest.fixture(scope="module")
def long() -> Callable[[str], bytes]:
    """A file of many fragments, further apart than what is read at one."""

    @cache
    def made(way: str) -> bytes:
        data = movie(TREX_ONE)
        trafs = [Traf(1, (Run((Sample(200_000, 100, 0, 0), *SAMPLES)),), time=300 * n) for n in range(40)]
        starts, lengths = [], []
        lists_from = len(data)
        if way == "sidx":
            data += bytes(32 + 12 * len(trafs))
        if way == "nested":
            data += bytes(32 + 12)
        first = len(data)
        if way == "nested":
            data += bytes(32 + 12 * len(trafs))
        for traf in trafs:
            head, media, _ = moof((traf,), len(data), TREX_ONE)
            starts.append(len(data))
            lengths.append(len(head) + len(media))
            data += head + media
        if way == "sidx":
            data = data[:lists_from] + sidx(lengths) + data[first:]
        if way == "nested":
            inner = sidx(lengths)
            data = data[:lists_from] + sidx([len(inner)], nested=True) + inner + data[starts[0] :]
        if way == "mfra":
            data += mfra(starts)
        return data

    return made


def sidx(lengths: list[int], *, nested: bool = False, first: int = 0) -> bytes:
    rows = b"".join(struct.pack(">III", length | nested << 31, 300, 0x90000000) for length in lengths)
    return full(b"sidx", struct.pack(">IIIIHH", 1, 1000, 0, first, 0, len(lengths)) + rows)


def mfra(starts: list[int], *, version: int = 1) -> bytes:
    rows = b"".join(struct.pack(">QQBBB" if version else ">IIBBB", 0, start, 1, 1, 1) for start in starts)
    tfra = full(b"tfra", struct.pack(">III", 1, 0, len(starts)) + rows, version=version)
    return box(b"mfra", tfra + full(b"mfro", struct.pack(">I", 8 + len(tfra) + 16)))


@pytest.mark.parametrize("way", ["sidx", "nested", "mfra", "nothing"])
def test_fragments_are_found_by_any_list_and_without_one_with_a_read_each(
    long: Callable[[str], bytes], way: str
) -> None:
    media, store = counted(long(way))
    rows = found(store.data, media)[0]
    assert len(rows) == 40 * 3
    assert [100 * n for n in range(120)] == [row[2] for row in rows]
    assert len(store.reads) <= 40 + 5
    assert sum(stop - start for start, stop in store.reads) < len(store.data) / 8


@pytest.mark.parametrize("way", ["sidx", "nested", "mfra"])
def test_with_a_list_fragments_are_read_side_by_side(long: Callable[[str], bytes], way: str) -> None:
    class Pool(ThreadPoolExecutor):
        starts = 0

        def submit(self, fn, /, *given, **named):  # type: ignore[no-untyped-def]
            Pool.starts += fn.__name__ == "walk"
            return super().submit(fn, *given, **named)

    media, _ = counted(long(way))
    with Pool(4) as pool:
        find_samples(media, [0], pool=pool)
    assert Pool.starts == 1 + 40  # the way to the first fragment, and each fragment


def wrong_lists(data: bytes) -> dict[str, bytes]:
    starts = [start for start, _ in top_level(data, b"moof")]
    return {
        "some are missing": mfra(starts[::3]),
        "only the last": mfra(starts[-1:]),
        "none": mfra([]),
        "off by one": mfra([start + 1 for start in starts]),
        "within the media": mfra([start + 5000 for start in starts]),
        "the mdat behind it": mfra([end for _, end in top_level(data, b"moof")]),
        "backwards": mfra(starts[::-1]),
        "beyond the file": mfra([start + len(data) for start in starts]),
        "32 bits": mfra(starts, version=0),
        "a length of nonsense": mfra(starts)[:-4] + b"\xff\xff\xff\xff",
        "no tfra": box(b"mfra", full(b"mfro", struct.pack(">I", 24))),
        "a count of nonsense": mfra(starts).replace(struct.pack(">I", len(starts)), b"\x00\xff\xff\xff", 1),
    }


@pytest.mark.parametrize("what", wrong_lists(b""))
def test_a_list_that_is_wrong_or_names_some_loses_no_samples(long: Callable[[str], bytes], what: str) -> None:
    data = long("nothing")
    expected = found(data)
    assert expected == found(data + wrong_lists(data)[what])


@given(st.lists(st.integers(0, 1 << 23), max_size=60))
@example([0])
def test_no_list_whatever_changes_what_is_found(long: Callable[[str], bytes], starts: list[int]) -> None:
    data = long("nothing")
    assert found(data) == found(data + mfra(starts))


@pytest.mark.parametrize(
    "change",
    [lambda n: n + 1, lambda n: n // 2, lambda n: 3 * n, lambda n: 0],
    ids=["longer", "shorter", "tripled", "zero"],
)
def test_a_sidx_with_wrong_sizes_loses_no_samples(long: Callable[[str], bytes], change: Callable[[int], int]) -> None:
    data = long("nothing")
    (start, _), *_ = top_level(data, b"moof")
    lengths = [end - start for start, end in top_level(data, b"mdat")]
    wrong = data[:start] + sidx([change(length) for length in lengths], first=4) + data[start:]
    assert [row[1:] for row in found(data)[0]] == [row[1:] for row in found(wrong)[0]]


def test_fragments_close_together_are_read_many_at_a_time() -> None:
    trafs = (Traf(1, (Run((Sample(3000, 100, 0, 0),)),), time=100 * n) for n in range(300))
    media, store = counted(fragmented_file(*trafs))
    assert len(found(store.data, media)[0]) == 300
    assert len(store.reads) <= 10


def test_whoever_waits_is_told_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment_index, "PATIENCE", 0)
    signs: list[None] = []
    find_samples(opened(pieces(PLAIN)), [0], alive=lambda: signs.append(None))
    assert signs


def test_who_is_stopped_meanwhile_stops() -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fragment_index, "PATIENCE", 0)
        with pytest.raises(Stopped):
            find_samples(opened(pieces(PLAIN)), [0], alive=stop)


def test_the_demuxer_agrees_with_what_is_found() -> None:
    media = opened(pieces(PLAIN))
    theirs = demux(media, [0, 1])
    assert {number: rows_of(samples) for number, samples in theirs.items()} == found(b"", media)
