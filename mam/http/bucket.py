"""The VoD bucket at a service's start: made when it is missing, also when the store only comes later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from mam.background import ended, supervised
from mam.errors import Unavailable

FIRST_SECONDS = 2  # that a service's start waits: probes of a container count from it
RETRY_SECONDS = 2

log = logging.getLogger(__name__)


@asynccontextmanager
async def made(ensure: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `ensure` until it has worked. The block begins once it has, or soon: a store that is away, or says nothing,
    keeps no service from answering.
    """
    first = asyncio.create_task(_tried(ensure), name="vod-bucket")
    await asyncio.wait([first], timeout=FIRST_SECONDS)
    is_there = first.done() and first.result()  # raises what no waiting will mend
    task = None if is_there else supervised("VoD bucket", partial(_keep_trying, first, ensure))
    try:
        yield
    finally:
        if task:
            await ended(task)


async def _keep_trying(first: asyncio.Task[bool], ensure: Callable[[], None]) -> None:
    is_there = not first.done() and await first
    while not is_there:
        await asyncio.sleep(RETRY_SECONDS)
        is_there = await _tried(ensure)


async def _tried(ensure: Callable[[], None]) -> bool:
    try:
        await asyncio.to_thread(ensure)
    except Unavailable as error:
        log.warning("the VoD bucket is out of reach", extra={"detail": error.detail})
        return False
    return True
