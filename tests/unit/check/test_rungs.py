"""Rungs by hand: their segments begin with one picture, or the rule says where they do not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from mam.check.measurement import Measurement
from mam.check.report import Presentation, Track
from mam.check.rungs import rung_rules
from mam.check.syntax import read_multivariant

LADDER = read_multivariant(
    """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",URI="en"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",URI="text"
#EXT-X-STREAM-INF:BANDWIDTH=1
top
#EXT-X-STREAM-INF:BANDWIDTH=1
rung
"""
)
FRAME = Fraction(1, 50)
ENDS = (Fraction(6), Fraction(12), Fraction(18))


def measured(kind: str, **more: object) -> Measurement:
    shown = Presentation("x", Fraction(18), 3, (Track(kind, "", Fraction(10), Fraction(28), 450),))
    starts = {number: Fraction(10 + 6 * number) if kind == "video" else None for number in range(3)}
    return replace(Measurement(shown, 6, frame=FRAME, ends=ENDS, starts=starts), **more)  # type: ignore[arg-type]


def found(**more: Measurement) -> list[str]:
    facts = {
        "top": measured("video"),
        "rung": measured("video"),
        "en": measured("audio"),
        "text": measured("subtitles"),
    }
    return [finding.rule for finding in rung_rules(LADDER, {**facts, **more}, "x")]


def starting(*times: object) -> Measurement:
    return measured("video", starts={n: None if at is None else Fraction(str(at)) for n, at in enumerate(times)})


def test_equal_rungs_break_nothing() -> None:
    assert found() == []
    assert found(rung=measured("video", frame=2 * FRAME)) == []  # every second picture


@pytest.mark.parametrize(
    ("rung", "rules"),
    [
        (starting(10, "16.00003", "21.99999"), []),  # rounded timestamps
        (starting(10, "16.02", 22), ["matching"]),
        (starting(10, "15.98", 22), ["matching"]),
        (starting("10.02", "16.02", "22.02"), ["matching"]),
        (starting(10, None, 22), ["matching"]),
        (starting(10, 16), []),  # the last one was not measured
    ],
)
def test_segments_of_one_number_begin_with_one_picture(rung: Measurement, rules: list[str]) -> None:
    assert found(rung=rung) == rules


def test_segments_that_are_divided_otherwise_are_not_compared() -> None:
    """Another rule says that they are."""
    assert found(rung=replace(starting(10, 14, 18), ends=(Fraction(4), Fraction(8), Fraction(18)))) == []


@pytest.mark.parametrize("uri", ["rung", "en"])
def test_discontinuities_are_at_the_same_places(uri: str) -> None:
    kind = "audio" if uri == "en" else "video"
    at_six = measured(kind, discontinuities=(Fraction(6),))
    top = measured("video", discontinuities=(Fraction(6),))
    both = {"rung": top, "en": measured("audio", discontinuities=(Fraction("6.01"),))}
    assert found(**{uri: at_six}) == ["discontinuity"]
    assert found(top=top, **both) == []
    assert found(top=top, **{**both, uri: measured(kind, discontinuities=(Fraction(12),))}) == ["discontinuity"]
    assert found(**{uri: measured(kind, sequence=1)}) == ["discontinuity"]


def test_subtitles_may_have_discontinuities_of_their_own() -> None:
    assert found(text=measured("subtitles", discontinuities=(Fraction(6),))) == []


def test_a_list_without_pictures_has_no_rungs() -> None:
    assert found(top=measured("audio"), rung=measured("audio", sequence=1)) == []
