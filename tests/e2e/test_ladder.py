"""A ladder is played by every player while it is made: whichever rung the player begins with."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import PLAYERS, play
from tests.e2e.test_outcomes import is_harmless
from tests.integration.system import Stack
from tests.media import AAC, FAST, MediaFolder, Recipe

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ladder in browsers")]

LENGTH = 10  # seconds
# Large enough for a rung of the program's own table, and not much larger: making it is most of the test's work.
NOISY = Recipe(
    "noisy.mp4",
    ("-f", "lavfi", "-i", f"testsrc2=s=854x480:r=25:d={LENGTH},noise=alls=8:allf=t", "-f", "lavfi", "-i",
     f"sine=d={LENGTH}", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-bf", "2", "-g", "50",
     "-sc_threshold", "0", "-pix_fmt", "yuv420p", *AAC, *FAST),
)  # fmt: skip


@pytest.mark.parametrize("player", PLAYERS)
def test_a_cold_ladder_is_played_to_its_end(
    one_stack: Stack, media: MediaFolder, browser: Browser, players: Path, tmp_path: Path, folder: str, player: str
) -> None:
    key = one_stack.put(f"{folder}/noisy.mp4", media.path(NOISY))
    report = play(browser, one_stack.stream_url(key, profile="ladder"), tmp_path / "page", players, player=player)
    assert "failed" not in report, report
    # On a busy machine a rung may be made more slowly than it is played: hls.js tells of the wait.
    errors = [error for error in report["errors"] if error["fatal"] or "bufferStalledError" not in error["details"]]
    assert [error for error in errors if not is_harmless(error)] == []
    assert len(report["buffered"]) == 1  # no gap, also where the player has switched
    assert abs(report["end"] - LENGTH) < 0.1
    assert (report["width"], report["height"]) in ((854, 480), (640, 360))
