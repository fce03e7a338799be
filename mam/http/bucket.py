"""The VoD bucket at a service's start: made when it is missing, also when the store only comes later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from mam.errors import Unavailable

FIRST_SECONDS = 5  # a name server that is away takes half a minute to give up, for each attempt
RETRY_SECONDS = 2

log = logging.getLogger(__name__)


@asynccontextmanager
async def made(ensure: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `ensure` before the block, and during it until it has worked: a store that is away stops no service.

    A store that does not answer, or whose name nobody resolves, does not hold up the start either.
    """
    first = asyncio.create_task(_tried(ensure))
    await asyncio.wait({first}, timeout=FIRST_SECONDS)
    task = None if first.done() and first.result() else asyncio.create_task(_keep_trying(first, ensure))
    try:
        yield
    finally:
        if task:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _keep_trying(first: asyncio.Task[bool], ensure: Callable[[], None]) -> None:
    there = await first
    while not there:
        await asyncio.sleep(RETRY_SECONDS)
        there = await _tried(ensure)


async def _tried(ensure: Callable[[], None]) -> bool:
    try:
        await asyncio.to_thread(ensure)
    except Unavailable as error:
        log.warning("the VoD bucket is out of reach", extra={"detail": error.detail})
        return False
    return True
