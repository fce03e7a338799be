"""The library of one process: its catalogue, kept in step with Redis, and now and then with the store.

A process that changes something says so over Redis, and every process takes it in at once. The store itself says
nothing: it is listed every LIBRARY_SECONDS, by one process for all, and only while clients look at the library.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import redis
import redis.asyncio
from redis.exceptions import LockError

from mam import stored
from mam.background import FAILURES, ended, supervised
from mam.errors import Failure, MamError
from mam.events import channel
from mam.library.catalogue import Place
from mam.library.lua import CHANNEL
from mam.library.snapshot import Change, Rows
from mam.library.status import AssetStatus
from mam.library.sync_work import Lock, LockLost, SyncWork
from mam.library.videos import Listed, is_video, mark
from mam.naming import Asset

WATCHED = "mam:library:watched"  # exists while clients look at the library
WATCHED_SECONDS = 300  # after the last look
SAID_SECONDS = 30  # between two times that a process says so
TICK_SECONDS = 2.0  # between looks at what Redis has
FRESH_SECONDS = 0.05  # that a request waits for a listing that was asked for too long ago
LOADED_SECONDS = 2.0  # that it waits after a start
RETRY_SECONDS = 5.0  # after a listing or a walk that failed
RECONNECT_SECONDS = 0.5
LISTER, LOOKER = "mam:library:lister", "mam:library:looker"  # locks: of who lists, of who looks through the VoD bucket

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said over Redis: some of it at a time. `known`: records by their fields, False where there is none."""

    known: dict[str, dict[str, Any] | Literal[False]] = field(default_factory=dict)
    change: Rows | None = None
    listing: bool = False
    complete: bool = False


class LibrarySync:
    """One per process. Its tasks run between `start` and `stop`."""

    def __init__(self, keeping: SyncWork, client: redis.asyncio.Redis, *, seconds: float) -> None:
        self.keeping = keeping
        self._client = client
        self._seconds = seconds
        self._loaded = asyncio.Event()
        self._told = asyncio.Event()
        self._tick = asyncio.Event()
        self._listed = asyncio.Event()  # replaced whenever it is set
        self._records: dict[Place, AssetStatus | None] = {}  # told, and not taken in yet
        self._changes: list[Change] = []
        self._stale = {"known", "listing"}  # what is to be read from Redis
        self._said = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        self._jobs: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        loops = {"listening": self._listen, "taking in": self._take_in, "watching": self._watch}
        self._tasks = [supervised(f"library: {name}", loop) for name, loop in loops.items()]

    async def stop(self) -> None:
        self.keeping.stop()
        for task in (*self._tasks, *self._jobs.values()):
            await ended(task)

    async def looked_at(self) -> None:
        """A client looks: from now on the listing is kept fresh. Returns when there is something to show, or no hope
        that there will be in a moment."""
        now = time.monotonic()
        if now - self._said >= SAID_SECONDS:
            self._said = now
            with suppress(redis.RedisError, OSError):
                await self._client.set(WATCHED, b"1", ex=WATCHED_SECONDS)
            self._tick.set()
        if not self._loaded.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._loaded.wait(), LOADED_SECONDS)
        if time.time() - (self.keeping.listed_at or 0) > 2 * self._seconds:
            self._tick.set()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._listed.wait(), FRESH_SECONDS)

    async def added(self, asset: Asset, size: int, version: str, modified: float) -> None:
        """Shows a new object at once, here and in every process; what is no video is left out.

        `version`: its ETag. `modified`: Unix seconds.
        """
        if is_video(asset.key):
            one = Listed(asset.bucket, asset.key, size, int(modified), mark(version))
            await asyncio.to_thread(self.keeping.change, Change([one], []))

    async def judged(self, asset: Asset, version: str, failure: Failure) -> None:
        """Shows that nothing can be made of this version of an object, and why."""
        await asyncio.to_thread(self.keeping.known.judged, asset, version, failure)

    async def removed(self, asset: Asset) -> None:
        """Shows an object no more."""
        await asyncio.to_thread(self.keeping.change, Change([], [(asset.bucket, asset.key)]))

    # what others say

    async def _listen(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as subscription:
                    await subscription.subscribe(channel(self._client, CHANNEL))
                    async for message in subscription.listen():
                        if message["type"] == "subscribe":
                            self._stale |= {"known", "listing"}  # what was published while this process did not listen
                        elif message["type"] == "message":
                            self._hear(message["data"])
                        self._told.set()
            except (redis.RedisError, OSError):
                self._loaded.set()  # there is nothing to wait for
                await asyncio.sleep(RECONNECT_SECONDS)

    def _hear(self, data: bytes) -> None:
        told = stored.read(_Told, data)
        if told is None:  # whatever it means, it is in Redis too
            self._stale |= {"known", "listing"}
            return
        for name, found in told.known.items():
            bucket, _, key = name.partition("/")
            self._records[bucket, key] = AssetStatus.parse(json.dumps(found)) if found else None
        if told.change is not None:
            self._changes.append(Change.of(told.change))
        if told.listing:
            self._stale.add("listing")
        if told.complete:
            self.keeping.complete = True

    async def _take_in(self) -> None:
        """Brings the catalogue up to date with what was told, in a thread."""
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                await self._catch_up()
            except (redis.RedisError, OSError) as error:
                log.warning("library not read", extra={"error": type(error).__name__})
                await self._once_more()
            except Exception:
                await self._once_more()
                raise
            finally:
                self._loaded.set()

    async def _once_more(self) -> None:
        """What was told is lost: all is to be read again, soon."""
        self._stale |= {"known", "listing"}
        self._told.set()
        await asyncio.sleep(RECONNECT_SECONDS)

    async def _catch_up(self) -> None:
        stale, self._stale = self._stale, set()
        if "known" in stale:
            await asyncio.to_thread(self.keeping.load_known)
        if "listing" in stale and await asyncio.to_thread(self.keeping.catch_up):
            self._listed.set()
            self._listed = asyncio.Event()
        records, self._records = self._records, {}
        changes, self._changes = self._changes, []
        if records or changes:
            await asyncio.to_thread(self.keeping.take_in, records, changes)
        if stale:
            self._loaded.set()  # requests need not wait for what follows
            await asyncio.to_thread(self.keeping.catalogue.prepare)
            gc.freeze()  # a hundred thousand objects are not to be looked through again and again for cycles: 0.4 s

    # what is to be done

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except (redis.RedisError, OSError) as error:
                log.debug("library not looked after", extra={"error": type(error).__name__})
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._tick.wait(), TICK_SECONDS)
            self._tick.clear()

    async def _look(self) -> None:
        """Compares what is here with what Redis has, and begins what no process does."""
        status = await asyncio.to_thread(self.keeping.status, WATCHED)
        if status.complete != self.keeping.complete:
            self._stale.add("known")
        if status.position != self.keeping.position:
            self._stale.add("listing")
        if self._stale:
            self._told.set()
        here = time.monotonic() - self._said < WATCHED_SECONDS  # though Redis was wiped since
        if not (status.watched or here):
            return
        if status.listed_at is None or time.time() - status.listed_at >= self._seconds:
            self._begin(LISTER, self._list)
        if not status.complete:
            self._begin(LOOKER, self._find)

    def _begin(self, name: str, work: Callable[[Lock], Awaitable[None]]) -> None:
        if name not in self._jobs:
            self._jobs[name] = asyncio.create_task(self._alone(name, work), name=name)
            self._jobs[name].add_done_callback(lambda _: self._jobs.pop(name, None))

    async def _alone(self, name: str, work: Callable[[Lock], Awaitable[None]]) -> None:
        """Does it unless another process does."""
        lock = Lock(self.keeping.client, name)
        try:
            if not await asyncio.to_thread(lock.acquire):
                return
            try:
                await work(lock)
            finally:
                with suppress(LockError):  # another process has it by now
                    await asyncio.to_thread(lock.release)
        except LockLost:
            log.info("left to another process", extra={"work": name})
        except (MamError, redis.RedisError, OSError) as error:
            log.warning("library not brought up to date", extra={"work": name, "error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - the next look begins it again
            FAILURES.failed(name, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _list(self, lock: Lock) -> None:
        await asyncio.to_thread(self.keeping.list, lock)
        self._tick.set()

    async def _find(self, lock: Lock) -> None:
        await asyncio.to_thread(self.keeping.find, lock)
