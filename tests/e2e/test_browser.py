"""hls.js in a headless Chromium plays what the services give out, on pages of another origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import play
from tests.integration.system import Stack
from tests.media import LONG, MediaFolder

SECONDS = 90

pytestmark = pytest.mark.browser


def assert_played(report: dict[str, Any], seeks: list[float]) -> None:
    assert "failed" not in report, report
    assert [error for error in report["errors"] if error["fatal"]] == []
    assert abs(report["duration"] - SECONDS) < 0.2
    assert abs(report["end"] - report["duration"]) < 0.2
    assert (report["width"], report["height"]) == (320, 180)
    assert seeks == [seek["at"] for seek in report["seeks"]]
    assert all(seek["around"] == 1 for seek in report["seeks"])  # one buffered range: no gap


def test_a_video_never_converted_plays_and_seeks_and_then_plays_live(
    one_stack: Stack, media: MediaFolder, folder: str, browser: Browser, players: Path, tmp_path: Path
) -> None:
    key = one_stack.put(f"{folder}/long.mp4", media.path(LONG))
    seeks = [70.0, 21.5, 45.0]

    cold = play(browser, one_stack.stream_url(key), tmp_path / "cold", players, seeks=seeks)
    assert_played(cold, seeks)

    one_stack.convert(key)
    live = play(browser, one_stack.stream_url(key), tmp_path / "live", players, seeks=seeks)
    assert_played(live, seeks)


def test_a_video_being_encoded_plays(
    one_stack: Stack, media: MediaFolder, folder: str, browser: Browser, players: Path, tmp_path: Path
) -> None:
    key = one_stack.put(f"{folder}/long.mp4", media.path(LONG))
    seeks = [60.0]
    assert_played(
        play(browser, one_stack.stream_url(key, reencode="true"), tmp_path / "encoded", players, seeks=seeks), seeks
    )
