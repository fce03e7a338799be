"""What is told of long commands: something within seconds, whatever they say, and their last words when they fail."""

from __future__ import annotations

import re
import sys

import pytest

from dev import install, steps


def test_a_silent_command_is_said_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(steps, "SILENCE_SECONDS", 0.05)
    assert steps.run([sys.executable, "-c", "import time; time.sleep(0.5)"], doing="waiting") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert all(re.fullmatch(r"  waiting, \d+ s: still at it", line) for line in lines)


def test_a_chatty_command_is_not_repeated_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    script = "for n in range(10_000): print('Collecting', n)"
    assert steps.run([sys.executable, "-c", script], doing="packages", told=lambda line: line) == 0
    assert len(capsys.readouterr().out.splitlines()) < 30


def test_a_command_that_fails_shows_its_last_words(capsys: pytest.CaptureFixture[str]) -> None:
    script = "import sys; [print('line', n) for n in range(1000)]; sys.exit('No matching distribution')"
    assert steps.run([sys.executable, "-c", script], doing="packages") == 1
    shown = capsys.readouterr().err
    assert "No matching distribution" in shown
    assert len(shown.splitlines()) <= steps.KEPT_LINES


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Collecting redis[hiredis]<9,>=5.2 (from -r requirements.txt (line 12))", "looking for redis"),
        ("  Downloading numpy-2.1.0-cp311-manylinux.whl (16.4 MB)", "downloading numpy (16.4 MB)"),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("  Using cached x.whl", None),
        ("", None),
    ],
)
def test_what_pip_says_is_told_in_short(line: str, told: str | None) -> None:
    assert install.told(line) == told
