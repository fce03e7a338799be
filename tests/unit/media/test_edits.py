"""Edit lists of any shape: what a plan makes of them, and that what it names is what comes out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mam.errors import MediaError
from mam.hls.plan import Plan
from mam.hls.recipe import Profile, Recipe
from mam.media.chunk_windows import shown_frames
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource, UnsupportedEdits
from tests.mutants.tree import join, parse
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of

AUTO, COPY, ENCODE = recipe_of(Profile.AUTO), recipe_of(Profile.SOURCE), recipe_of(Profile.H264)
SECONDS = 2
FILM = Film(seconds=SECONDS)
Edits = list[tuple[float | None, float]]  # where each begins in the media (None: nothing is shown), how long it lasts

moments = st.floats(0, SECONDS + 1, allow_nan=False)
lengths = st.one_of(st.just(0.0), st.floats(0.001, SECONDS + 1))
edit_lists = st.lists(st.tuples(st.one_of(st.none(), moments), lengths), min_size=1, max_size=5)


def edited(picture: Edits, sound: Edits | None = None) -> bytes:
    """A film of two seconds with these edit lists."""
    nodes = parse(film(FILM))
    moov = next(node for node in nodes if node.kind == b"moov")
    (movie_scale,) = struct.unpack_from(">I", moov.find(b"mvhd").content, 12)
    for track, edits in zip(moov.tracks(), (picture, picture if sound is None else sound), strict=True):
        (scale,) = struct.unpack_from(">I", track.find(b"mdhd").content, 12)
        elst = track.find(b"elst")
        (first,) = struct.unpack_from(">i", elst.content, 12)  # where the media begins: behind B-frames' delay, priming
        rows = [
            (round(seconds * movie_scale), -1 if begin is None else first + round(begin * scale), 1, 0)
            for begin, seconds in edits
        ]
        elst.content = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">IiHH", *row) for row in rows)
    return join(nodes)  # the index stands behind the media: nothing else moves


def planned(data: bytes, recipe: Recipe) -> tuple[MediaSource, Plan]:
    media = opened(data)
    read_index(media, recipe)
    return media, make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False)


@given(edit_lists, edit_lists, st.sampled_from((AUTO, COPY, ENCODE)))
def test_any_edit_list_is_planned_or_refused_by_name(picture: Edits, sound: Edits, recipe: Recipe) -> None:
    try:
        media, plan = planned(edited(picture, sound), recipe)
    except MediaError as refused:
        assert refused.code != "internal_error"
        return
    if plan.encodes:
        ChunkEncoder(media, plan).command(plan.chunks()[0])
    if plan.video_track and plan.video_track.action == "encode":
        shown = shown_frames(media.samples(plan.video_track.track), plan.video_track, plan.timeline)
        assert sum(plan.frames) == len(shown) > 0
        assert all(count >= 0 for count in plan.frames)
    elif plan.video_track:
        assert sum(plan.frames) == len(media.samples(plan.video_track.track))


@settings(max_examples=12)
@given(edit_lists)
def test_what_is_made_of_an_edit_list_is_what_the_plan_names(edits: Edits) -> None:
    """Each segment is checked against the plan when it is made."""
    try:
        media, plan = planned(edited(edits), AUTO)
    except MediaError:
        return
    media.settle([track.track for track in plan.tracks])
    numbers = []
    for chunk in plan.chunks() if plan.encodes else []:
        numbers += [number for number, _ in ChunkEncoder(media, plan).segments(chunk)]
    if not plan.encodes:
        remuxer = Remuxer(media, plan)
        numbers = [number for number in range(len(plan.timeline)) if remuxer.segment(number)]
    assert numbers == list(range(len(plan.timeline)))


@pytest.mark.parametrize("begin", [SECONDS - 0.04, SECONDS - 0.02, SECONDS, SECONDS + 0.01, SECONDS + 5])
def test_an_edit_at_or_behind_the_last_picture_shows_that(begin: float) -> None:
    _, plan = planned(edited([(begin, 1)], [(0, SECONDS)]), ENCODE)
    assert plan.frames[0] == 1
    assert sum(plan.frames) == 1
    assert float(plan.timeline.time(0)) == pytest.approx(0, abs=0.04)


def test_an_edit_between_two_pictures_shows_as_many_as_a_decoder_that_honours_it() -> None:
    """It ends between a picture and one that is decoded before it and shown behind it."""
    for count in range(1, 20):
        _, plan = planned(edited([(0, count * 0.04)], [(0, 1)]), ENCODE)
        assert sum(plan.frames) == count


def test_parts_are_encoded_one_behind_the_other_and_a_gap_shows_the_last_picture() -> None:
    _, plan = planned(edited([(0, 0.4), (None, 0.4), (1.2, 0.8)]), AUTO)
    assert plan.video_track is not None
    assert "joins 2 parts" in plan.video_track.reason
    assert [float(plan.timeline.time(number)) for number in range(3)] == pytest.approx([0, 0.8, 1.6], abs=0.03)
    assert plan.frames == (20, 20)


def test_a_copy_of_several_parts_is_refused_with_a_hint_that_helps() -> None:
    with pytest.raises(UnsupportedEdits) as refused:
        planned(edited([(0, 0.4), (1.2, 0.8)]), COPY)
    assert "reencode=true" in refused.value.hint
    assert "-c copy" not in refused.value.hint


def test_an_edit_list_that_shows_more_than_a_track_may_have_is_refused() -> None:
    rows: Edits = [(0.0, 2.0), (1.0, 1.0)] * 500
    _, plan = planned(edited(rows), AUTO)
    assert len(plan.timeline) >= 1000
    with pytest.raises(MediaError):
        planned(edited(rows + rows), AUTO)
