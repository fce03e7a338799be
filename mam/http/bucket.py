"""The VoD bucket at a service's start: made when it is missing, also when the store only comes later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from mam.errors import Unavailable

FIRST_SECONDS = 2  # that a service's start waits: probes of a container count from it
RETRY_SECONDS = 2

log = logging.getLogger(__name__)


@asynccontextmanager
async def made(ensure: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `ensure` until it has worked. The block begins once it has, or soon: a store that is away, or says nothing,
    keeps no service from answering.
    """
    task = asyncio.create_task(_keep_trying(ensure), name="vod-bucket")
    done, _ = await asyncio.wait([task], timeout=FIRST_SECONDS)
    for ended in done:
        ended.result()  # raises what no waiting will mend
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_trying(ensure: Callable[[], None]) -> None:
    while not await _tried(ensure):
        await asyncio.sleep(RETRY_SECONDS)


async def _tried(ensure: Callable[[], None]) -> bool:
    try:
        await asyncio.to_thread(ensure)
    except Unavailable as error:
        log.warning("the VoD bucket is out of reach", extra={"detail": error.detail})
        return False
    return True
