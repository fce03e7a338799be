"""Storyboards: every moment has one tile, every tile lies within its sheet, and WebVTT says so."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mam.hls import storyboard, webvtt
from mam.hls.storyboard import COLUMNS, ROWS, board

DURATIONS = st.fractions(min_value=Fraction(1, 100), max_value=24 * 3600, max_denominator=90_000)
SIDES = st.integers(1, 80).map(lambda half: 2 * half)
PAYLOAD = re.compile(r"storyboard-(\d{2,})\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)")


@given(DURATIONS, SIDES, SIDES)
def test_every_moment_has_exactly_one_tile(duration: Fraction, width: int, height: int) -> None:
    made = board(duration, width, height)
    starts = [made.start(number) for number in range(len(made) + 1)]
    assert starts[0] == 0
    assert starts[-1] == duration
    assert all(0 < b - a <= made.step for a, b in pairwise(starts))


@given(DURATIONS, SIDES, SIDES)
def test_every_tile_lies_within_its_sheet_and_on_no_other_tile(duration: Fraction, width: int, height: int) -> None:
    made = board(duration, width, height)
    tiles = [made.tile(number) for number in range(len(made))]
    assert len(set(tiles)) == len(tiles)
    assert {tile.sheet for tile in tiles} == set(range(made.sheets))
    for tile in tiles:
        across, down = made.size(tile.sheet)
        assert tile.x % width == tile.y % height == 0
        assert tile.x + width <= across <= COLUMNS * width
        assert tile.y + height <= down <= ROWS * height


def test_a_short_film_has_a_tile_every_two_seconds_and_a_long_one_every_ten() -> None:
    steps = [board(Fraction(seconds), 160, 90).step for seconds in (1, 60, 200, 201, 600, 1000, 7200)]
    assert steps == [2, 2, 2, 3, 6, 10, 10]


def test_the_last_sheet_ends_with_its_last_tile() -> None:
    made = board(Fraction(1130), 160, 90)
    assert (len(made), made.sheets) == (113, 2)
    assert made.size(0) == (1600, 900)
    assert made.size(1) == (1600, 180)
    assert board(Fraction(5), 160, 90).size(0) == (480, 90)


@given(DURATIONS)
def test_the_webvtt_is_read_again_as_it_was_meant(duration: Fraction) -> None:
    made = board(duration, 160, 90)
    found = list(webvtt.parse(made.to_webvtt().encode()))
    assert len(found) == len(made)
    assert all(a.end == b.start for a, b in pairwise(found))
    for number, cue in enumerate(found):
        tile, payload = made.tile(number), PAYLOAD.fullmatch(cue.text)
        assert payload
        assert [int(part) for part in payload.groups()] == [tile.sheet, tile.x, tile.y, 160, 90]
    assert abs(storyboard.duration_of(made.to_webvtt()) - duration) <= Fraction(1, 500)


def test_the_text_of_a_storyboard() -> None:
    assert board(Fraction(5, 2), 160, 90).to_webvtt() == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\nstoryboard-00.jpg#xywh=0,0,160,90\n\n"
        "00:00:02.000 --> 00:00:02.500\nstoryboard-00.jpg#xywh=160,0,160,90\n"
    )


def test_sheets_get_other_names_and_nothing_else_changes() -> None:
    text = board(Fraction(1130), 160, 90).to_webvtt()
    signed = storyboard.with_urls(text, lambda name: f"https://store/{name}?signature")
    assert signed.count("https://store/storyboard-00.jpg?signature#xywh=") == 100
    assert signed.count("https://store/storyboard-01.jpg?signature#xywh=") == 13
    assert signed.replace("https://store/", "").replace("?signature", "") == text


def test_a_text_without_cues_lasts_no_time() -> None:
    assert storyboard.duration_of("WEBVTT\n") == 0
