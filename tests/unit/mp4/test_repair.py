"""Indexes that others forgive: what has one reading alone is read, and told of; what contradicts itself is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import MediaError
from mam.hls.recipe import Profile
from mam.media.planning import make_plan, read_index
from mam.media.source import MediaSource
from mam.mp4.boxes import InvalidIndex
from tests.mutants.tree import Node, join, parse
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of
from tests.unit.mp4.movies import Movie, Track, even_chunks, write
from tests.unit.mp4.rows import rows_of


def patched(data: bytes, change: Callable[[Node], None], track: int = 0) -> bytes:
    nodes = parse(data)
    change(next(node for node in nodes if node.kind == b"moov").tracks()[track])
    return join(nodes)


def notes_of(media: MediaSource) -> tuple[str, ...]:
    read_index(media, recipe := recipe_of(Profile.AUTO))
    return make_plan(media, source_of(b""), recipe, video="film", revision="0" * 12, stored=False).notes


@given(durations=st.lists(st.integers(1, 5000), min_size=2, max_size=12), missing=st.integers(1, 3))
def test_a_last_sample_without_a_time_lasts_as_long_as_the_one_before(durations: list[int], missing: int) -> None:
    total = len(durations)
    track = Track(timescale=1000, sizes=(30,) * total, durations=(*durations[:-1], durations[-2]),
                  chunks=even_chunks(total, 3))  # fmt: skip
    whole = write(Movie((track,), moov_first=False)).data

    def shorten(trak: Node) -> None:
        stts = trak.find(b"stts")
        rows = [list(row) for row in struct.iter_unpack(">II", stts.content[8:])]
        left = missing
        while left and rows:
            taken = min(left, rows[-1][0])
            rows[-1][0] -= taken
            left -= taken
            if not rows[-1][0]:
                rows.pop()
        stts.content = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">II", *row) for row in rows)

    short = patched(whole, shorten)
    if missing == 1:
        media = opened(short)
        assert rows_of(media.samples(0)) == rows_of(opened(whole).samples(0))
        assert "last sample" in media.notes[0]
    else:
        with pytest.raises(InvalidIndex, match="stts"):
            opened(short).samples(0)


@given(order=st.permutations(range(5)))
def test_chunks_listed_out_of_order_are_sorted(order: list[int]) -> None:
    track = Track(timescale=1000, sizes=(30,) * 15, durations=(40,) * 15, chunks=(1, 2, 3, 4, 5), merge_runs=False)
    whole = write(Movie((track,), moov_first=False)).data

    def shuffle(trak: Node) -> None:
        stsc = trak.find(b"stsc")
        rows = [stsc.content[8 + 12 * at : 20 + 12 * at] for at in order]
        stsc.content = stsc.content[:8] + b"".join(rows)

    media = opened(patched(whole, shuffle))
    assert rows_of(media.samples(0)) == rows_of(opened(whole).samples(0))
    assert bool(media.notes) == (order != sorted(order))


def test_two_entries_for_one_chunk_contradict_each_other() -> None:
    track = Track(timescale=1000, sizes=(30,) * 6, durations=(40,) * 6, chunks=(1, 2, 3), merge_runs=False)

    def contradict(trak: Node) -> None:
        stsc = trak.find(b"stsc")
        stsc.content = stsc.content[:8] + struct.pack(">9I", 1, 1, 1, 3, 2, 1, 3, 3, 1)

    data = patched(write(Movie((track,), moov_first=False)).data, contradict)
    with pytest.raises(InvalidIndex, match="stsc"):
        opened(data).samples(0)


@given(
    said=st.one_of(
        st.tuples(st.integers(0, 65535), st.integers(0, 65535)), st.tuples(st.integers(49, 64), st.integers(33, 48))
    )
)
def test_the_size_of_pictures_is_the_codecs_where_the_sample_description_says_another(
    said: tuple[int, int],
) -> None:
    data = film(Film(audio=None, seconds=1))  # 64x48
    near = all(0 <= real - side < 16 for real, side in zip((64, 48), said, strict=True)) and min(said) > 0

    def say(trak: Node) -> None:
        stsd = trak.find(b"stsd")
        stsd.content = stsd.content[:40] + struct.pack(">HH", *said) + stsd.content[44:]
        if near:  # the shape of pixels follows from both
            tkhd = trak.find(b"tkhd")
            tkhd.content = tkhd.content[:-8] + struct.pack(">II", said[0] << 16, said[1] << 16)

    media = opened(patched(data, say))
    plan = make_plan(media, source_of(b""), recipe_of(Profile.H264), video="film", revision="0" * 12, stored=False)
    assert plan.video_track
    shown = said if near else (64, 48)
    assert (plan.video_track.width, plan.video_track.height) == tuple(side // 2 * 2 for side in shown)


def test_a_codec_without_a_record_has_the_size_of_its_track() -> None:
    track = replace(Track(timescale=1000, sizes=(30,) * 5, durations=(40,) * 5, chunks=(5,)), entry="mp4v")
    media = opened(write(Movie((track,))).data)  # its entry has no fields at all but those that all have
    assert media.headers[0].size == (64, 48)


@pytest.mark.parametrize("profile", [Profile.AUTO, Profile.H264])
def test_key_frames_are_found_among_the_pictures_where_their_table_is_empty(profile: Profile) -> None:
    whole = film(Film(seconds=2, gop=12))

    def empty(trak: Node) -> None:
        trak.find(b"stss").content = bytes(8)

    media = opened(patched(whole, empty))
    read_index(media, recipe_of(profile))
    plain = opened(whole)
    assert media.samples(0).key.tolist() == plain.samples(0).key.tolist()
    assert "key frames" in media.notes[0]


def test_a_whole_index_is_left_as_it_is_and_nothing_is_said() -> None:
    media = opened(film(Film()))
    assert media.notes == []
    assert notes_of(media) == ()


@given(st.binary(max_size=30), st.integers(0, 10_000))
def test_damage_gives_errors_of_ours(content: bytes, at: int) -> None:
    data = bytearray(film(Film(seconds=1)))
    begin = data.rindex(b"moov")
    at = begin + at % (len(data) - begin)
    data[at : at + len(content)] = content
    with suppress(MediaError):
        opened(bytes(data))
