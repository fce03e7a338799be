"""Several audio tracks, what `auto` decides, and plans that are only looked at."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

import m3u8
import pytest

from mam.hls.recipe import Profile
from mam.media.packets import ORIGIN
from tests.integration.system import BUCKET, Stack, is_problem, until
from tests.media import (
    FILM,
    SPARSE,
    SURROUND,
    TWO_LANGUAGES,
    VP9,
    WITH_MP2,
    WITH_OPUS,
    MediaFolder,
    complaints,
    frames,
    loudness,
    probe,
)


def renditions(stack: Stack, url: str) -> dict[str, tuple[m3u8.M3U8, list[bytes]]]:
    """The media playlists of a multivariant one, by NAME, with their segments; '' is the variant."""
    whole = stack.playlist(url)
    assert whole.is_variant
    uris = {media.name: media.uri for media in whole.media} | {"": whole.playlists[0].uri}
    found = {}
    for name, uri in uris.items():
        media = stack.playlist(urljoin(url, uri))
        found[name] = (media, [stack.get(urljoin(url, segment.uri)).content for segment in media.segments])
    return found


def heard(segments: list[bytes]) -> list[float]:
    return sorted(float(frame.pts - ORIGIN) for data in segments for frame in frames(data, "audio"))


@pytest.mark.parametrize("live", [False, True], ids=["in the making", "live"])
def test_two_languages_become_renditions_that_last_as_long_as_the_picture(
    one_stack: Stack, media: MediaFolder, folder: str, live: bool
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    if live:
        one_stack.convert(key, profile="auto")
    url = one_stack.stream_url(key)
    whole = one_stack.playlist(url)
    (variant,) = whole.playlists
    assert (variant.stream_info.codecs, variant.stream_info.resolution) == ("avc1.64000c,mp4a.40.2", (320, 180))
    assert [(m.language, m.name, m.default, m.channels) for m in whole.media] == [
        ("en", "English", "YES", "2"),
        ("fr", "Commentaire", "NO", "2"),
    ]
    made = renditions(one_stack, url)
    assert len({tuple(segment.duration for segment in playlist.segments) for playlist, _ in made.values()}) == 1
    assert len({playlist.target_duration for playlist, _ in made.values()}) == 1
    for _, segments in made.values():
        assert all(segments)
    assert [len(frames(data, "audio")) for data in made[""][1]] == [0] * len(made[""][1])
    for name in ("English", "Commentaire"):
        moments = heard(made[name][1])
        assert moments[0] <= 0.03
        assert moments[-1] == pytest.approx(14, abs=0.06)
        assert max(after - before for before, after in pairwise(moments)) < 0.025  # no gap
    assert complaints(url) == ""


def test_silence_stands_where_a_track_has_no_sound(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """The commentary is heard from 8 to 12 s."""
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    one_stack.convert(key, profile="auto")
    (_, segments) = renditions(one_stack, one_stack.stream_url(key))["Commentaire"]
    loud = loudness(b"".join(segments))
    assert max(loud[:7]) < 0.001
    assert min(loud[9:11]) > 0.05
    assert loud[13] < 0.001


def test_bit_rates_are_those_that_are_measured(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    one_stack.convert(key, profile="h264")
    url = one_stack.stream_url(key)
    (variant,) = one_stack.playlist(url).playlists
    made = renditions(one_stack, url)
    bits = {name: 8 * sum(map(len, segments)) / 14 for name, (_, segments) in made.items()}
    measured = bits[""] + max(bits["English"], bits["Commentaire"])
    assert variant.stream_info.average_bandwidth == pytest.approx(measured, rel=0.01)
    assert variant.stream_info.bandwidth >= variant.stream_info.average_bandwidth


def test_a_copy_leaves_out_what_would_have_segments_without_sound(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    video = one_stack.convert(key, profile="source")
    plan = one_stack.plan(video)
    assert [track.track for track in plan.audio_tracks] == [1]
    assert len(plan.renditions) == 1
    assert "no sound" in plan.streams[2].reason


def test_one_language_may_be_chosen_and_is_muxed_with_the_picture(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    video = one_stack.convert(key, profile="auto", audio_language="fr-FR")
    plan = one_stack.plan(video)
    assert [(len(r.tracks), r.name) for r in plan.renditions] == [(2, "180p")]
    assert plan.audio_tracks[0].track == 2
    assert one_stack.job(plan.revision).json()["audio_language"] == "fr-FR"
    assert not one_stack.playlist(one_stack.video_url(video)).is_variant


# auto


@pytest.mark.parametrize(
    ("recipe", "actions"),
    [(FILM, ["copy", "copy"]), (WITH_OPUS, ["copy", "encode"]), (VP9, ["encode", "copy"]), (SURROUND, ["copy", "copy"]),
     (SPARSE, ["encode", "copy"])],
    ids=["film", "opus", "vp9", "surround", "sparse"],
)  # fmt: skip
def test_auto_copies_what_browsers_play_and_encodes_the_rest(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Any, actions: list[str]
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(recipe))
    url = one_stack.stream_url(key)
    assert complaints(url) == ""  # nobody asked for a profile, and it was never converted
    plan = until(lambda: one_stack.plan(f"{folder}/a"), "it is planned")
    assert plan.profile is Profile.AUTO
    assert actions == [track.action for track in plan.tracks]
    assert probe(url)["video"] == "h264"


def test_what_auto_copied_does_as_a_copy(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    video = one_stack.convert(key, profile="auto")
    revision = one_stack.revision(video)
    assert one_stack.get(one_stack.stream_url(key, profile="source")).status_code == 200
    assert one_stack.plan(video).revision == revision, "nothing was planned anew"
    assert one_stack.get(one_stack.stream_url(key, profile="h264")).status_code == 200
    assert one_stack.plan(video).revision != revision


def test_key_frames_too_far_apart_are_not_copied_and_the_setting_is_named(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(SPARSE))
    answer = one_stack.transcode(key, profile="source")
    assert is_problem(answer, 422, "not_remuxable")
    assert "MAX_KEY_FRAME_SECONDS" in answer.json()["detail"]


# plans


def plan(stack: Stack, key: str, **more: Any) -> dict[str, Any]:
    answer = stack.post("/plan", {"asset_bucket": BUCKET, "asset_object": key, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_plan_says_what_would_be_done_and_does_nothing(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(WITH_MP2))
    found = plan(one_stack, key, profile="auto")
    assert one_stack.keys(f"{folder}/") == set()
    video, sound = found["streams"]
    assert (video["kind"], video["codec"], video["action"]) == ("video", "h264", "copy")
    assert (video["width"], video["height"], video["frame_rate"], video["constant_frame_rate"]) == (
        320,
        180,
        25.0,
        True,
    )
    assert (video["pixel_format"], video["field_order"], video["rotation"]) == ("yuv420p", "progressive", 0)
    assert (sound["kind"], sound["codec"], sound["action"]) == ("audio", "mp2", "encode")
    assert (sound["sample_rate"], sound["channels"]) == (48000, 2)
    assert "browsers do not play" in sound["reason"]
    assert found["segments"] == len(one_stack.plan(one_stack.convert(key, profile="auto")).timeline)
    assert found["command"].split()[0].rpartition("/")[2].startswith("ffmpeg")
    assert found["live"] is False
    assert plan(one_stack, key, profile="auto")["live"] is True

    size = sum(len(data) for data in one_stack.segments(f"{folder}/a"))
    assert found["estimated_bytes"] == pytest.approx(size, rel=0.2)


def test_a_job_explains_itself_as_the_plan_does(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(WITH_MP2))
    expected = [(s["number"], s["action"], s["reason"]) for s in plan(one_stack, key, profile="auto")["streams"]]
    video = one_stack.convert(key, profile="auto")
    job = one_stack.job(one_stack.revision(video)).json()
    assert expected == [(s["number"], s["action"], s["reason"]) for s in job["streams"]]
    assert expected == [(s.number, s.action, s.reason) for s in one_stack.plan(video).streams]


def test_a_plan_fails_as_the_conversion_would(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(VP9))
    body = {"asset_bucket": BUCKET, "asset_object": key}
    answer = one_stack.post("/plan", {**body, "profile": "source"})
    assert is_problem(answer, 422, "not_remuxable")
    assert is_problem(one_stack.post("/plan", {**body, "asset_object": f"{folder}/none.mp4"}), 404, "not_found")
    assert one_stack.post("/plan", body, api_key="wrong").status_code == 403
    assert one_stack.post("/plan", {**body, "wait": False}).status_code == 422
