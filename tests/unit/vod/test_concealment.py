"""How long a refusal takes: as long as one of the last answers about what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import NotFound, VideoNotFound
from mam.http import problems
from mam.naming import Asset
from mam.vod.access import no_asset, no_video, refusal
from mam.vod.concealment import CODES, LONGEST_SECONDS, NOTED, Durations

SECONDS = st.floats(0, 10, allow_nan=False)


@given(st.lists(SECONDS, max_size=200), st.booleans())
def test_what_is_drawn_was_noted_lately_and_is_never_long(noted: list[float], again: bool) -> None:
    durations = Durations()
    for seconds in noted:
        durations.note("route", seconds, again=again)
    possible = {min(seconds, LONGEST_SECONDS) for seconds in noted[-NOTED:]} or {0.0}
    assert {durations.drawn("route", again=asked) for asked in (again, not again) for _ in range(20)} <= possible
    assert durations.drawn("another", again=again) == 0


def test_every_noted_time_is_drawn_at_times() -> None:
    durations = Durations()
    for seconds in (0.1, 0.2, 0.3):
        durations.note("route", seconds, again=False)
    assert {durations.drawn("route", again=False) for _ in range(200)} == {0.1, 0.2, 0.3}


def test_what_was_asked_for_lately_has_times_of_its_own() -> None:
    durations = Durations()
    assert [durations.asked(path) for path in (b"/a", b"/b", b"/a", b"/a")] == [False, False, True, True]
    durations.note("route", 0.2, again=False)
    durations.note("route", 0.1, again=True)
    assert (durations.drawn("route", again=False), durations.drawn("route", again=True)) == (0.2, 0.1)


@pytest.mark.parametrize("error", [no_asset(Asset("films", "a.mp4")), no_video("a")])
def test_a_refusal_is_the_error_of_what_is_missing(error: NotFound) -> None:
    body = problems.problem(error).body
    assert not error.is_refusal
    refused = refusal(error)
    assert (refused.is_refusal, refused.code in CODES) == (True, True)
    assert problems.problem(refused).body == body
    assert not VideoNotFound("another").is_refusal
