"""Trees by hand: what a multivariant playlist promises against what was measured."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from mam.check.measurement import Measurement, average_rate, peak_rate
from mam.check.multivariant import list_rules, tree_rules
from mam.check.report import Presentation, Track
from mam.check.syntax import read_multivariant

TREE = """#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,URI="de.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="text.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1200,AVERAGE-BANDWIDTH=900,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=640x360,\
FRAME-RATE=29.970,AUDIO="a",SUBTITLES="s"
video.m3u8
"""
ORIGIN = Fraction(10)
FRAME = Fraction(1001, 30_000)


def measurement(kind: str, peak: int, average: int, *codecs: str) -> Measurement:
    track = Track(kind, codecs[0] if codecs else "", ORIGIN, ORIGIN + 60, 1798)
    shown = Presentation("x", Fraction(60), 10, (track,), peak, average)
    video = kind == "video"
    rates, sizes = ((1 / FRAME,), ((640, 360),)) if video else ((), ())
    return Measurement(shown, 6, codecs, rates, sizes, FRAME if video else Fraction(0), ORIGIN)


MEASURED = {
    "video.m3u8": measurement("video", 1000, 800, "avc1.64001F"),
    "en.m3u8": measurement("audio", 100, 90, "mp4a.40.2"),
    "de.m3u8": measurement("audio", 200, 100, "mp4a.40.2"),
    "text.m3u8": replace(measurement("subtitles", 5, 1), offset=None),
}


def broken(text: str = TREE, measured: dict[str, Measurement] = MEASURED) -> list[str]:
    playlist = read_multivariant(text)
    found = [*list_rules(playlist, "x"), *tree_rules(playlist, measured, "x")]
    return [finding.rule for finding in found if finding.level == "error"]


def test_a_right_tree_breaks_nothing() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        (":BANDWIDTH=1200", ":BANDWIDTH=1060", ["bandwidth"]),  # 100 of "en" and not 200 of "de"
        (":BANDWIDTH=1200", ":BANDWIDTH=1400", ["bandwidth"]),
        (":BANDWIDTH=1200", ":BANDWIDTH=1310", []),
        ("BANDWIDTH=1200,", "", ["bandwidth"]),
        ("AVERAGE-BANDWIDTH=900", "AVERAGE-BANDWIDTH=1200", ["average-bandwidth"]),
        ("AVERAGE-BANDWIDTH=900,", "", ["average-bandwidth"]),
        ('CODECS="avc1.64001F,mp4a.40.2",', "", ["codecs"]),
        ("avc1.64001F,", "", ["codecs"]),
        ("avc1.64001F", "avc1.64001f", []),
        ("avc1.64001F", "avc1.640028", ["codecs", "codecs"]),  # what is missing, and what is not there
        ("mp4a.40.2", "mp4a.40.5", ["codecs", "codecs"]),
        ("RESOLUTION=640x360,", "", ["resolution"]),
        ("640x360", "640x480", ["resolution"]),
        ("FRAME-RATE=29.970,", "", ["frame-rate"]),
        ("FRAME-RATE=29.970", "FRAME-RATE=25.000", ["frame-rate"]),
        ("FRAME-RATE=29.970", "FRAME-RATE=NTSC", ["frame-rate"]),
        ("FRAME-RATE=29.970", "FRAME-RATE=30.000", []),
        ('SUBTITLES="s"', 'SUBTITLES="t"', ["group"]),
        ('NAME="Deutsch"', 'NAME="English"', ["group"]),
        ('LANGUAGE="de",', 'LANGUAGE="de",DEFAULT=YES,', ["group"]),
        ('LANGUAGE="de",', "", ["language"]),
        (',URI="text.m3u8"', "", ["group"]),
        ("DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO", ["group"]),
    ],
)
def test_each_promise_is_compared(old: str, new: str, rules: list[str]) -> None:
    assert old in TREE
    assert broken(TREE.replace(old, new, 1)) == rules


def test_a_group_that_does_not_exist_is_missed() -> None:
    text = TREE.replace(',AUDIO="a"', ',AUDIO="b"').replace("=1200", "=1000").replace("=900", "=800")
    assert set(broken(text)) == {"group", "codecs"}


def other(uri: str, **more: object) -> dict[str, Measurement]:
    return {**MEASURED, uri: replace(MEASURED[uri], **more)}  # type: ignore[arg-type]


def lasting(uri: str, seconds: object) -> dict[str, Measurement]:
    shown = replace(MEASURED[uri].presentation, duration=Fraction(str(seconds)))
    return other(uri, presentation=shown)


@pytest.mark.parametrize(
    ("measured", "rules"),
    [
        (other("en.m3u8", target=7), ["same-target"]),
        (other("text.m3u8", target=60), []),
        (lasting("en.m3u8", "60.03"), []),
        (lasting("en.m3u8", "60.05"), ["same-range"]),
        (lasting("text.m3u8", "58"), []),
        (lasting("text.m3u8", "50"), ["same-range"]),
        (other("en.m3u8", offset=Fraction("10.03")), []),
        (other("en.m3u8", offset=Fraction(0)), ["sync"]),
    ],
)
def test_all_playlists_cover_the_same_time(measured: dict[str, Measurement], rules: list[str]) -> None:
    assert broken(measured=measured) == rules


def test_boundaries_that_are_elsewhere_are_noted() -> None:
    def notes(*ends: int) -> list[str]:
        measured = {**other("video.m3u8", ends=(6, 12)), "en.m3u8": replace(MEASURED["en.m3u8"], ends=ends)}  # type: ignore[arg-type]
        measured["de.m3u8"] = replace(MEASURED["de.m3u8"], ends=(Fraction(6), Fraction(12)))
        return [finding.rule for finding in tree_rules(read_multivariant(TREE), measured, "x")]

    assert notes(6, 12) == []
    assert notes(7, 12) == notes(12) == ["alignment"]


def test_where_the_frame_rate_varies_any_of_them_may_be_named() -> None:
    assert broken(measured=other("video.m3u8", rates=(Fraction(60), 1 / FRAME))) == []
    assert broken(TREE.replace("29.970", "60"), other("video.m3u8", rates=(Fraction(60), 1 / FRAME))) == []


def test_rates_are_not_judged_when_only_some_segments_were_measured() -> None:
    text = TREE.replace("BANDWIDTH=1200", "BANDWIDTH=1")
    assert broken(text) == ["bandwidth"]
    assert broken(text, other("video.m3u8", complete=False)) == []


def test_a_picture_in_other_pixels_may_be_named_as_it_is_shown() -> None:
    assert broken(measured=other("video.m3u8", sizes=((640, 360), (480, 360)))) == []


def test_the_peak_is_that_of_sets_of_half_to_one_and_a_half_target_durations() -> None:
    short = (Fraction(1), 10_000)  # alone too short to count
    usual = (Fraction(6), 1_000)
    assert peak_rate([usual, usual], 6) == round(8 * 1_000 / 6)
    assert peak_rate([usual, short], 6) == round(8 * 11_000 / 7)
    assert peak_rate([usual, (Fraction(3), 1_500)], 6) == 4_000
    assert peak_rate([short], 6) == average_rate([short]) == 80_000
    assert peak_rate([], 6) == 0
