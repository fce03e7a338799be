"""Background loops: each runs for as long as its service, whatever errors it meets.

A loop that fails is logged with its traceback, counted and started again a second later; `/readyz` names it meanwhile.
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
WELL_SECONDS = 30.0  # A loop counts as well again once it has run for so long after a failure.
CANCEL_SECONDS = 1.0  # This is the time between two attempts to cancel a task.

log = logging.getLogger(__name__)


class Failures:
    """How often each loop of this process has failed, and its last error. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._last: dict[str, tuple[float, str]] = {}

    def register(self, name: str) -> None:
        with self._lock:
            self._counts.setdefault(name, 0)

    def failed(self, name: str, error: BaseException) -> None:
        log.error("background task failed", extra={"task": name}, exc_info=error)
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
            self._last[name] = (time.monotonic(), type(error).__name__)

    def counts(self) -> dict[str, int]:
        """Failures by the loop's name; 0 for a loop that has never failed."""
        with self._lock:
            return dict(self._counts)

    def lately(self) -> dict[str, str]:
        """The loops that failed within WELL_SECONDS, with the kind of error."""
        with self._lock:
            since = time.monotonic() - WELL_SECONDS
            return {name: kind for name, (moment, kind) in self._last.items() if moment > since}


# One object for the process: loops start in many places, and /readyz asks about all of them.
FAILURES = Failures()


def supervised(name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Starts `loop` as a task, and again whenever it fails. The task ends when `loop` returns, or through `ended`."""
    FAILURES.register(name)
    return asyncio.create_task(_supervise(name, loop), name=name)


async def _supervise(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await loop()
        except Exception as error:  # noqa: BLE001 - the loop goes on after any error
            FAILURES.failed(name, error)
            await asyncio.sleep(RESTART_SECONDS)


def supervised_thread(name: str, loop: Callable[[], None]) -> threading.Thread:
    """Like `supervised`, as a daemon thread that is not started yet."""

    def supervise() -> None:
        while True:
            try:
                return loop()
            except Exception as error:  # noqa: BLE001 - as above
                FAILURES.failed(name, error)
                time.sleep(RESTART_SECONDS)

    FAILURES.register(name)
    return threading.Thread(target=supervise, name=name, daemon=True)


class Periodic(ABC):
    """A supervised loop that calls `take_turn` every so many seconds, for as long as its service runs."""

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
    """Tasks that no caller waits for, and that end by themselves. Failures are logged and counted."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()
        FAILURES.register(name)

    def send(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(errand, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self, *, cancel: bool = True) -> None:
        """Cancels the tasks, or with `cancel=False` waits until they have ended."""
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
    """Calls a callback. Its failure is logged and counted under `name`, and does not reach the calling loop."""
    try:
        callback(*arguments)
    except Exception as error:  # noqa: BLE001 - as above
        FAILURES.failed(name, error)


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels a task, and returns once it has ended.

    It cancels again and again: a cancellation that arrives just as a read of Redis ends is lost, and the loop goes on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_SECONDS)
    with suppress(asyncio.CancelledError):
        task.exception()  # This marks the error as retrieved.
