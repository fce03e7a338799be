"""When a dependency is asked, and when it is left alone."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mam.breaker import OPEN_SECONDS, Breaker, Contact


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock=clock)
    breaker.unanswered(clock.now)
    return breaker, clock


def test_until_something_is_unanswered_all_may_ask() -> None:
    breaker = Breaker()
    assert all(breaker.admits(object()) for _ in range(100))


def test_one_lost_call_among_answered_ones_is_no_outage() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    began, clock.now = clock.now, clock.now + 1
    breaker.answered()
    breaker.unanswered(began)
    assert not breaker.is_open
    breaker.unanswered(clock.now + 1)
    assert breaker.is_open


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 5)), max_size=60))
def test_while_it_is_silent_one_of_all_askers_is_let_through_in_five_seconds(steps: list[tuple[float, int]]) -> None:
    breaker, clock = opened()
    let_through = [clock.now]
    for seconds, asker in steps:
        clock.now += seconds
        if breaker.admits(f"{asker} {clock.now}"):
            let_through.append(clock.now)
    assert all(after - before >= OPEN_SECONDS for before, after in pairwise(let_through))


@given(st.booleans(), st.floats(0, 100))
def test_it_is_closed_by_an_answer_and_opened_again_by_a_probe_without_one(is_answered: bool, seconds: float) -> None:
    breaker, clock = opened()
    clock.now += OPEN_SECONDS + seconds
    probe = object()
    assert breaker.admits(probe)
    assert breaker.admits(probe), "it may go on: a call is many steps"
    assert not breaker.admits(object())
    began, clock.now = clock.now, clock.now + 1
    if is_answered:
        breaker.answered()
        assert breaker.admits(object())
    else:
        breaker.unanswered(began)
        clock.now += OPEN_SECONDS - 0.1
        assert not breaker.admits(probe)
        clock.now += 0.2
        assert breaker.admits(object())


@given(st.integers(1, 5), st.booleans())
def test_an_answer_to_one_client_ends_the_silence_for_all_clients_of_the_dependency(count: int, is_probe: bool) -> None:
    clock, contact = Clock(), Contact()
    breakers = [Breaker(contact, clock=clock) for _ in range(count + 1)]
    for breaker in breakers:
        breaker.unanswered(clock.now)
    clock.now += 0.1
    assert all(breaker.is_open and not breaker.admits(object()) for breaker in breakers)
    clock.now += OPEN_SECONDS if is_probe else 0
    assert breakers[0].admits(object()) == is_probe
    breakers[0].answered()
    assert all(not breaker.is_open and breaker.admits(object()) for breaker in breakers)
    began = clock.now = clock.now + 1
    breakers[1].unanswered(began)
    assert [breaker.is_open for breaker in breakers].count(True) == 1, "a client of short patience opens its own alone"


@given(st.floats(0, 3), st.floats(0.1, 3))
def test_a_slow_answer_says_nothing_to_a_client_that_does_not_wait_so_long(took: float, patience: float) -> None:
    clock, contact = Clock(), Contact()
    hasty, patient = Breaker(contact, patience=patience, clock=clock), Breaker(contact, clock=clock)
    for breaker in (hasty, patient):
        breaker.unanswered(clock.now)
    clock.now += 0.1
    patient.answered(took)
    assert (hasty.is_open, patient.is_open) == (took > patience, False)
    since, clock.now = clock.now, clock.now + 5
    hasty.unanswered(since - 0.1)
    assert hasty.is_open == (took > patience)
