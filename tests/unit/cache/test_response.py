"""The HTTP answers that a playlist becomes."""

from __future__ import annotations

import gzip

import pytest

from mam.cache.response import Answers
from mam.cache.store import CachedPlaylist, slot
from mam.vod.hotpath import STREAM, VIDEO, parsed

TEXT = b"#EXTM3U\n"
GZIP = [(b"accept-encoding", b"gzip, br")]


def answers(text: bytes = TEXT, *, max_age: int = 60) -> Answers:
    return Answers(CachedPlaylist(gzip.compress(text, mtime=0), max_age=max_age))


@pytest.mark.parametrize(
    ("source", "profile", "fits"),
    [("", "", True), ("a/b.mp4", "", True), ("a/b.mp4", "source", True), ("", "source", True),
     ("a/c.mp4", "", False), ("a/b.mp4", "h264", False), ("", "h264", False)],
)  # fmt: skip
def test_a_cached_playlist_is_given_to_whoever_asks_for_its_video_or_asset(
    source: str, profile: str, fits: bool
) -> None:
    assert CachedPlaylist(b"", "a/b.mp4", "source").fits(source, profile) == fits
    assert CachedPlaylist(b"").fits(source, profile)


def test_a_client_that_takes_gzip_gets_the_stored_bytes() -> None:
    given = answers()
    answer = given.to(GZIP)
    assert (200, given.playlist.body) == (answer.status, answer.body)
    assert dict(answer.headers)[b"content-encoding"] == b"gzip"


def test_any_other_client_gets_text() -> None:
    answer = answers().to([])
    assert (answer.status, answer.body) == (200, TEXT)
    assert b"content-encoding" not in dict(answer.headers)


@pytest.mark.parametrize("accept", [GZIP, []])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_client_that_has_it_gets_304_without_a_body(accept: list[tuple[bytes, bytes]], form: str) -> None:
    etag = dict(answers().to(accept).headers)[b"etag"].decode()
    answer = answers().to([*accept, (b"if-none-match", form.format(etag).encode())])
    assert (answer.status, answer.body) == (304, b"")


def test_another_playlist_and_another_coding_have_other_etags() -> None:
    etags = {dict(a.headers)[b"etag"] for a in (answers().to(GZIP), answers().to([]), answers(b"#EXTM3U\n#").to(GZIP))}
    assert len(etags) == 3


def test_a_playlist_in_the_making_is_asked_for_again_each_time() -> None:
    assert dict(answers(max_age=0).to(GZIP).headers)[b"cache-control"] == b"private, no-cache"
    assert dict(answers().to(GZIP).headers)[b"cache-control"] == b"private, max-age=60"


def test_the_hot_path_understands_what_the_routes_understand() -> None:
    film = parsed("/stream/myvideos/a/b c.mp4/playlist.m3u8", b"")
    assert film and (film.route, film.names[0], film.source) == (STREAM, "a/b c", "myvideos/a/b c.mp4")
    encoded = parsed("/stream/myvideos/a.mp4/playlist.m3u8", b"reencode=true")
    assert encoded and (encoded.kind, encoded.slot) == ("h264", slot("h264", ""))
    ladder = parsed("/stream/myvideos/a.mp4/playlist.m3u8", b"default=ladder")
    assert ladder and (ladder.kind, ladder.slot) == ("", slot("", "", "ladder"))
    assert ladder.slot not in (slot("", ""), slot("ladder", ""))
    both = parsed("/stream/myvideos/a.mp4/playlist.m3u8", b"default=ladder&profile=auto")
    assert both and (both.kind, both.slot) == ("auto", slot("auto", ""))
    video = parsed("/video/a/b/playlist.m3u8", b"rendition=720p")
    assert video and (video.route, video.names, video.slot) == (VIDEO, ("a/b",), slot("", "720p"))


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/stream/myvideos/../a.mp4/playlist.m3u8", b""),
        ("/stream/my_videos!/a.mp4/playlist.m3u8", b""),
        ("/stream/myvideos/a.mp4/playlist.m3u8", b"profile=nonsense"),
        ("/stream/myvideos/a.mp4/playlist.m3u8", b"reencode=true&profile=source"),
        ("/stream/myvideos/a.mp4/playlist.m3u8", b"reencode=true&reencode=false"),
        ("/stream/myvideos/a.mp4/playlist.m3u8", b"what=else"),
        ("/stream/myvideos/a.mp4/playlist.m3u8", b"default="),
        ("/stream/myvideos/a.mp4/playlist.m3u8", b"default=ladder.fmp4"),
        ("/video/a/playlist.m3u8", b"default=ladder"),
        ("/video//playlist.m3u8", b""),
        ("/video/a/playlist.m3u8", b"reencode=true"),
        ("/cache/a", b""),
    ],
)
def test_the_hot_path_leaves_to_the_routes_what_they_must_judge(path: str, query: bytes) -> None:
    assert parsed(path, query) is None
