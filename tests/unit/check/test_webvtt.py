"""WebVTT segments by hand: headers, maps, and cues where they belong."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mam.check.webvtt import VttFacts, read_vtt, vtt_rules

ORIGIN = Fraction(10)
MAP = "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000"
HEAD = f"WEBVTT\n{MAP}\n\n"
FIRST = "1\n00:01.000 --> 00:02.500 line:90%\nHello\n\nNOTE not a cue --> this\n\n00:00:05.000 --> 00:00:07.000\nOver\n"
SECOND = "00:00:05.000 --> 00:00:07.000\nOver\n\n00:11.000 --> 00:11.500\nBye\n"


def read(text: str, number: int = 0) -> VttFacts:
    return read_vtt(text.encode(), number=number, listed=Fraction(6 * number), duration=Fraction(6))


def broken(*texts: str, origin: Fraction | None = ORIGIN) -> list[str]:
    facts = [read(text, number) for number, text in enumerate(texts)]
    return [finding.rule for finding in vtt_rules(facts, origin, "x")]


def test_right_segments_break_nothing() -> None:
    assert broken(HEAD + FIRST, HEAD + SECOND) == []
    assert broken(HEAD, HEAD) == []
    assert broken(*(("\ufeff" + HEAD + each).replace("\n", "\r\n") for each in (FIRST, SECOND))) == []


def test_cues_are_read_on_the_timeline_of_the_media() -> None:
    first, over = read(HEAD + FIRST).cues
    assert (first.start, first.end, first.text) == (Fraction(11), Fraction("12.5"), "Hello")
    assert (over.start, over.end) == (Fraction(15), Fraction(17))


def test_the_map_may_name_its_parts_in_any_order_and_any_local_time() -> None:
    swapped = HEAD.replace(MAP, "X-TIMESTAMP-MAP=MPEGTS:1080000,LOCAL:00:00:02.000")
    assert read(swapped).offset == 10
    assert broken(swapped + FIRST, swapped + SECOND) == []


@pytest.mark.parametrize(
    ("first", "second", "rules"),
    [
        (FIRST, HEAD + SECOND, ["vtt-header", "vtt-map"]),
        ("WEBVTTX\n", HEAD + SECOND, ["vtt-header", "vtt-map"]),
        ("WEBVTT\n\n" + FIRST, HEAD + SECOND, ["vtt-map"]),
        (HEAD.replace("900000", "0") + FIRST, HEAD, ["vtt-map"]),
        (HEAD + FIRST + "\n00:20.000 --> 00:21.000\nLost\n", HEAD + SECOND, ["vtt-cue"]),
        (HEAD + FIRST + "\n00:04.000 --> 00:03.000\nBack\n", HEAD + SECOND, ["vtt-cue"]),
        (HEAD + FIRST + "\n00:4 --> 00:5\nShort\n", HEAD + SECOND, ["vtt-cue"]),
        (HEAD + FIRST, HEAD, ["vtt-cue"]),  # "Over" is not over there
    ],
)
def test_each_rule_speaks_up(first: str, second: str, rules: list[str]) -> None:
    assert broken(first, second) == rules


def test_without_media_nothing_is_said_of_places() -> None:
    assert broken(HEAD.replace("900000", "0") + FIRST, HEAD, origin=None) == []
