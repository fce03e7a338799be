"""Loops beside the requests: each runs for as long as its service, whatever happens to it.

One that fails is logged with its traceback, counted, begun again a second later, and named by `/readyz` meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

RESTART_SECONDS = 1.0
WELL_SECONDS = 30.0  # a loop that has run for so long since it failed is well again
CANCEL_SECONDS = 1.0  # between two attempts to cancel a task

log = logging.getLogger(__name__)


class Failures:
    """How often each loop of this process has failed, and what it failed with last. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._last: dict[str, tuple[float, str]] = {}

    def begun(self, name: str) -> None:
        with self._lock:
            self._counts.setdefault(name, 0)

    def failed(self, name: str, error: BaseException) -> None:
        log.error("background task failed", extra={"task": name}, exc_info=error)
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
            self._last[name] = (time.monotonic(), type(error).__name__)

    def counts(self) -> dict[str, int]:
        """By the loop's name; 0 for one that has never failed."""
        with self._lock:
            return dict(self._counts)

    def lately(self) -> dict[str, str]:
        """The loops that failed a moment ago, with the kind of error."""
        with self._lock:
            since = time.monotonic() - WELL_SECONDS
            return {name: kind for name, (moment, kind) in self._last.items() if moment > since}


FAILURES = Failures()  # of this process: loops are begun in many places, and asked about in one


def supervised(name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Begins `loop` as a task, and begins it again whenever it fails. It is over when `loop` returns, or by `ended`."""
    FAILURES.begun(name)
    return asyncio.create_task(_supervise(name, loop), name=name)


async def _supervise(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await loop()
        except Exception as error:  # noqa: BLE001 - whatever it was, the loop goes on
            FAILURES.failed(name, error)
            await asyncio.sleep(RESTART_SECONDS)


def supervised_thread(name: str, loop: Callable[[], None]) -> threading.Thread:
    """The same as a daemon thread, not started yet."""

    def supervise() -> None:
        while True:
            try:
                return loop()
            except Exception as error:  # noqa: BLE001 - as above
                FAILURES.failed(name, error)
                time.sleep(RESTART_SECONDS)

    FAILURES.begun(name)
    return threading.Thread(target=supervise, name=name, daemon=True)


class Periodic(ABC):
    """Takes a turn every so many seconds, for as long as its service runs; supervised, as every loop."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def take_turn(self) -> None: ...

    async def start(self) -> None:
        self._task = supervised(self._name, self._repeat)

    async def stop(self) -> None:
        if self._task:
            await ended(self._task)

    async def _repeat(self) -> None:
        while True:
            await self.take_turn()
            await asyncio.sleep(self._seconds)


class Errands:
    """Tasks without a caller that waits, each of which ends by itself. What fails is logged and counted."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()
        FAILURES.begun(name)

    def send(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(errand, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self, *, cancel: bool = True) -> None:
        """Ends them, or with `cancel=False` lets them end."""
        tasks = list(self._tasks)
        for task in tasks:
            if cancel:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            FAILURES.failed(self._name, error)


def guarded(name: str, callback: Callable[..., object], *arguments: Any) -> None:
    """Calls a callback: its failure is its own, logged and counted, and not that of the loop that calls it."""
    try:
        callback(*arguments)
    except Exception as error:  # noqa: BLE001 - as above
        FAILURES.failed(name, error)


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels a task, and returns once it has ended.

    Again and again: a cancellation that arrives just as a read of Redis ends is lost in it, and its loop goes on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_SECONDS)
    with suppress(asyncio.CancelledError):
        task.exception()  # seen
