"""The library of one process: its catalogue, kept in step with Redis, and now and then with the store.

A process publishes its changes over Redis, and every process applies them at once. The store sends no changes: one
process lists it for all every LIBRARY_SECONDS, and only while clients use the library.
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
from mam.library.lock import Lock, LockLost
from mam.library.lua import CHANNEL
from mam.library.snapshot import Change, Rows
from mam.library.status import AssetStatus
from mam.library.sync_work import SyncWork
from mam.library.videos import Listed, is_video, mark
from mam.naming import Asset

WATCHED = "mam:library:watched"  # This key exists while clients use the library.
WATCHED_SECONDS = 300  # The library counts as used this long after the last request.
SAID_SECONDS = 30  # A process renews WATCHED this often.
TICK_SECONDS = 2.0  # A process compares its state with Redis this often.
FRESH_SECONDS = 0.05  # A request waits this long for a new listing when the last one is too old.
LOADED_SECONDS = 2.0  # A request waits this long for the first listing after a start.
RETRY_SECONDS = 5.0  # A failed listing or scan is repeated after this time.
RECONNECT_SECONDS = 0.5  # A lost subscription is renewed after this time.
LISTER, LOOKER = "mam:library:lister", "mam:library:looker"  # The process that lists or scans holds these locks.

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Message:
    """A message over Redis; its parts are optional. `known`: records by their fields, False for a removed one."""

    known: dict[str, dict[str, Any] | Literal[False]] = field(default_factory=dict)
    change: Rows | None = None
    listing: bool = False
    complete: bool = False


class LibrarySync:
    """The library of one process. Its tasks run between `start` and `stop`."""

    def __init__(self, work: SyncWork, client: redis.asyncio.Redis, *, seconds: float) -> None:
        self.work = work
        self._client = client
        self._seconds = seconds
        self._loaded = asyncio.Event()
        self._has_news = asyncio.Event()
        self._tick = asyncio.Event()
        self._listed = asyncio.Event()  # replaced whenever it is set
        self._records: dict[Place, AssetStatus | None] = {}  # received, and not applied yet
        self._changes: list[Change] = []
        self._stale = {"known", "listing"}  # the parts to be read again from Redis
        self._watched_at = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        self._jobs: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        loops = {"listening": self._listen, "taking in": self._apply_news, "watching": self._watch}
        self._tasks = [supervised(f"library: {name}", loop) for name, loop in loops.items()]

    async def stop(self) -> None:
        self.work.stop()
        for task in (*self._tasks, *self._jobs.values()):
            await ended(task)

    async def keep_fresh(self) -> None:
        """Keeps the listing fresh from now on, for a request. Returns when there is a listing, or when there will be
        none within a moment."""
        now = time.monotonic()
        if now - self._watched_at >= SAID_SECONDS:
            self._watched_at = now
            with suppress(redis.RedisError, OSError):
                await self._client.set(WATCHED, b"1", ex=WATCHED_SECONDS)
            self._tick.set()
        if not self._loaded.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._loaded.wait(), LOADED_SECONDS)
        if time.time() - (self.work.listed_at or 0) > 2 * self._seconds:
            self._tick.set()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._listed.wait(), FRESH_SECONDS)

    async def added(self, asset: Asset, size: int, version: str, modified: float) -> None:
        """Shows a new object at once in every process; other objects than videos are left out.

        `version`: its ETag. `modified`: Unix seconds.
        """
        if is_video(asset.key):
            listed = Listed(asset.bucket, asset.key, size, int(modified), mark(version))
            await asyncio.to_thread(self.work.change, Change([listed], []))

    async def judged(self, asset: Asset, version: str, failure: Failure) -> None:
        """Records that this version of an object is unusable, and why."""
        await asyncio.to_thread(self.work.known.judged, asset, version, failure)

    async def removed(self, asset: Asset) -> None:
        """Removes an object from the library."""
        await asyncio.to_thread(self.work.change, Change([], [(asset.bucket, asset.key)]))

    # messages of other processes

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
                        self._has_news.set()
            except (redis.RedisError, OSError):
                self._loaded.set()  # requests need not wait for Redis
                await asyncio.sleep(RECONNECT_SECONDS)

    def _hear(self, data: bytes) -> None:
        news = stored.read(_Message, data)
        if news is None:  # an unreadable message: its content is in Redis too
            self._stale |= {"known", "listing"}
            return
        for field_name, record in news.known.items():
            bucket, _, key = field_name.partition("/")
            self._records[bucket, key] = AssetStatus.parse(json.dumps(record)) if record else None
        if news.change is not None:
            self._changes.append(Change.of(news.change))
        if news.listing:
            self._stale.add("listing")
        if news.complete:
            self.work.complete = True

    async def _apply_news(self) -> None:
        """Applies messages to the catalogue, in a thread."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            try:
                await self._catch_up()
            except (redis.RedisError, OSError) as error:
                log.warning("library not read", extra={"error": type(error).__name__})
                await self._reload()
            except Exception:
                await self._reload()
                raise
            finally:
                self._loaded.set()

    async def _reload(self) -> None:
        """Reads everything again soon, since messages were lost."""
        self._stale |= {"known", "listing"}
        self._has_news.set()
        await asyncio.sleep(RECONNECT_SECONDS)

    async def _catch_up(self) -> None:
        stale, self._stale = self._stale, set()
        if "known" in stale:
            await asyncio.to_thread(self.work.load_known)
        if "listing" in stale and await asyncio.to_thread(self.work.catch_up):
            self._listed.set()
            self._listed = asyncio.Event()
        records, self._records = self._records, {}
        changes, self._changes = self._changes, []
        if records or changes:
            await asyncio.to_thread(self.work.take_in, records, changes)
        if stale:
            self._loaded.set()  # requests need not wait for the preparation
            await asyncio.to_thread(self.work.catalogue.prepare)
            gc.freeze()  # spares the collector a hundred thousand objects, 0.4 s each time

    # listings and scans

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
        """Compares this process's state with Redis, and starts a listing or scan that no process runs."""
        status = await asyncio.to_thread(self.work.status, WATCHED)
        if status.complete != self.work.complete:
            self._stale.add("known")
        if status.position != self.work.position:
            self._stale.add("listing")
        if self._stale:
            self._has_news.set()
        used_here = time.monotonic() - self._watched_at < WATCHED_SECONDS  # even if Redis was emptied since
        if not (status.watched or used_here):
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
        """Runs the work unless another process does."""
        lock = Lock(self.work.client, name)
        try:
            if not await asyncio.to_thread(lock.acquire):
                return
            try:
                await work(lock)
            finally:
                with suppress(LockError):  # another process may hold it by now
                    await asyncio.to_thread(lock.release)
        except LockLost:
            log.info("left to another process", extra={"work": name})
        except (MamError, redis.RedisError, OSError) as error:
            log.warning("library not brought up to date", extra={"work": name, "error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - the next look starts it again
            FAILURES.failed(name, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _list(self, lock: Lock) -> None:
        await asyncio.to_thread(self.work.list, lock)
        self._tick.set()

    async def _find(self, lock: Lock) -> None:
        await asyncio.to_thread(self.work.find, lock)
