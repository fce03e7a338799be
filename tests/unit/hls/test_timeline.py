"""Timelines: boundaries lie where they were wished for or at the next possible point, and durations never drift."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mam.hls.timeline import MICROSECONDS, Timeline, cut_at, grid

TIMESCALES = st.sampled_from((1, 600, 1000, 12800, 24000, 30000, 44100, 48000, 90000, 1_000_003))
RISING = st.lists(st.integers(1, 500_000), min_size=1, max_size=80).map(lambda steps: list(accumulate(steps)))
Cut = tuple[Timeline, list[int], Fraction, Fraction, int, tuple[int, ...]]
LEADS = st.lists(st.integers(1, 5), max_size=4).map(tuple)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    first = draw(st.integers(-1_000_000, 1_000_000))
    return Timeline(timescale=draw(TIMESCALES), boundaries=(first, *(first + n for n in draw(RISING))))


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """A timeline with what it was cut from: points, start, end, target and lead."""
    scale = draw(TIMESCALES)
    start = draw(st.fractions(-5, 20, max_denominator=90_000))
    end = start + draw(st.fractions(Fraction(1, 1000), 120, max_denominator=90_000))
    span = st.integers(int((start - 2) * scale), int((end + 2) * scale))
    points = sorted(draw(st.sets(span, max_size=60)))
    target, lead = draw(st.integers(1, 10)), draw(LEADS)
    timeline = cut_at(points, timescale=scale, start=start, end=end, target=target, lead=lead)
    return timeline, points, start, end, target, lead


def test_boundaries_that_do_not_rise_are_refused() -> None:
    for boundaries in ((0, 0), (5, 4), (0, 2, 2)):
        with pytest.raises(ValidationError):
            Timeline(timescale=1, boundaries=boundaries)


@given(timelines(), st.data())
def test_the_durations_of_any_run_of_segments_sum_to_its_length_within_a_microsecond(
    timeline: Timeline, data: st.DataObject
) -> None:
    durations = list(timeline.durations())
    first = data.draw(st.integers(0, len(timeline) - 1))
    last = data.draw(st.integers(first + 1, len(timeline)))
    exact = (timeline.time(last) - timeline.time(first)) * MICROSECONDS
    assert abs(sum(durations[first:last]) - exact) <= 1


@given(timelines())
def test_all_durations_together_are_the_duration_to_the_nearest_microsecond(timeline: Timeline) -> None:
    assert len(timeline) == len(list(timeline.durations()))
    assert abs(sum(timeline.durations()) - timeline.duration * MICROSECONDS) <= Fraction(1, 2)
    assert timeline.end - timeline.start == timeline.duration


@given(cuts())
def test_boundaries_rise_from_start_to_end_rounded_outwards_to_ticks(
    cut: Cut,
) -> None:
    timeline, _, start, end, _, _ = cut
    tick = Fraction(1, timeline.timescale)
    assert all(a < b for a, b in pairwise(timeline.boundaries))
    assert start - tick < timeline.start <= start
    assert end <= timeline.end < end + tick or timeline.boundaries[1] - timeline.boundaries[0] == 1


@given(cuts())
def test_every_inner_boundary_is_the_first_point_at_or_after_a_wish(
    cut: Cut,
) -> None:
    timeline, points, start, end, target, lead = cut
    scale = timeline.timescale
    wanted = []
    for wish in (start + seconds for seconds in grid(end - start, target=target, lead=lead)):
        at_or_after = [point for point in points[1:] if Fraction(point, scale) >= wish]
        if at_or_after and timeline.boundaries[0] < at_or_after[0] < timeline.boundaries[-1]:
            wanted.append(at_or_after[0])
    assert sorted(set(wanted)) == list(timeline.boundaries[1:-1])


@given(cuts())
def test_where_a_point_lies_in_every_second_no_segment_is_longer_than_its_wish_and_a_second(
    cut: Cut,
) -> None:
    timeline, _, start, end, target, lead = cut
    scale = timeline.timescale
    seconds = range(int(start * scale) - scale, int(end * scale) + scale, max(1, scale // 2))
    dense = cut_at(seconds, timescale=scale, start=start, end=end, target=target, lead=lead)
    longest = max((*lead, target)) + 1 + Fraction(2, scale)
    assert all(dense.time(n + 1) - dense.time(n) <= longest for n in range(len(dense)))


@given(st.fractions(-5, 5), st.integers(1, 100), st.integers(1, 9), LEADS)
def test_the_grid_begins_with_the_lead_and_goes_on_with_the_target(
    start: Fraction, length: int, target: int, lead: tuple[int, ...]
) -> None:
    wishes = [start + seconds for seconds in grid(length, target=target, lead=lead)]
    steps = [b - a for a, b in pairwise((start, *wishes))]
    assert [*lead, *[target] * len(steps)][: len(steps)] == steps
    assert all(start < wish < start + length for wish in wishes)


def cut(points: list[int], *, end: int, target: int = 6, lead: tuple[int, ...] = (), start: int = 0) -> tuple[int, ...]:
    return cut_at(points, timescale=10, start=Fraction(start), end=Fraction(end), target=target, lead=lead).boundaries


def test_key_frames_on_the_grid_cut_on_the_grid() -> None:
    assert cut([0, 60, 120], end=18) == (0, 60, 120, 180)


def test_key_frames_off_the_grid_cut_at_the_next_one_and_the_grid_stays() -> None:
    assert cut([0, 55, 70, 110, 125, 175], end=20) == (0, 70, 125, 200)


def test_a_gap_of_several_wishes_makes_one_long_segment() -> None:
    assert cut([0, 190, 240], end=25) == (0, 190, 240, 250)


def test_without_points_there_is_one_segment() -> None:
    assert cut([], end=20) == (0, 200)


def test_one_point_opens_the_first_segment_and_cuts_nothing() -> None:
    assert cut([70], end=20) == (0, 200)


def test_points_before_the_start_cut_nothing() -> None:
    assert cut([0, 10, 20], start=10, end=20) == (100, 200)


def test_a_point_at_the_end_cuts_nothing() -> None:
    assert cut([0, 60], end=6) == (0, 60)


def test_a_short_tail_is_a_segment_of_its_own() -> None:
    assert cut([0, 60], end=7) == (0, 60, 70)


def test_the_lead_comes_first() -> None:
    assert cut(list(range(0, 200, 10)), end=20, lead=(2, 2, 4)) == (0, 20, 40, 80, 140, 200)


def test_less_than_a_tick_is_a_tick() -> None:
    assert Timeline(timescale=1, boundaries=(0, 1)) == cut_at(
        [0], timescale=1, start=Fraction(1, 4), end=Fraction(1, 2), target=6
    )
