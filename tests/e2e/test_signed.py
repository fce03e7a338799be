"""What is not public is played by every player that has a token in its address: to the end, with seeks and switches."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import m3u8
import pytest
import requests
from playwright.sync_api import Browser

from tests.e2e.browser import PLAYERS, play
from tests.e2e.test_outcomes import is_harmless
from tests.e2e.test_players import shown
from tests.integration.system import API_KEY, BUCKET, S3, Stack, is_problem, ladder_file, own_stack, until
from tests.integration.test_ladder import NOISY
from tests.integration.test_ladder import SECONDS as LENGTH
from tests.media import CLIP, MediaFolder, complaints

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("signed in browsers")]

KEY, COPIED = "signed/noisy.mp4", "signed/clip.mp4"


@pytest.fixture(scope="module")
def signed(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("signed")
    more = {"PLAYBACK_RULES": f"{BUCKET}/signed/=signed", "LADDER_FILE": ladder_file(folder)}
    with own_stack(one_s3, folder, **more) as stack:
        stack.put(KEY, media.path(NOISY))
        stack.convert(stack.put(COPIED, media.path(CLIP)))
        yield stack


def token(stack: Stack, seconds: int = 600) -> str:
    claims = {"sub": f"{BUCKET}/signed/", "make": ["ladder"], "expires_in": seconds}
    address, key = f"http://{stack.vod.address}/playback/tokens", {"x-api-key": API_KEY}
    return str(requests.post(address, json=claims, headers=key, timeout=20).json()["token"])


def address(stack: Stack, key: str, given: str, query: str = "") -> str:
    return f"http://{stack.vod.address}/p/{given}/stream/{BUCKET}/{key}/playlist.m3u8{query}"


@pytest.mark.parametrize("player", PLAYERS)
def test_a_signed_ladder_is_played_to_its_end(
    signed: Stack, browser: Browser, players: Path, tmp_path: Path, player: str
) -> None:
    """The first player finds it cold."""
    url = address(signed, KEY, token(signed), "?profile=ladder")
    for seeks in ((), (LENGTH - 5.0, 2.0)):
        report = play(browser, url, tmp_path / f"page{len(seeks)}", players, player=player, seeks=seeks)
        assert "failed" not in report, report
        errors = [error for error in report["errors"] if error["fatal"] or "bufferStalledError" not in error["details"]]
        assert [error for error in errors if not is_harmless(error)] == []
        assert abs(report["end"] - LENGTH) < 0.1


def test_ffmpeg_plays_every_rendition_of_a_signed_ladder(signed: Stack) -> None:
    listed = signed.playlist(address(signed, KEY, token(signed), "?profile=ladder"))
    urls = [each.absolute_uri for each in (*listed.playlists, *listed.media)]
    assert len(urls) >= 3
    assert [complaint for url in urls if (complaint := complaints(url))] == []


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="no GStreamer here")
def test_gstreamer_plays_what_is_signed(signed: Stack) -> None:
    assert len(shown(address(signed, COPIED, token(signed)))) == 125


def test_a_token_that_expires_ends_playback_with_the_next_segment(signed: Stack) -> None:
    given = token(signed, seconds=3)
    began = time.monotonic()
    url = address(signed, COPIED, given)
    segment = m3u8.loads(signed.get(url).text, uri=url).segments[0].absolute_uri
    assert signed.get(segment).status_code == 200
    until(lambda: signed.get(segment).status_code == 403, "it has expired")
    assert time.monotonic() - began >= 2
    for refused in (segment, url):
        assert is_problem(signed.get(refused), 403, "invalid_token")
