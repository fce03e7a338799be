"""Copied streams: nothing is lost, nothing is doubled, and every frame keeps its time."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mam.hls.playlist import CONTENT_TYPE, TYPES
from mam.media.packets import ORIGIN
from mam.naming import commit_key
from tests.integration.system import VOD, Stack
from tests.media import (
    AUDIO_ONLY,
    FILM,
    FRAGMENTED,
    LATE_AUDIO,
    LATE_VIDEO,
    LONG_AUDIO,
    MOOV_AT_END,
    NTSC,
    QUICKTIME,
    SURROUND,
    VIDEO_ONLY,
    WITH_AC3,
    WITH_MP2,
    Frame,
    MediaFolder,
    Recipe,
    complaints,
    frames,
    loudness,
    picture_hashes,
    probe,
)

TICK = Fraction(1, 90_000)  # of MPEG-TS
KINDS = ("video", "audio")
COPIED = [
    FILM, NTSC, MOOV_AT_END, FRAGMENTED, QUICKTIME, VIDEO_ONLY, AUDIO_ONLY, WITH_AC3, SURROUND, LONG_AUDIO,
    LATE_AUDIO, LATE_VIDEO,
]  # fmt: skip


def name(recipe: Recipe) -> str:
    return recipe.name


def nearly_equal(made: Fraction, wanted: Fraction) -> bool:
    return abs(made - wanted) <= 2 * TICK


@pytest.mark.parametrize("recipe", COPIED, ids=name)
def test_the_segments_together_are_the_source_packet_for_packet(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    source = media.path(recipe)
    video = one_stack.convert(one_stack.put(f"{folder}/{recipe.name}", source))
    segments = one_stack.segments(video)
    for kind in KINDS:
        wanted = frames(source, kind)
        made = [frame for data in segments for frame in frames(data, kind)]
        assert len(made) == len(wanted)
        assert [frame.payload for frame in made] == [frame.payload for frame in wanted]
        if kind == "video":
            assert [frame.is_key for frame in made] == [frame.is_key for frame in wanted]
        for got, frame in zip(made, wanted, strict=True):
            assert nearly_equal(got.pts, frame.pts + ORIGIN), (kind, float(got.pts), float(frame.pts))
            assert nearly_equal(got.dts, frame.dts + ORIGIN), (kind, float(got.dts), float(frame.dts))


@pytest.mark.parametrize("recipe", COPIED, ids=name)
def test_the_playlist_decodes_without_a_complaint_to_the_pictures_of_the_source(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    key = one_stack.put(f"{folder}/{recipe.name}", media.path(recipe))
    one_stack.convert(key)
    url = one_stack.stream_url(key)
    assert complaints(url) == ""
    if recipe is not AUDIO_ONLY:
        assert picture_hashes(url) == picture_hashes(media.path(recipe))


@pytest.mark.parametrize(
    ("recipe", "seconds"),
    [
        (FILM, Fraction(24)),
        (NTSC, Fraction(720 * 1001, 30_000)),
        (FRAGMENTED, Fraction(24)),
        (MOOV_AT_END, Fraction(24)),
        (VIDEO_ONLY, Fraction(24)),
        (AUDIO_ONLY, Fraction(24)),
        (LONG_AUDIO, Fraction(27)),
        (LATE_AUDIO, Fraction(16)),
        (LATE_VIDEO, Fraction(15)),
    ],
    ids=lambda value: value.name if isinstance(value, Recipe) else "",
)
def test_the_playlist_lasts_as_long_as_its_source(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe, seconds: Fraction
) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/{recipe.name}", media.path(recipe)))
    listed = sum(segment.duration for segment in one_stack.commit(video).segments)
    assert listed == pytest.approx(float(seconds), abs=0.05)


@pytest.mark.parametrize("recipe", [FILM, NTSC, VIDEO_ONLY, MOOV_AT_END], ids=name)
def test_every_segment_begins_with_a_key_frame_and_lasts_as_long_as_its_extinf_says(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/{recipe.name}", media.path(recipe)))
    pictures = [frames(data, "video") for data in one_stack.segments(video)]
    assert len(pictures) == 4
    assert all(segment[0].is_key for segment in pictures)
    listed = [segment.duration for segment in one_stack.commit(video).segments]
    assert listed == [pytest.approx(float(span), abs=float(TICK)) for span in spans(pictures)]


def spans(segments: list[list[Frame]]) -> list[Fraction]:
    """How long each segment is shown: from its first picture to that of the next, or to its end."""
    starts = [min(frame.pts for frame in segment) for segment in segments]
    shown = sorted(frame.pts for frame in segments[-1])
    ends = [*starts[1:], shown[-1] + (shown[-1] - shown[0]) / (len(shown) - 1)]
    return [end - start for start, end in zip(starts, ends, strict=True)]


def test_the_packets_survive_every_kind_of_store(stack: Stack, media: MediaFolder, folder: str) -> None:
    source = media.path(FILM)
    video = stack.convert(stack.put(f"{folder}/a.mp4", source))
    for kind in KINDS:
        made = [frame.payload for data in stack.segments(video) for frame in frames(data, kind)]
        assert made == [frame.payload for frame in frames(source, kind)]
    listed = {key: stack.s3.client.stat_object(VOD, key).content_type for key in stack.keys(f"{video}/")}
    assert listed.pop(commit_key(video)) == CONTENT_TYPE
    assert {kind for key, kind in listed.items() if key.endswith(".ts")} == {TYPES["ts"]}
    assert complaints(stack.video_url(video)) == ""


@pytest.mark.parametrize(
    "recipe", [FRAGMENTED, VIDEO_ONLY, AUDIO_ONLY, LONG_AUDIO, LATE_AUDIO, LATE_VIDEO, SURROUND, WITH_MP2], ids=name
)
def test_every_shape_of_file_plays_reencoded_with_all_its_pictures(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    key = one_stack.put(f"{folder}/{recipe.name}", media.path(recipe))
    video = one_stack.convert(key, reencode=True)
    url = one_stack.stream_url(key, reencode="true")
    assert complaints(url) == ""
    wanted = probe(media.path(recipe))
    assert set(probe(url)) == set(wanted)
    made = [frame for data in one_stack.segments(video) for frame in frames(data, "video")]
    assert len(made) == len(frames(media.path(recipe), "video"))
    if made:
        assert len(picture_hashes(url)) == len(made)
    if recipe is LATE_AUDIO:  # silence stands before it
        loud = loudness(b"".join(one_stack.segments(video)))
        assert max(loud[:2]) < 0.001 < 0.05 < min(loud[4:14])
    if recipe in (LONG_AUDIO, LATE_VIDEO):
        at = {kind: min(f.pts for data in one_stack.segments(video) for f in frames(data, kind)) for kind in KINDS}
        source = {kind: min(frame.pts for frame in frames(media.path(recipe), kind)) for kind in KINDS}
        assert float(at["audio"] - at["video"]) == pytest.approx(float(source["audio"] - source["video"]), abs=0.03)
