"""The VoD bucket at a service's start: created when it is missing, later too when the store is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from mam.background import ended, supervised
from mam.errors import Unavailable

FIRST_SECONDS = 2  # A service's start waits this long: probes of a container count from its start.
RETRY_SECONDS = 2  # A failed attempt is repeated after this time.

log = logging.getLogger(__name__)


@asynccontextmanager
async def ensured(ensure: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `ensure` until it succeeds. The block begins then, or after FIRST_SECONDS: a store that is away or silent
    must not keep the service from answering.
    """
    first = asyncio.create_task(_tried(ensure), name="vod-bucket")
    await asyncio.wait([first], timeout=FIRST_SECONDS)
    exists = first.done() and first.result()  # raises permanent errors
    task = None if exists else supervised("VoD bucket", partial(_keep_trying, first, ensure))
    try:
        yield
    finally:
        if task:
            await ended(task)


async def _keep_trying(first: asyncio.Task[bool], ensure: Callable[[], None]) -> None:
    exists = not first.done() and await first
    while not exists:
        await asyncio.sleep(RETRY_SECONDS)
        exists = await _tried(ensure)


async def _tried(ensure: Callable[[], None]) -> bool:
    try:
        await asyncio.to_thread(ensure)
    except Unavailable as error:
        log.warning("the VoD bucket is out of reach", extra={"detail": error.detail})
        return False
    return True
