"""Whatever becomes of one video, the objects of others stay as they are, byte by byte, whatever the two are called."""

from __future__ import annotations

import hashlib
import uuid

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mam.naming import Asset, video_names
from tests.integration.system import API_KEY, BUCKET, Stack, is_problem, until
from tests.media import CLIP, LONG, OTHER, TWO_LANGUAGES, MediaFolder, complaints, picture_hashes

REVISIONS = ["0123456789ab", "202611291613"]
PARTS = ["films", *REVISIONS, "index.m3u8", "plan.json", "source", "audio-0", ".kinds", "plan.json~"]
PATHS = st.lists(st.sampled_from(PARTS), max_size=2).map("/".join)
STEPS = st.lists(st.sampled_from(["convert", "reencode", "replace", "delete"]), min_size=2, max_size=4)


def objects(stack: Stack, video: str) -> dict[str, str]:
    """What a video consists of, but for pictures: {key: digest}."""
    keys = [key for key in stack.stream_keys(f"{video}/") if not key.endswith(".jpg")]
    return {key: hashlib.sha256(stack.read(key)).hexdigest() for key in keys}


def own(stack: Stack, video: str, inner: str) -> dict[str, str]:
    """What a video consists of, without one that lies in its folder."""
    return {key: digest for key, digest in objects(stack, video).items() if not key.startswith(f"{inner}/")}


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outer=PATHS, inner=PATHS, steps=STEPS)
@example(outer="", inner="0123456789ab", steps=["reencode", "delete"])
@example(outer="", inner="202611291613", steps=["convert", "replace", "reencode", "delete"])
@example(outer="index.m3u8", inner="index.m3u8", steps=["reencode", "delete"])
def test_a_video_in_the_folder_of_another_is_left_alone(
    one_stack: Stack, media: MediaFolder, outer: str, inner: str, steps: list[str]
) -> None:
    base = "/".join(part for part in (uuid.uuid4().hex[:10], outer) if part)
    outside = one_stack.put(f"{base}.mp4", media.path(CLIP))
    inside = one_stack.put(f"{base}/{inner or 'x'}.mp4", media.path(OTHER))
    one_stack.convert(outside)
    nested = one_stack.convert(inside)
    before = objects(one_stack, nested)
    for step in steps:
        if step == "convert":
            one_stack.convert(outside)
        elif step == "reencode":
            one_stack.convert(outside, reencode=True)
        elif step == "replace":
            one_stack.put(outside, media.path(OTHER))
            one_stack.convert(outside)
        else:
            one_stack.delete(one_stack.stream_url(outside))
        assert objects(one_stack, nested) == before, step
    assert complaints(one_stack.stream_url(inside)) == ""
    one_stack.convert(outside)
    name = video_names(Asset(BUCKET, outside))[0]
    kept = own(one_stack, name, nested)
    one_stack.convert(inside, reencode=True)
    assert one_stack.delete(one_stack.stream_url(inside)).status_code == 200
    assert own(one_stack, name, nested) == kept
    assert complaints(one_stack.stream_url(outside)) == ""


def test_an_object_called_like_a_rendition_of_another_video_neither_changes_it_nor_is_given_out_as_it(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    victim = one_stack.put(f"{folder}/victim.mp4", media.path(TWO_LANGUAGES))
    video = one_stack.convert(victim, profile="auto")
    revision, before = one_stack.revision(video), objects(one_stack, video)
    rendition = next(key.split("/")[3] for key in before if key.endswith("/index.m3u8") and key.count("/") == 4)
    intruder = one_stack.put(f"{video}/{revision}/{rendition}.mp4", media.path(CLIP))
    assert picture_hashes(one_stack.stream_url(intruder)) == picture_hashes(media.path(CLIP))
    apart = one_stack.convert(intruder)
    assert own(one_stack, video, apart) == before
    for inside in (f"{video}/{revision}/{rendition}", f"{video}/{revision}"):
        assert is_problem(one_stack.get(one_stack.video_url(inside)), 404, "video_not_found")


def test_the_second_name_of_an_asset_is_claimed_like_the_first(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    """Whoever knows an asset's name knows its second one, and may have called another object so before."""
    second = video_names(Asset(BUCKET, f"{folder}/cow.mov"))[1]
    squatter = one_stack.put(f"{second}.mp4", media.path(OTHER))
    first = one_stack.put(f"{folder}/cow.mp4", media.path(CLIP))
    assert one_stack.convert(squatter) == second
    assert one_stack.convert(first) == f"{folder}/cow"
    before = objects(one_stack, second) | objects(one_stack, f"{folder}/cow")
    late = one_stack.put(f"{folder}/cow.mov", media.path(CLIP))
    assert is_problem(one_stack.transcode(late), 409, "name_taken")
    assert is_problem(one_stack.get(one_stack.stream_url(late)), 409, "name_taken")
    assert objects(one_stack, second) | objects(one_stack, f"{folder}/cow") == before
    one_stack.delete(one_stack.stream_url(squatter))
    one_stack.s3.client.remove_object(BUCKET, squatter)


def test_an_asset_keeps_the_name_that_it_has(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """Also when the asset that holds the first name is gone."""
    first, late = (one_stack.put(f"{folder}/a.{extension}", media.path(CLIP)) for extension in ("mp4", "mov"))
    one_stack.convert(first)
    name = one_stack.convert(late)
    assert one_stack.delete(one_stack.stream_url(first)).status_code == 200
    one_stack.redis.delete(f"mam:name:{folder}/a")
    assert one_stack.convert(late, reencode=True) == name


def test_a_video_keeps_its_name_though_another_conversion_of_it_was_cancelled(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    """What was planned last is taken back, and what is live still says whose the name is."""
    first = one_stack.put(f"{folder}/a.mp4", media.path(LONG))
    video = one_stack.convert(first)
    before, live = objects(one_stack, video), one_stack.revision(video)
    job = one_stack.transcode(first, reencode=True, wait=False).json()["job"]
    until(lambda: one_stack.plan(video).revision == job, "it is planned")
    url = f"http://{one_stack.transcoder.address}/jobs/{job}"
    assert one_stack.http.delete(url, headers={"x-api-key": API_KEY}, timeout=30).status_code == 200
    until(lambda: not [key for key in one_stack.keys(f"{video}/") if job in key], "what was made of it is gone")
    until(lambda: one_stack.plan(video).revision == live, "the live one's plan stands for the video")
    one_stack.redis.delete(f"mam:name:{video}")
    late = one_stack.put(f"{folder}/a.mov", media.path(CLIP))
    assert one_stack.convert(late) == video_names(Asset(BUCKET, late))[1]
    assert objects(one_stack, video) == before
