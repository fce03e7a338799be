"""Single flight: one run for all who want the same, and none of them can spoil it for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from mam.singleflight import SingleFlight


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))


class Work:
    """Work that begins when it is called and ends when it is told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.runs += 1
        self.begun.set()
        await self.may_end.wait()
        if self.error:
            raise self.error
        return self.runs


def callers(
    flight: SingleFlight, work: Callable[[], Awaitable[int]], number: int, key: object = "k"
) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(flight.run(key, work)) for _ in range(number)]


def test_a_thousand_callers_share_one_run() -> None:
    async def test() -> None:
        flight, work = SingleFlight(), Work()
        waiting = callers(flight, work, 1000)
        await work.begun.wait()
        work.may_end.set()
        assert await asyncio.gather(*waiting) == [1] * 1000
        assert work.runs == 1

    run(test)


def test_other_keys_have_runs_of_their_own() -> None:
    async def test() -> None:
        flight, one, other = SingleFlight(), Work(), Work()
        waiting = [*callers(flight, one, 2, "a"), *callers(flight, other, 2, "b")]
        await asyncio.gather(one.begun.wait(), other.begun.wait())
        assert len(flight) == 2
        assert "a" in flight
        assert "c" not in flight
        one.may_end.set()
        other.may_end.set()
        await asyncio.gather(*waiting)
        assert (one.runs, other.runs) == (1, 1)

    run(test)


def test_a_caller_that_goes_away_does_not_stop_the_others() -> None:
    async def test() -> None:
        flight, work = SingleFlight(), Work()
        first, second = callers(flight, work, 2)
        await work.begun.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        work.may_end.set()
        assert await second == 1

    run(test)


def test_work_is_finished_when_all_who_wanted_it_have_gone() -> None:
    async def test() -> None:
        flight, work = SingleFlight(), Work()
        (only,) = callers(flight, work, 1)
        await work.begun.wait()
        only.cancel()
        with pytest.raises(asyncio.CancelledError):
            await only
        assert "k" in flight
        (late,) = callers(flight, work, 1)
        work.may_end.set()
        assert await late == 1
        assert work.runs == 1

    run(test)


def test_an_error_is_given_to_all_who_waited() -> None:
    async def test() -> None:
        flight, work = SingleFlight(), Work()
        waiting = callers(flight, work, 3)
        await work.begun.wait()
        work.error = ValueError("broken")
        work.may_end.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [work.error] * 3 == outcomes

    run(test)


def test_an_error_that_nobody_waits_for_any_more_is_quiet() -> None:
    async def test() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        flight, work = SingleFlight(), Work()
        (only,) = callers(flight, work, 1)
        await work.begun.wait()
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        work.error = ValueError("broken")
        work.may_end.set()
        while len(flight):
            await asyncio.sleep(0)
        assert not complaints

    run(test)


@pytest.mark.parametrize("error", [None, ValueError("broken")])
def test_the_next_run_begins_anew_once_one_has_ended(error: Exception | None) -> None:
    async def test() -> None:
        flight, work = SingleFlight(), Work()
        work.error = error
        work.may_end.set()
        await asyncio.gather(*callers(flight, work, 2), return_exceptions=True)
        assert len(flight) == 0
        await asyncio.gather(*callers(flight, work, 2), return_exceptions=True)
        assert work.runs == 2

    run(test)
