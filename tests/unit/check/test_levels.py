"""Levels: each is too low for a larger picture or more frames, and enough for what its standard allows."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mam.check.levels import level_rules
from mam.check.media import SegmentFacts, TrackFacts


def found(codec: str, width: int, height: int, rate: object) -> list[str]:
    seconds, frames_per_second = 6, Fraction(str(rate))
    track = TrackFacts(
        "video", codec, Fraction(10), Fraction(16), round(seconds * frames_per_second), 1 / frames_per_second,
        width=width, height=height,
    )  # fmt: skip
    facts = SegmentFacts(0, Fraction(0), Fraction(6), 1000, "mp4", (track,))
    return [finding.rule for finding in level_rules([facts, facts], "x")]


@pytest.mark.parametrize(
    ("codec", "width", "height", "rate", "enough"),
    [
        ("avc1.64001E", 640, 360, 30, True),
        ("avc1.64001E", 720, 576, 25, True),
        ("avc1.64001E", 720, 576, 50, False),
        ("avc1.64001E", 960, 540, 30, False),
        ("avc1.64001F", 1280, 720, 30, True),
        ("avc1.64001F", 720, 1280, 30, True),
        ("avc1.64001F", 1280, 720, 60, False),
        ("avc1.640020", 1280, 720, 60, True),
        ("avc1.640028", 1920, 1080, 30, True),
        ("avc1.640028", 1920, 1080, "30.3", True),  # as measured of a phone's video
        ("avc1.640028", 1920, 1080, 60, False),
        ("avc1.64002A", 1920, 1080, 60, True),
        ("avc1.640028", 3840, 2160, 30, False),
        ("avc1.640033", 3840, 2160, 30, True),
        ("avc1.64000d", 320, 180, 25, True),
        ("avc1.64000C", 1600, 32, 25, False),  # too long a side
        ("hvc1.1.6.L93.B0", 1280, 720, 30, True),
        ("hvc1.1.6.L93.B0", 1920, 1080, 30, False),
        ("hvc1.1.6.L120.90", 1920, 1080, 30, True),
        ("hvc1.1.6.L120.90", 1920, 1080, 60, False),
        ("hvc1.2.4.H153.B0", 3840, 2160, 60, True),
        ("avc1", 7680, 4320, 60, True),  # nothing says its level
        ("avc1.6400FF", 7680, 4320, 60, True),  # no known level
        ("av01", 7680, 4320, 60, True),
    ],
)
def test_a_level_allows_a_size_at_a_rate(codec: str, width: int, height: int, rate: object, enough: bool) -> None:
    assert found(codec, width, height, rate) == ([] if enough else ["level"])


def test_what_was_not_measured_is_not_judged() -> None:
    assert found("avc1.64000A", 0, 0, 25) == []
    assert list(level_rules([], "x")) == []
