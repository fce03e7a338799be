"""Kinds of streams live side by side; one of them is the main one; what was replaced goes when its signatures end."""

from __future__ import annotations

import time

import pytest

from mam.naming import REPLACED, kind_key, replaced_key, revision_commit_key
from mam.origin.revisions import Replaced, Revisions
from mam.store.objects import Store
from tests.integration.system import VOD, Stack, fetch, is_problem, until
from tests.media import CLIP, OTHER, TWO_LANGUAGES, MediaFolder, complaints, picture_hashes

KINDS = [
    {"profile": "source"},
    {"profile": "h264"},
    {"profile": "auto", "format": "fmp4"},
    {"profile": "h264", "format": "fmp4"},
    {"reencode": "true"},
]


def made_live(stack: Stack, key: str, video: str, **options: str) -> str:
    """The revision that a viewer's request for a kind has brought to life."""
    answer = stack.get(stack.stream_url(key, **options))
    assert answer.status_code == 200, answer.text
    until(lambda: "X-Amz-Signature" in stack.get(stack.stream_url(key, **options)).text, "it is live", seconds=120)
    first = stack.playlist(stack.stream_url(key, **options)).segments[0].uri
    return str(first.partition(f"/{video}/")[2].partition("/")[0])


def revisions_of(stack: Stack) -> Revisions:
    return Revisions(Store(stack.settings), stack.settings.minio_bucket_vod)


def test_what_viewers_ask_for_by_options_changes_nothing_for_others(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = stack.put(f"{folder}/a.mp4", media.path(CLIP)), f"{folder}/a"
    main = made_live(stack, key, video)
    playlist = stack.playlist(stack.stream_url(key))
    found = {main}
    for options in KINDS + KINDS[::-1]:
        found.add(made_live(stack, key, video, **options))
        stack.delete(stack.cache_url(video))
        for url in (stack.stream_url(key), stack.video_url(video)):
            assert main in stack.playlist(url).segments[0].uri
        assert stack.revision(video) == main
        assert {fetch(segment.uri)[0] for segment in playlist.segments} == {200}, "who plays it plays on"
    assert len(found) == 4, "source and auto are one, and so are h264 and reencode=true"
    assert {name.split("/")[2] for name in stack.keys(f"{video}/") if name.endswith((".ts", ".m4s"))} == found
    for revision in found:
        assert revision_commit_key(video, revision) in stack.keys(f"{video}/")
    made = stack.making(video)
    for options in KINDS:
        assert complaints(stack.stream_url(key, **options)) == ""
    assert stack.making(video) == made, "nothing is made again"


def test_the_main_stream_is_what_a_key_asked_for_last(stack: Stack, media: MediaFolder, folder: str) -> None:
    key, video = stack.put(f"{folder}/a.mp4", media.path(CLIP)), f"{folder}/a"
    first = made_live(stack, key, video)
    assert stack.convert(key, reencode=True) == video
    encoded = stack.revision(video)
    assert encoded != first
    assert encoded in stack.playlist(stack.stream_url(key)).segments[0].uri
    assert encoded in stack.playlist(stack.video_url(video)).segments[0].uri
    assert made_live(stack, key, video, profile="auto") == first, "the other one still is what it was"
    assert stack.revision(video) == encoded
    assert stack.convert(key, profile="auto") == video
    assert stack.revision(video) == first
    assert first in stack.playlist(stack.stream_url(key)).segments[0].uri


def test_a_key_that_joins_a_viewers_conversion_makes_it_the_main_one(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = one_stack.put(f"{folder}/a.mp4", media.path(CLIP)), f"{folder}/a"
    main = made_live(one_stack, key, video)
    assert one_stack.get(one_stack.stream_url(key, profile="h264", format="fmp4")).status_code == 200
    one_stack.convert(key, profile="h264", format="fmp4")
    assert one_stack.revision(video) != main


def test_a_revision_by_its_own_commit_plays_anywhere(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """Its URIs are relative: a web server that serves the bucket serves every kind of stream."""
    key, video = one_stack.put(f"{folder}/a.mp4", media.path(CLIP)), f"{folder}/a"
    one_stack.convert(key)
    beside = made_live(one_stack, key, video, profile="h264", format="fmp4")
    text = one_stack.read(revision_commit_key(video, beside)).decode()
    uris = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert uris and all(f"{video}/{beside}/{uri}" in one_stack.keys(f"{video}/") for uri in uris)
    assert one_stack.read(kind_key(video, "h264.fmp4")).decode() == beside


def test_a_replaced_revision_goes_when_its_longest_signature_has_run_out(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    beside = made_live(one_stack, key, video, profile="h264")
    plays = one_stack.playlist(one_stack.stream_url(key)).segments
    replaced = one_stack.revision(video)
    one_stack.put(key, media.path(OTHER))
    one_stack.convert(key)
    now = one_stack.revision(video)
    until(lambda: replaced_key(replaced) in one_stack.keys(REPLACED), "it is noted")

    revisions = revisions_of(one_stack)
    longest = one_stack.settings.longest_signature(float(one_stack.plan(video).timeline.duration))
    began = time.time()
    assert replaced not in revisions.remove_expired(began + longest - 60, {})
    assert {fetch(segment.uri)[0] for segment in plays} == {200}, "the signatures have not run out"
    assert replaced in revisions.remove_expired(began + longest + 60, {})
    assert {name.split("/")[2] for name in one_stack.making(video)} == {now, beside}
    assert replaced_key(replaced) not in one_stack.keys(REPLACED)
    assert picture_hashes(one_stack.stream_url(key)) == picture_hashes(media.path(OTHER))


def test_a_replaced_revision_that_serves_requests_again_is_kept(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    if Store(one_stack.settings).head("myvideos", key).etag is None:  # type: ignore[union-attr]
        pytest.skip("to this store the same bytes put again are another version")
    video = one_stack.convert(key)
    first = one_stack.revision(video)
    for recipe in (OTHER, CLIP):
        one_stack.put(key, media.path(recipe))
        one_stack.convert(key)
    assert one_stack.revision(video) == first
    assert replaced_key(first) not in one_stack.keys(REPLACED)
    revisions_of(one_stack).remove_expired(time.time() + 10**6, {})
    assert complaints(one_stack.stream_url(key)) == ""


def test_a_removal_that_was_interrupted_is_completed(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    first = one_stack.revision(video)
    one_stack.put(key, media.path(OTHER))
    one_stack.convert(key)
    until(lambda: replaced_key(first) in one_stack.keys(REPLACED), "it is noted")
    revisions, store = revisions_of(one_stack), Store(one_stack.settings)
    note = Replaced(video, first, 0)  # the removal has begun: its note is due, and its plan is gone
    store.put(VOD, replaced_key(first), note.to_json(), "application/json")
    store.remove(VOD, [f"{video}/{first}/plan.json"])
    revisions.remove_expired(time.time(), {})
    assert not one_stack.keys(f"{video}/{first}/")
    assert complaints(one_stack.stream_url(key)) == ""


def test_a_tree_of_the_version_before_goes_on_and_is_kept_beside_what_a_key_asks_for(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    """It has one commit, of the video, and none of its revision."""
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key, profile="auto")
    before = one_stack.revision(video)
    old = [revision_commit_key(video, before), *(kind_key(video, kind) for kind in ("auto", "source"))]
    Store(one_stack.settings).remove(VOD, old)
    one_stack.delete(one_stack.cache_url(video))
    made = one_stack.making(video)
    assert one_stack.convert(key, profile="source") == video
    assert complaints(one_stack.stream_url(key, profile="auto")) == ""
    assert one_stack.convert(key, reencode=True) == video
    assert one_stack.revision(video) != before
    assert made_live(one_stack, key, video, profile="auto") == before
    assert {name: one_stack.making(video)[name] for name in made} == made


def test_deleting_a_stream_removes_all_of_its_kinds(stack: Stack, media: MediaFolder, folder: str) -> None:
    key, video = stack.put(f"{folder}/a.mp4", media.path(CLIP)), f"{folder}/a"
    stack.convert(key)
    for options in KINDS:
        made_live(stack, key, video, **options)
    assert stack.delete(stack.stream_url(key)).status_code == 200
    until(lambda: not stack.keys(f"{folder}/"), "nothing is left of it")


@pytest.mark.parametrize("way", ["stream", "video"])
def test_the_renditions_of_a_stream_stay_those_of_its_kind(
    one_stack: Stack, media: MediaFolder, folder: str, way: str
) -> None:
    """A player that has begun goes on with what it has begun with, whatever becomes the main stream meanwhile."""
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    video = one_stack.convert(key, profile="auto")
    auto = one_stack.revision(video)
    listed = one_stack.playlist(one_stack.stream_url(key) if way == "stream" else one_stack.video_url(video))
    assert one_stack.convert(key, reencode=True) == video
    assert one_stack.revision(video) != auto
    for each in (*listed.playlists, *listed.media):
        assert auto in one_stack.playlist(each.absolute_uri).segments[0].uri


def test_a_kind_that_a_video_does_not_have_is_not_found_by_name(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    assert is_problem(one_stack.get(one_stack.video_url(video, profile="h264")), 404, "video_not_found")
    assert one_stack.get(one_stack.video_url(video, profile="source")).status_code == 200
