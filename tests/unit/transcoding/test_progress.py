"""How far a job is, part by part."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.jobs.job import RunningTask
from mam.transcoding.progress import Layout, chunk_number, ranges, view
from tests.unit.hls.plans import every, plan_of

PLAN = plan_of(every(6, 120))  # copied: an opening of three segments, then fifty a chunk
LAYOUT = Layout.of(PLAN)


def running(*names: str) -> list[RunningTask]:
    return [RunningTask(name, f"host:{number}", 0.0, 1) for number, name in enumerate(names)]


def test_the_parts_are_those_of_the_plan_and_end_where_the_next_begins() -> None:
    shown = view(LAYOUT, [False] * 120, [])
    assert (shown.segments, shown.duration, shown.made) == (120, 720.0, [])
    assert [(chunk.first, chunk.last) for chunk in shown.chunks] == [(0, 3), (3, 53), (53, 103), (103, 120)]
    assert [(chunk.start, chunk.end) for chunk in shown.chunks][:2] == [(0.0, 18.0), (18.0, 318.0)]
    assert {chunk.state for chunk in shown.chunks} == {"waiting"}


def test_a_part_is_made_running_or_waiting() -> None:
    made = [number < 10 for number in range(120)]
    shown = view(LAYOUT, made, running("make:1", "make:0", "commit"))
    assert [chunk.state for chunk in shown.chunks] == ["made", "running", "waiting", "waiting"]
    assert [chunk.made for chunk in shown.chunks] == [3, 7, 0, 0]
    assert [chunk.worker for chunk in shown.chunks] == [None, "host:0", None, None]


@pytest.mark.parametrize(
    ("task", "chunk"),
    [
        ("plan", 0), ("make:0", 0), ("make:3", 3), ("make:4", None), ("seek:0", 0), ("seek:2", 0), ("seek:3", 1),
        ("seek:119", 3), ("seek:120", None), ("ahead:52", 1), ("ahead:53", 2), ("commit", None), ("discard", None),
        ("make:", None), ("make:x", None), ("posters:1", None),
    ],
)  # fmt: skip
def test_a_tasks_name_tells_which_part_it_is_at(task: str, chunk: int | None) -> None:
    assert chunk_number(LAYOUT, task) == chunk


@given(st.lists(st.booleans(), max_size=80))
def test_ranges_hold_what_is_made_and_nothing_else(made: list[bool]) -> None:
    times = [2.0 * number for number in range(len(made) + 1)]
    found = ranges(times, made)
    assert made == [any(start <= time < stop for start, stop in found) for time in times[:-1]]
    assert all(a[1] < b[0] for a, b in pairwise(found))
