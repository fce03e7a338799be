"""Single flight: what several callers want at once is done once, and given to all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """Runs one task per key at a time. A caller that goes away does not stop what others wait for."""

    def __init__(self) -> None:
        self._flying: dict[Hashable, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._flying

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, or of the one that is under way for the same key."""
        task = self._flying.get(key)
        if task is None:
            task = asyncio.ensure_future(work())
            self._flying[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        result: T = await asyncio.shield(task)
        return result

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._flying[key]
        if not task.cancelled():
            task.exception()  # seen, even when everyone who waited has gone
