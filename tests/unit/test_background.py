"""Loops beside the requests go on, whatever happens to them; and it is known that something did."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mam import background
from mam.background import FAILURES, Errands, ended, guarded, supervised, supervised_thread


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RESTART_SECONDS", 0.0)


def test_a_loop_that_fails_is_begun_again_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[None] = []

    async def loop() -> None:
        turns.append(None)
        if len(turns) < 4:
            raise KeyError("epoch")

    async def run() -> None:
        await asyncio.wait_for(supervised("a loop", loop), 10)

    asyncio.run(run())
    assert len(turns) == 4
    assert FAILURES.counts()["a loop"] == 3
    assert FAILURES.lately()["a loop"] == "KeyError"
    assert all(record.exc_info for record in caplog.records if record.message == "background task failed")


def test_a_loop_is_known_before_it_fails_and_is_well_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        task = supervised("well", asyncio.Event().wait)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await ended(task)

    asyncio.run(run())
    assert FAILURES.counts()["well"] == 0
    FAILURES.failed("well", ValueError())
    assert "well" in FAILURES.lately()
    monkeypatch.setattr(background, "WELL_SECONDS", -1.0)
    assert "well" not in FAILURES.lately()


def test_a_thread_that_fails_goes_on() -> None:
    turns: list[None] = []
    over = threading.Event()

    def loop() -> None:
        turns.append(None)
        if len(turns) < 3:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "")
        over.set()

    thread = supervised_thread("a thread", loop)
    thread.start()
    assert over.wait(10)
    thread.join(10)
    assert (len(turns), FAILURES.counts()["a thread"]) == (3, 2)


def test_what_an_errand_or_a_callback_fails_with_is_counted_and_nobody_elses() -> None:
    async def fail() -> None:
        raise ValueError

    async def run() -> None:
        errands = Errands("an errand")
        errands.send(fail())
        await errands.stop(cancel=False)
        await asyncio.sleep(0)

    asyncio.run(run())
    guarded("a callback", int, "x")
    assert FAILURES.counts()["an errand"] == FAILURES.counts()["a callback"] == 1
