"""Ranges: every sample is read, nothing is read twice, and only small gaps are read over."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mam.mp4.ranges import ByteRange, coalesce

SAMPLES = st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 5000)), min_size=1, max_size=50)
GAPS = st.integers(0, 20_000)


def ranges(samples: list[tuple[int, int]], max_gap: int) -> list[ByteRange]:
    offset, size = (np.array(column, np.int64) for column in zip(*samples, strict=True))
    return coalesce(offset, size, max_gap=max_gap)


@given(SAMPLES, GAPS)
def test_every_sample_lies_within_one_range(samples: list[tuple[int, int]], max_gap: int) -> None:
    found = ranges(samples, max_gap)
    assert all(any(r.start <= at and at + size <= r.stop for r in found) for at, size in samples)


@given(SAMPLES, GAPS)
def test_ranges_are_in_order_and_further_apart_than_the_largest_gap(
    samples: list[tuple[int, int]], max_gap: int
) -> None:
    found = ranges(samples, max_gap)
    assert all(r.start < r.stop for r in found)
    assert all(after.start - before.stop > max_gap for before, after in pairwise(found))


@given(SAMPLES, GAPS)
def test_no_gap_within_a_range_is_larger_than_the_largest(samples: list[tuple[int, int]], max_gap: int) -> None:
    for r in ranges(samples, max_gap):
        within = sorted(sample for sample in samples if r.start <= sample[0] < r.stop)
        reached = r.start
        for at, size in within:
            assert at - reached <= max_gap
            reached = max(reached, at + size)
        assert r == ByteRange(within[0][0], reached)


def test_nothing_needs_no_range() -> None:
    nothing = np.zeros(0, np.int64)
    assert coalesce(nothing, nothing) == []


def test_a_gap_as_large_as_allowed_is_read_over() -> None:
    assert [ByteRange(0, 30)] == ranges([(0, 10), (20, 10)], 10)
    assert [ByteRange(0, 10), ByteRange(21, 31)] == ranges([(0, 10), (21, 10)], 10)
