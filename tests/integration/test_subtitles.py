"""Subtitles in the file and beside it become WebVTT renditions, in time with the picture."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from mam.hls import webvtt
from mam.media.packets import ORIGIN
from tests.integration.system import Stack, is_problem
from tests.media import FILM, SUBTITLES, MediaFolder, complaints

CUES = [(1.0, 2.5, "One &amp; only"), (5.5, 8.0, "Across a <i>boundary</i>"), (12.0, 13.0, "The last")]


def subtitles(stack: Stack, url: str, name: str) -> tuple[list[float], list[str]]:
    """EXTINF and text of each segment of a rendition, by NAME."""
    (uri,) = (media.uri for media in stack.playlist(url).media if media.name == name)
    playlist = stack.playlist(urljoin(url, uri))
    texts = [stack.get(urljoin(url, segment.uri)) for segment in playlist.segments]
    assert {text.headers["content-type"] for text in texts} == {"text/vtt"}
    return [segment.duration for segment in playlist.segments], [text.content.decode() for text in texts]


def assert_in_time(durations: list[float], texts: list[str]) -> None:
    """Each segment has the cues that are shown in it, and says what their times mean."""
    start = 0.0
    for duration, text in zip(durations, texts, strict=True):
        end = start + duration
        lines = text.splitlines()
        assert lines[:2] == ["WEBVTT", f"X-TIMESTAMP-MAP=MPEGTS:{ORIGIN * 90000},LOCAL:00:00:00.000"]
        found = [(float(cue.start), float(cue.end), cue.text) for cue in webvtt.parse(text.encode())]
        assert found == [cue for cue in CUES if cue[0] < end and cue[1] > start]
        start = end


@pytest.mark.parametrize("profile", ["source", "h264"])
def test_timed_text_in_the_file_becomes_a_rendition(
    stack: Stack, media: MediaFolder, folder: str, profile: str
) -> None:
    key = stack.put(f"{folder}/a.mp4", media.subtitled())
    url = stack.stream_url(key, profile=profile)
    whole = stack.playlist(url)
    assert [(m.type, m.language, m.name, m.forced) for m in whole.media] == [("SUBTITLES", "de", "German", "NO")]
    assert whole.playlists[0].stream_info.subtitles == "subtitles"
    assert_in_time(*subtitles(stack, url, "German"))  # in the making
    stack.convert(key, profile=profile)
    assert_in_time(*subtitles(stack, url, "German"))
    assert complaints(url) == ""


def test_files_beside_the_asset_become_renditions(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(FILM))
    stack.put(f"{folder}/a.en.srt", SUBTITLES.encode("utf-16"))
    stack.put(f"{folder}/a.fr.sdh.srt", SUBTITLES.replace("\n", "\r\n").encode())
    stack.put(f"{folder}/ab.srt", SUBTITLES.encode())
    video = stack.convert(key, profile="auto")
    url = stack.stream_url(key)
    found = [(m.language, m.name, m.characteristics is not None) for m in stack.playlist(url).media]
    assert found == [("en", "English", False), ("fr", "French (SDH)", True)]
    assert_in_time(*subtitles(stack, url, "English"))
    assert_in_time(*subtitles(stack, url, "French (SDH)"))
    assert stack.plan(video).source.sidecars[0].key == f"{folder}/a.en.srt"


def test_subtitles_that_come_later_are_a_new_revision(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    before = one_stack.revision(one_stack.convert(key, profile="auto"))
    assert not one_stack.playlist(one_stack.stream_url(key)).is_variant
    one_stack.put(f"{folder}/a.srt", SUBTITLES.encode())
    after = one_stack.revision(one_stack.convert(key, profile="auto"))
    assert before != after
    assert [m.name for m in one_stack.playlist(one_stack.stream_url(key)).media] == ["Subtitles"]


def test_a_file_that_is_no_subtitles_is_left_out_and_harms_nothing(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    one_stack.put(f"{folder}/a.srt", bytes(range(256)) * 40)
    one_stack.convert(key, profile="auto")
    url = one_stack.stream_url(key)
    assert not one_stack.playlist(url).is_variant
    assert complaints(url) == ""
    assert is_problem(one_stack.get(url + "?rendition=subtitles-0"), 404, "video_not_found")
