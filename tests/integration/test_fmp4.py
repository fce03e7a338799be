"""`format=fmp4`: H.264, HEVC and AV1 in fragments, in the making and live, as any web server would serve them."""

from __future__ import annotations

import av
import pytest

from mam.naming import commit_key
from tests.integration.system import Stack, is_problem
from tests.media import (
    AV1,
    FILM,
    HEVC,
    TWO_LANGUAGES,
    VP9,
    WITH_AC3,
    MediaFolder,
    Recipe,
    complaints,
    picture_hashes,
    probe,
)

FMP4 = {"format": "fmp4"}


@pytest.mark.parametrize(
    ("recipe", "codec", "profile"),
    [(FILM, "h264", "auto"), (FILM, "h264", "h264"), (HEVC, "hevc", "auto"), (AV1, "av1", "source"),
     (VP9, "h264", "auto"), (WITH_AC3, "h264", "source")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)  # fmt: skip
def test_what_fits_into_fragments_plays_in_the_making_and_live(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe, codec: str, profile: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(recipe))
    url = one_stack.stream_url(key, profile=profile, **FMP4)
    assert complaints(url) == ""  # cold
    video = one_stack.convert(key, profile=profile, **FMP4)
    playlist = one_stack.playlist(url)
    assert (playlist.version, len(playlist.segment_map)) == (6, 1)
    assert "X-Amz-Signature" in playlist.segment_map[0].uri
    assert complaints(url) == ""
    assert probe(url)["video"] == codec
    if profile != "h264" and recipe is not VP9:
        assert picture_hashes(url) == picture_hashes(media.path(recipe))
    kinds = {key.rpartition(".")[2] for key in one_stack.keys(f"{video}/{one_stack.revision(video)}/")}
    assert kinds - {"jpg", "vtt"} == {"json", "m3u8", "m4s", "mp4"}  # without pictures


def test_hevc_is_named_as_apple_wants_it(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """The source says hev1."""
    key = one_stack.put(f"{folder}/a.mp4", media.path(HEVC))
    url = one_stack.stream_url(key, **FMP4)
    one_stack.convert(key, profile="auto", **FMP4)
    with av.open(
        one_stack.playlist(url).segment_map[0].absolute_uri, options={"protocol_whitelist": "http,tcp"}
    ) as init:
        assert init.streams.video[0].codec_context.codec_tag == "hvc1"


def test_sounds_of_their_own_have_headers_of_their_own(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    url = one_stack.stream_url(key, **FMP4)
    assert complaints(url) == ""
    video = one_stack.convert(key, profile="auto", **FMP4)
    assert complaints(url) == ""
    names = {
        name.rpartition("/")[0].rpartition("/")[2] for name in one_stack.keys(f"{video}/") if name.endswith("/init.mp4")
    }
    assert names == {"180p", "audio-0", "audio-1"}


def test_ts_and_fmp4_are_two_revisions_of_one_video(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    video = one_stack.convert(key, profile="auto", **FMP4)
    assert b"EXT-X-MAP" in one_stack.read(commit_key(video))
    assert one_stack.playlist(one_stack.stream_url(key)).segment_map, "whatever is live will do"
    assert not one_stack.playlist(one_stack.stream_url(key, format="ts")).segment_map
    one_stack.convert(key, profile="auto")
    assert b"EXT-X-MAP" not in one_stack.read(commit_key(video))


def test_hevc_does_not_fit_into_ts(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(HEVC))
    assert is_problem(one_stack.transcode(key, profile="source"), 422, "not_remuxable")
