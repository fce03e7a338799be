"""Reads of the playlist cache, shared by simultaneous requests for the same playlists."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from mam.cache.memory import PlaylistMemory
from mam.cache.response import Answers
from mam.cache.store import CachedPlaylist, Lookup, PlaylistCache
from mam.errors import RedisUnavailable

Key = tuple[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class CachedRead:
    """The result of a read under one name, with the answers made from it; requests that share the read share both."""

    lookup: Lookup
    answers: Answers | None

    @property
    def playlist(self) -> CachedPlaylist | None:
        return self.lookup.playlist


class _Read:
    """A read that has not started yet or has ended. It holds an event, not a future: any waiter could cancel that."""

    __slots__ = ("done", "error", "results")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.error: Exception | None = None
        self.results: list[CachedRead] = []


class SharedReads:
    """One read at a time per key: requests that arrive during a read share the next one.

    They do not share the running one: it may have started before an invalidation that preceded the request.
    """

    def __init__(self, cache: PlaylistCache, memory: PlaylistMemory) -> None:
        self._cache = cache
        self._memory = memory
        self._next: dict[Key, _Read] = {}
        self._reading: dict[Key, asyncio.Task[None]] = {}

    async def read(self, names: tuple[str, ...], slot: str) -> list[CachedRead]:
        """The cached playlist for each of the names. All requests that share a failed read raise its error."""
        key = (names, slot)
        read = self._next.get(key)
        if read is None:
            read = self._next[key] = _Read()
            if key not in self._reading:
                task = self._reading[key] = asyncio.get_running_loop().create_task(self._run(key))
                task.add_done_callback(partial(self._finish, key))
        await read.done.wait()
        if read.error is not None:
            raise read.error
        return read.results

    async def _run(self, key: Key) -> None:
        try:
            while read := self._next.pop(key, None):
                try:
                    read.results = await self._read_cache(key)
                except Exception as error:  # noqa: BLE001 - raised by the waiting requests
                    read.error = error
                except asyncio.CancelledError:
                    read.error = _unread()
                    raise
                finally:
                    read.done.set()
                await asyncio.sleep(0)  # the waiting requests answer before the next read
        finally:
            self._finish(key)

    def _finish(self, key: Key, task: asyncio.Task[None] | None = None) -> None:
        """Ends the reads of a key. `task`: a read task, which may have been cancelled before it started."""
        if task is None or self._reading.get(key) is task:
            del self._reading[key]
            if waiting := self._next.pop(key, None):
                waiting.error = _unread()
                waiting.done.set()

    async def _read_cache(self, key: Key) -> list[CachedRead]:
        count = self._memory.invalidations
        lookups = await self._cache.get(*key)
        results = [CachedRead(lookup, Answers(lookup.playlist) if lookup.playlist else None) for lookup in lookups]
        for name, result in zip(key[0], results, strict=True):
            if result.answers:
                self._memory.keep(name, key[1], result.answers, seconds=result.lookup.seconds, invalidations=count)
        return results


def _unread() -> RedisUnavailable:
    return RedisUnavailable("The cached playlist was not read.")
