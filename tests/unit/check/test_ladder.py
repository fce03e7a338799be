"""Ladders by hand: each rule between variants speaks up for a wrong one, and is silent about a right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest

from mam.check.ladder import group_rules, ladder_rules
from mam.check.measurement import Measurement
from mam.check.report import Presentation, Track
from mam.check.syntax import read_multivariant

LADDER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,CHANNELS="2",URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",CHANNELS="2",URI="de.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2600000,AVERAGE-BANDWIDTH=2100000,CODECS="avc1",CLOSED-CAPTIONS=NONE,AUDIO="a"
v540
#EXT-X-STREAM-INF:BANDWIDTH=4400000,AVERAGE-BANDWIDTH=4000000,CODECS="avc1",CLOSED-CAPTIONS=NONE,AUDIO="a"
v720
#EXT-X-STREAM-INF:BANDWIDTH=1100000,AVERAGE-BANDWIDTH=900000,CODECS="avc1",CLOSED-CAPTIONS=NONE,AUDIO="a"
v360
"""
SURROUND = LADDER.replace('CHANNELS="2"', 'CHANNELS="6"')
SECOND_GROUP = """#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="b",NAME="English",LANGUAGE="en",DEFAULT=YES,CHANNELS="6",URI="en6"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="b",NAME="Deutsch",LANGUAGE="de",CHANNELS="6",URI="de6"
"""


def picture(width: int, height: int, average: int, rate: int = 25) -> Measurement:
    track = Track("video", "avc1.64001F", Fraction(10), Fraction(70), 60 * rate, width, height)
    shown = Presentation("x", Fraction(60), 10, (track,), average * 3 // 2, average)
    return Measurement(
        shown,
        6,
        ("avc1.64001F",),
        (Fraction(rate),),
        shown=((width, height),),
        ranges=("SDR",),
        frame=Fraction(1, rate),
    )


def sound(channels: int) -> Measurement:
    track = Track("audio", "mp4a.40.2", Fraction(10), Fraction(70), 2800)
    return Measurement(Presentation("x", Fraction(60), 10, (track,)), 6, channels=(channels,))


MEASURED = {
    "v540": picture(960, 540, 2_000_000),
    "v720": picture(1280, 720, 3_900_000),
    "v360": picture(640, 360, 800_000),
    "en.m3u8": sound(2),
    "de.m3u8": sound(2),
}


def found(text: str = LADDER, measured: Mapping[str, Measurement] = MEASURED) -> list[tuple[str, str]]:
    playlist = read_multivariant(text)
    findings = [*ladder_rules(playlist, measured, "x"), *group_rules(playlist, measured, "x")]
    return [(finding.level, finding.rule) for finding in findings]


def other(uri: str, **more: object) -> dict[str, Measurement]:
    return {**MEASURED, uri: replace(MEASURED[uri], **more)}  # type: ignore[arg-type]


def listed(old: str, new: str, count: int = 1, text: str = LADDER) -> str:
    assert old in text
    return text.replace(old, new, count)


def test_a_right_ladder_breaks_nothing() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (listed("CODECS", "SCORE=2.0,CODECS", 3), []),
        (listed("CODECS", "SCORE=2.0,CODECS", 2), ["score"]),
        (listed("CODECS", "SCORE=best,CODECS", 3), ["score"] * 3),
        (listed("CODECS", "SCORE=-1,CODECS", 3), ["score"] * 3),
        (listed(",CLOSED-CAPTIONS=NONE", "", 3), []),
        (listed(",CLOSED-CAPTIONS=NONE", "", 1), ["captions"]),
        (listed("CLOSED-CAPTIONS=NONE", 'CLOSED-CAPTIONS="cc"', 2), ["captions"] * 2),
        (listed("CODECS", "VIDEO-RANGE=SDR,CODECS", 3), []),
        (listed("CODECS", "VIDEO-RANGE=SDR,CODECS", 1), []),  # all are SDR
        (listed("CODECS", "VIDEO-RANGE=PQ,CODECS", 1), ["video-range"] * 3),  # it is SDR, and two say nothing
    ],
)
def test_attributes_that_all_variants_must_have_are_missed(text: str, errors: list[str]) -> None:
    assert found(text) == [("error", rule) for rule in errors]


def test_the_range_of_the_pictures_is_that_of_the_variant() -> None:
    bright = other("v720", ranges=("PQ",))
    assert found(measured=bright) == [("error", "video-range")]
    text = listed("CODECS", "VIDEO-RANGE=SDR,CODECS", 3)
    assert found(text, bright) == [("error", "video-range")]
    assert found(text.replace("VIDEO-RANGE=SDR", "VIDEO-RANGE=PQ").replace("=PQ", "=SDR", 1), MEASURED) == [
        ("error", "video-range")
    ] * 2  # fmt: skip
    at = text.index("v540")
    assert found(text[:at] + text[at:].replace("SDR", "PQ", 1), bright) == []
    assert found(measured=other("v720", ranges=())) == []  # nothing says it


def test_an_sdr_variant_is_beside_hdr() -> None:
    text = listed("CODECS", "VIDEO-RANGE=HLG,CODECS", 3)
    hdr = {uri: replace(each, ranges=("HLG",) if each.has_video else ()) for uri, each in MEASURED.items()}
    assert found(text, hdr) == [("error", "sdr")]
    alone = {uri: each for uri, each in hdr.items() if uri not in ("v720", "v360")}
    assert found(text, alone) == [("note", "sdr")]


def test_captions_are_not_denied_where_pictures_carry_them() -> None:
    assert found(measured=other("v360", captioned=True)) == [("error", "captions")]
    assert found(listed(",CLOSED-CAPTIONS=NONE", "", 3), other("v360", captioned=True)) == []


@pytest.mark.parametrize(
    ("size", "same"),
    [((640, 360), True), ((642, 360), True), ((638, 360), True), ((480, 360), False), ((360, 640), False),
     ((640, 352), False), ((640, 368), False), ((0, 0), True)],
)  # fmt: skip
def test_all_pictures_have_one_shape_but_for_rounding(size: tuple[int, int], same: bool) -> None:
    assert found(measured=other("v360", shown=(size,))) == ([] if same else [("error", "aspect-ratio")])


@pytest.mark.parametrize(("width", "height"), [(3, 4), (9, 16), (16, 9), (64, 27), (239, 100), (1, 1)])
def test_shapes_that_a_ladder_rounds_to_even_sides_are_the_same(width: int, height: int) -> None:
    def size(side: int) -> tuple[int, int]:
        longer = round(Fraction(max(width, height) * side, 2 * min(width, height))) * 2
        return (longer, side) if width >= height else (side, longer)

    measured = {f"v{side}": replace(MEASURED[f"v{side}"], shown=(size(side),)) for side in (720, 540, 360)}
    assert found(measured={**MEASURED, **measured}) == []


@pytest.mark.parametrize(
    ("rate", "average", "rules"),
    [(30, 800_000, []), (50, 800_000, [("note", "slow-variant")]), (60, 2_400_000, []),
     (Fraction(60_000, 1001), 1_900_000, [("note", "slow-variant")]), (Fraction(3001, 100), 800_000, []),
     (120, 4_000_000, [("error", "fast-frames")])],
)  # fmt: skip
def test_frame_rates_follow_bit_rates(rate: Fraction, average: int, rules: list[tuple[str, str]]) -> None:
    facts = picture(640, 360, average)
    measured = {**MEASURED, "v360": replace(facts, rates=(Fraction(rate),), complete=False)}
    assert found(measured=measured) == rules


def test_hevc_needs_less_for_more_frames() -> None:
    hevc = replace(picture(640, 360, 1_700_000, 50), codecs=("hvc1.1.6.L93.B0",))
    assert found(measured={**MEASURED, "v360": hevc}) == []
    assert found(measured={**MEASURED, "v360": replace(hevc, codecs=("avc1.64001F",))}) == [("note", "slow-variant")]


def test_the_first_variant_is_the_one_nearest_to_the_rate_that_most_lines_carry() -> None:
    assert found(listed("AVERAGE-BANDWIDTH=2100000", "AVERAGE-BANDWIDTH=5100000")) == [("note", "first-variant")]
    assert found(listed("AVERAGE-BANDWIDTH=2100000", "AVERAGE-BANDWIDTH=200000")) == [("note", "first-variant")]
    assert found(listed("AVERAGE-BANDWIDTH=4000000", "AVERAGE-BANDWIDTH=2150000")) == []
    assert found(listed(",AVERAGE-BANDWIDTH=2100000", "")) == []  # another rule misses it


def test_a_peak_is_at_most_twice_the_average() -> None:
    shown = replace(MEASURED["v360"].presentation, peak=1_700_000)
    assert found(measured=other("v360", presentation=shown)) == [("note", "peaks")]
    assert found(measured=other("v360", presentation=replace(shown, peak=1_600_000))) == []


def test_a_lone_picture_is_no_ladder() -> None:
    alone = {"v540": replace(picture(960, 540, 500_000, 50)), "en.m3u8": sound(2), "de.m3u8": sound(2)}
    assert found(measured=alone) == []


def test_a_picture_listed_with_two_groups_is_judged_once() -> None:
    twice = LADDER + LADDER[LADDER.index("#EXT-X-STREAM-INF") :].replace('AUDIO="a"', 'AUDIO="b"') + SECOND_GROUP
    assert found(twice) == []
    assert found(twice, other("v360", shown=((480, 360),))) == [("error", "aspect-ratio")]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (LADDER + SECOND_GROUP, []),
        (LADDER + SECOND_GROUP.replace('NAME="Deutsch"', 'NAME="German"'), ["same-members"]),
        (LADDER + SECOND_GROUP.replace('LANGUAGE="de"', 'LANGUAGE="fr"'), ["same-members"]),
        (LADDER + SECOND_GROUP.replace("DEFAULT=YES,", ""), ["same-members"]),
        (LADDER + SECOND_GROUP.splitlines()[0] + "\n", ["same-members"]),
        (LADDER + SECOND_GROUP.replace("TYPE=AUDIO", "TYPE=SUBTITLES"), []),
        (SURROUND, ["channels", "channels", "stereo"]),
        (SURROUND.replace('CHANNELS="6"', 'CHANNELS="2"', 1), ["channels"]),
        (LADDER.replace(',CHANNELS="2"', ""), []),
        (LADDER.replace('CHANNELS="2"', 'CHANNELS="two"'), ["channels", "channels"]),
        (LADDER.replace('CHANNELS="2"', 'CHANNELS="16/JOC"', 1), []),
    ],
)
def test_groups_of_sounds_are_compared(text: str, rules: list[str]) -> None:
    assert found(text) == [("error", rule) for rule in rules]


def test_surround_without_stereo_is_found_where_it_is_surround() -> None:
    assert found(SURROUND, {**MEASURED, "en.m3u8": sound(6), "de.m3u8": sound(6)}) == [("error", "stereo")]
    assert (
        found(SURROUND + SECOND_GROUP.replace('"6"', '"2"'), {**MEASURED, "en.m3u8": sound(6), "de.m3u8": sound(6)})
        == []
    )
