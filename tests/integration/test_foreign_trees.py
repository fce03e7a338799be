"""HLS that another tool left in the VoD bucket is served just as well, within its own folder."""

from __future__ import annotations

import pytest

from mam.naming import commit_key
from tests.integration.system import VOD, Stack, fetch, is_problem
from tests.media import CLIP, FILM, MediaFolder, complaints, ffmpeg, picture_hashes

MULTIVARIANT = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180
720p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x180
low.m3u8
"""


def put_tree(stack: Stack, media: MediaFolder, video: str, scratch: str) -> list[str]:
    """What `ffmpeg -f hls` makes, put by hand; returns the names of its segments."""
    path = media.path(FILM).parent / scratch
    path.mkdir()
    ffmpeg("-i", str(media.path(FILM)), "-c", "copy", "-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod",
           str(path / "index.m3u8"))  # fmt: skip
    for made in sorted(path.iterdir()):
        stack.put(f"{video}/{made.name}", made, bucket=VOD)
    return sorted(made.name for made in path.glob("*.ts"))


def test_a_tree_without_a_plan_plays_by_name_and_by_asset(stack: Stack, media: MediaFolder, folder: str) -> None:
    segments = put_tree(stack, media, f"{folder}/sample", f"{folder}-{stack.s3.kind}")
    assert segments[0] == "index0.ts"
    key = stack.put(f"{folder}/sample.mp4", media.path(CLIP))
    before = stack.keys(f"{folder}/")
    for url in (stack.video_url(f"{folder}/sample"), stack.stream_url(key), stack.stream_url(key, reencode="true")):
        found = stack.playlist(url)
        assert [f"/{VOD}/{folder}/sample/{name}?" in s.uri for name, s in zip(segments, found.segments, strict=True)]
        assert complaints(url) == ""
        assert picture_hashes(url) == picture_hashes(media.path(FILM))
    assert stack.keys(f"{folder}/") == before, "nothing was converted for it"


def test_a_tree_without_a_plan_is_deleted_by_what_it_names(stack: Stack, media: MediaFolder, folder: str) -> None:
    put_tree(stack, media, f"{folder}/sample", f"{folder}-{stack.s3.kind}")
    stack.put(f"{folder}/sample/notes.txt", b"somebody's", bucket=VOD)
    stack.put(f"{folder}/sample2/index.m3u8", b"#EXTM3U\n", bucket=VOD)
    key = stack.put(f"{folder}/sample.mp4", media.path(CLIP))
    assert stack.delete(stack.stream_url(key)).status_code == 200
    assert stack.keys(f"{folder}/") == {f"{folder}/sample/notes.txt", f"{folder}/sample2/index.m3u8"}


def test_the_renditions_of_a_multivariant_tree_play(stack: Stack, media: MediaFolder, folder: str) -> None:
    video = f"{folder}/film"
    put_tree(stack, media, f"{video}/720p", f"{folder}-{stack.s3.kind}")
    stack.put(f"{video}/low.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n720p/index0.ts\n#EXT-X-ENDLIST\n",
              bucket=VOD)  # fmt: skip
    stack.put(commit_key(video), MULTIVARIANT.encode(), bucket=VOD)
    top = stack.playlist(stack.video_url(video))
    assert [variant.uri for variant in top.playlists] == [
        "playlist.m3u8?rendition=720p",
        "playlist.m3u8?rendition=low",
    ]
    rendition = stack.video_url(video, rendition="720p")
    assert fetch(stack.playlist(rendition).segments[0].uri)[0] == 200
    assert complaints(rendition) == ""
    assert len(picture_hashes(stack.video_url(video))) == 600
    assert f"/{VOD}/{video}/720p/index0.ts?" in stack.playlist(stack.video_url(video, rendition="low")).segments[0].uri
    for rendition in ("1080p", "../../secret", "720p/index.m3u8"):
        missing = stack.get(stack.video_url(video, rendition=rendition))
        assert is_problem(missing, 404, "video_not_found")


@pytest.mark.parametrize(
    "uri",
    [
        "../other/index0.ts",
        "a/../../other/index0.ts",
        "%2e%2e/other/index0.ts",
        "/vod/other/index0.ts",
        "a%00.ts",
        "..",
    ],
)
def test_a_playlist_that_names_what_is_not_its_own_is_refused(stack: Stack, folder: str, uri: str) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{uri}\n#EXT-X-ENDLIST\n"
    stack.put(f"{folder}/evil/index.m3u8", text.encode(), bucket=VOD)
    answer = stack.get(stack.video_url(f"{folder}/evil"))
    assert is_problem(answer, 502, "invalid_playlist")
    assert "X-Amz" not in answer.text


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"#EXTINF:6,\na.ts\n"])
def test_what_is_no_playlist_is_not_given_out(stack: Stack, folder: str, content: bytes) -> None:
    stack.put(f"{folder}/odd/index.m3u8", content, bucket=VOD)
    assert is_problem(stack.get(stack.video_url(f"{folder}/odd")), 502, "invalid_playlist")


def test_absolute_urls_of_a_foreign_playlist_stay_as_they_are(one_stack: Stack, folder: str) -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nhttps://cdn.example/a.ts\n#EXT-X-ENDLIST\n"
    one_stack.put(f"{folder}/far/index.m3u8", text.encode(), bucket=VOD)
    assert one_stack.get(one_stack.video_url(f"{folder}/far")).text == text
