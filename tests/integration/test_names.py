"""Names of all kinds, from the request to the player; and names that look alike."""

from __future__ import annotations

import pytest

from mam.naming import Asset, video_names
from tests.integration.system import BUCKET, OTHER_BUCKET, Stack, fetch, until
from tests.media import CLIP, OTHER, QUICKTIME, MediaFolder, complaints, frames

NAMES = [
    "with spaces in it.mp4",
    "ünïcödé, кино, 映画.mp4",
    "decomposed e\u0301.mp4",
    "🎬 film 🍿.mp4",
    "hash#tag.mp4",
    "100% sure.mp4",
    "50%25.mp4",
    "a+b.mp4",
    "-dash.mp4",
    "what? & why=not; yes, 'it' (is) [one].mp4",
    'quoted "so".mp4',
    "deep/er/and/deep/er/still/it goes.mp4",
    "two.dots.mp4",
    ".hidden.mp4",
    "no-extension",
    "playlist.m3u8/in a folder called so.mp4",
    "index.m3u8.mp4",
    "CAPITALS.MP4",
    "~tilde~$dollar@at!.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_survives_from_the_request_to_the_player(
    stack: Stack, media: MediaFolder, folder: str, name: str
) -> None:
    key = stack.put(f"{folder}/{name}", media.path(CLIP))
    video = stack.convert(key)
    assert video in video_names(Asset(BUCKET, key))
    by_asset, by_name = stack.playlist(stack.stream_url(key)), stack.playlist(stack.video_url(video))
    assert len(by_asset.segments) == len(by_name.segments) == 1
    for playlist in (by_asset, by_name):
        status, body = fetch(playlist.segments[0].uri)
        assert (status, len(frames(body, "video"))) == (200, 125)
    assert complaints(stack.stream_url(key)) == ""
    assert complaints(stack.video_url(video)) == ""
    assert stack.delete(stack.cache_url(video)).json() == {"message": f"Cache cleared for '{video}'"}
    assert stack.delete(stack.stream_url(key)).status_code == 200
    until(lambda: not stack.keys(f"{folder}/"), "nothing is left of it")  # a picture may just be written


def test_a_name_that_begins_with_a_dash_is_no_option(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"-{folder}.mp4", media.path(CLIP))
    assert stack.convert(key, reencode=True) == f"-{folder}"
    assert complaints(stack.stream_url(key, reencode="true")) == ""


def test_assets_of_the_same_stem_do_not_meet(stack: Stack, media: MediaFolder, folder: str) -> None:
    contents = {
        (BUCKET, f"{folder}/a.mp4"): CLIP,
        (OTHER_BUCKET, f"{folder}/a.mp4"): OTHER,
        (BUCKET, f"{folder}/a.mov"): QUICKTIME,
        (BUCKET, f"{folder}/b/a.mp4"): OTHER,
    }
    for (bucket, key), recipe in contents.items():
        stack.put(key, media.path(recipe), bucket=bucket)
    videos = {asset: stack.convert(asset[1], bucket=asset[0]) for asset in contents}
    assert len(set(videos.values())) == len(contents)
    for (bucket, key), recipe in contents.items():
        assert videos[bucket, key] in video_names(Asset(bucket, key))
        for url in (stack.stream_url(key, bucket=bucket), stack.video_url(videos[bucket, key])):
            bodies = [fetch(segment.uri)[1] for segment in stack.playlist(url).segments]
            made = [frame.payload for body in bodies for frame in frames(body, "video")]
            assert made == [frame.payload for frame in frames(media.path(recipe), "video")]


def test_deleting_one_of_two_assets_of_the_same_stem_leaves_the_other(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    first = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    second = stack.put(f"{folder}/a.mov", media.path(QUICKTIME))
    stack.convert(first)
    apart = stack.convert(second)
    assert stack.delete(stack.stream_url(first)).status_code == 200
    until(lambda: not stack.keys(f"{folder}/a/"), "nothing is left of it")
    assert complaints(stack.video_url(apart)) == ""
    assert complaints(stack.stream_url(second)) == ""


def test_a_video_in_a_folder_named_like_another_video_is_apart_from_it(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    outer = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    inner = stack.put(f"{folder}/a/b.mp4", media.path(OTHER))
    assert (stack.convert(inner), stack.convert(outer)) == (f"{folder}/a/b", f"{folder}/a")
    made = {video: stack.stream_keys(f"{folder}/{video}/") for video in ("a", "a/b")}
    assert stack.delete(stack.stream_url(inner)).status_code == 200
    assert stack.stream_keys(f"{folder}/a/") == made["a"] - made["a/b"]
    assert complaints(stack.video_url(f"{folder}/a")) == ""
