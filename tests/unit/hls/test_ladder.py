"""The rungs of a ladder: sizes and rates, as arithmetic."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import ladder
from mam.hls.ladder import FittedRung
from mam.naming import rung_name
from mam.rung_table import RUNGS, Rung, read_table

SIDES = st.integers(2, 8192)
RATES = st.floats(1, 120)
BITS = st.floats(1_000, 200e6)
TABLES = st.lists(st.tuples(st.integers(32, 1080), st.integers(50, 20_000)), min_size=1, max_size=8).map(
    lambda rows: [
        Rung(2 * side, 1000 * kilobits)
        for side, kilobits in zip(sorted({s for s, _ in rows}), sorted({k for _, k in rows}), strict=False)
    ]
)


def sides(rungs: list[FittedRung]) -> list[int]:
    return [min(rung.width, rung.height) for rung in rungs]


@given(SIDES, SIDES, RATES, BITS)
def test_a_rung_is_smaller_than_the_picture_in_size_and_in_rate(
    width: int, height: int, frame_rate: float, bits: float
) -> None:
    for rung in ladder.below(width, height, frame_rate, bits):
        assert min(rung.width, rung.height) < min(width, height)
        assert rung.maxrate < 0.8 * bits
        assert rung.width % 2 == rung.height % 2 == 0


@given(SIDES, SIDES, RATES, BITS)
def test_rungs_fall_and_have_names_of_their_own(width: int, height: int, frame_rate: float, bits: float) -> None:
    for rungs in (ladder.below(width, height, frame_rate, bits), ladder.whole(width, height, frame_rate, bits)):
        assert [rung.maxrate for rung in rungs] == sorted({rung.maxrate for rung in rungs}, reverse=True)
        assert len({rung.name for rung in rungs}) == len(rungs)


@given(SIDES, SIDES, RATES, BITS)
def test_a_picture_on_its_side_has_the_same_rungs_on_their_side(
    width: int, height: int, frame_rate: float, bits: float
) -> None:
    lying = ladder.below(width, height, frame_rate, bits)
    standing = ladder.below(height, width, frame_rate, bits)
    if width != height:
        assert [(r.width, r.height) for r in lying] == [(r.height, r.width) for r in standing]
    assert [r.maxrate for r in lying] == [r.maxrate for r in standing]


@given(SIDES, SIDES, RATES, BITS)
def test_a_rung_has_the_shape_of_its_picture(width: int, height: int, frame_rate: float, bits: float) -> None:
    for rung in ladder.below(width, height, frame_rate, bits):
        wanted = max(width, height) * min(rung.width, rung.height) / min(width, height)
        assert abs(max(rung.width, rung.height) - wanted) <= 1


@pytest.mark.parametrize(
    ("size", "bits", "expected"),
    [
        ((1920, 1080), 8e6, [720, 540, 360]),
        ((1080, 1920), 8e6, [720, 540, 360]),
        ((1920, 1080), 4e6, [540, 360]),
        ((1920, 1080), 1e6, []),
        ((3840, 2160), 40e6, [1440, 1080, 720, 540, 360]),
        ((640, 360), 8e6, []),
        ((720, 720), 5e6, [540, 360]),
    ],
)
def test_what_is_worth_a_rung(size: tuple[int, int], bits: float, expected: list[int]) -> None:
    assert sides(ladder.below(*size, 25, bits)) == expected


def test_many_frames_a_second_need_more_bits_but_not_twice_as_many() -> None:
    usual, fast = (ladder.below(1920, 1080, rate, 20e6) for rate in (30, 60))
    for slow_rung, fast_rung in zip(usual, fast, strict=True):
        assert fast_rung.maxrate == slow_rung.maxrate or 1.5 < fast_rung.maxrate / slow_rung.maxrate < 2
        assert (fast_rung.maxrate == slow_rung.maxrate) == (fast_rung.every == 2)


@pytest.mark.parametrize(
    ("frame_rate", "every"),
    [(24, 1), (30, 1), (30.02, 1), (48, 2), (50, 2), (60000 / 1001, 2), (60, 2), (60.0988, 2), (100, 4), (120, 4)],
)
def test_a_rung_of_less_than_2_mbit_has_30_frames_a_second_at_most(frame_rate: float, every: int) -> None:
    for rungs in (ladder.below(1920, 1080, frame_rate, 40e6), ladder.whole(1920, 1080, frame_rate, 40e6)):
        above = 2 if frame_rate > 70 else 1  # no rung has more than 60
        assert {rung.height: rung.every for rung in rungs[-3:]} == {720: above, 540: above, 360: every}


@pytest.mark.parametrize(("maxrate", "every"), [(1_999_999, 2), (2_000_000, 1)])
def test_the_table_says_which_rungs_have_half_of_the_frames(maxrate: int, every: int) -> None:
    """Not the cap of a picture with all frames, which is higher."""
    (rung,) = ladder.below(1280, 720, 60, 40e6, (Rung(360, maxrate),))
    assert (rung.every, rung.maxrate > 2_000_000) == (every, every == 1)


@given(SIDES, SIDES, RATES, BITS, TABLES)
def test_few_bits_mean_few_frames_and_no_rung_has_more_than_the_source(
    width: int, height: int, frame_rate: float, bits: float, table: list[Rung]
) -> None:
    caps = {rung_name(rung.side): rung.maxrate for rung in table}
    for rung in ladder.below(width, height, frame_rate, bits, table):
        assert rung.every >= 1
        most = 30 if caps[rung.name] < 2_000_000 else 60
        assert rung.every == 1 or frame_rate > most
        assert frame_rate / rung.every < 1.03 * most


@given(SIDES, SIDES, RATES, BITS, TABLES)
def test_caps_fall_with_any_table(width: int, height: int, frame_rate: float, bits: float, table: list[Rung]) -> None:
    for rungs in (
        ladder.below(width, height, frame_rate, bits, table),
        ladder.whole(width, height, frame_rate, bits, table),
    ):
        assert [rung.maxrate for rung in rungs] == sorted({rung.maxrate for rung in rungs}, reverse=True)


def test_a_picture_that_is_not_copied_has_a_rung_of_its_own_size() -> None:
    assert sides(ladder.whole(1920, 800, 25, 20e6)) == [800, 720, 540, 360]
    assert sides(ladder.whole(1920, 1080, 25, 20e6)) == [1080, 720, 540, 360]
    assert sides(ladder.whole(100, 80, 25, 20e6)) == [80]


def test_the_first_rung_of_a_player_is_one_that_most_lines_carry() -> None:
    assert ladder.start_of(ladder.whole(1920, 1080, 25, 20e6)).height == 540


@given(st.integers(50_000, 100_000_000))
def test_a_promise_is_more_than_the_cap_and_not_much_more(maxrate: int) -> None:
    promise = ladder.promised(maxrate)
    assert maxrate <= promise.peak <= 1.35 * maxrate
    assert promise.average <= maxrate


def test_an_operator_has_a_table_of_his_own() -> None:
    rows = [{"side": rung.side, "maxrate": rung.maxrate, "crf": rung.crf} for rung in RUNGS]
    assert read_table(json.dumps(rows)) == RUNGS
    assert read_table('[{"side": 240, "maxrate": 400000}]') == (Rung(240, 400_000),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "JSON"),
        ("{}", "array"),
        ("[]", "at least one"),
        ('[{"side": 0, "maxrate": 400000}]', "0.side"),
        ('[{"side": 241, "maxrate": 400000}]', "multiple of 2"),
        ('[{"side": 240}]', "0.maxrate"),
        ('[{"side": 240, "maxrate": 400000, "crf": 99}]', "0.crf"),
        ('[{"side": 240, "maxrate": 400000}, {"side": 240, "maxrate": 500000}]', "240 and 240"),
        ('[{"side": 360, "maxrate": 400000}, {"side": 240, "maxrate": 500000}]', "240 and 360"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_table(text)
