"""Reads of the playlist cache, shared by all who want the same at the same time."""

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
class Found:
    """What one read found under a name, and the answers made from it, which all who shared the read share."""

    lookup: Lookup
    answers: Answers | None

    @property
    def playlist(self) -> CachedPlaylist | None:
        return self.lookup.playlist


class _Read:
    """One read that has not begun yet, or has ended: an event, not a future, which any waiter could cancel."""

    __slots__ = ("done", "error", "found")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.error: Exception | None = None
        self.found: list[Found] = []


class SharedReads:
    """One read at a time per key: requests that come while one is under way share the next.

    Never the one under way: a read that began before a request could miss an invalidation that was answered before it.
    """

    def __init__(self, cache: PlaylistCache, kept: PlaylistMemory) -> None:
        self._cache = cache
        self._kept = kept
        self._next: dict[Key, _Read] = {}
        self._reading: dict[Key, asyncio.Task[None]] = {}

    async def read(self, names: tuple[str, ...], slot: str) -> list[Found]:
        """What is cached for each of the names. Raises what the read failed with, to all who share it."""
        key = (names, slot)
        read = self._next.get(key)
        if read is None:
            read = self._next[key] = _Read()
            if key not in self._reading:
                task = self._reading[key] = asyncio.get_running_loop().create_task(self._run(key))
                task.add_done_callback(partial(self._over, key))
        await read.done.wait()
        if read.error is not None:
            raise read.error
        return read.found

    async def _run(self, key: Key) -> None:
        try:
            while read := self._next.pop(key, None):
                try:
                    read.found = await self._found(key)
                except Exception as error:  # noqa: BLE001 - theirs who wait
                    read.error = error
                except asyncio.CancelledError:
                    read.error = _unread()
                    raise
                finally:
                    read.done.set()
                await asyncio.sleep(0)  # those who waited answer before the next read's reply is looked for
        finally:
            self._over(key)

    def _over(self, key: Key, task: asyncio.Task[None] | None = None) -> None:
        """`task`: one that may have been cancelled before it had begun."""
        if task is None or self._reading.get(key) is task:
            del self._reading[key]
            if left := self._next.pop(key, None):
                left.error = _unread()
                left.done.set()

    async def _found(self, key: Key) -> list[Found]:
        began = self._kept.forgotten
        lookups = await self._cache.get(*key)
        read = [Found(each, Answers(each.playlist) if each.playlist else None) for each in lookups]
        for name, found in zip(key[0], read, strict=True):
            if found.answers:
                self._kept.keep(name, key[1], found.answers, seconds=found.lookup.seconds, read_at=began)
        return read


def _unread() -> RedisUnavailable:
    return RedisUnavailable("The cached playlist was not read.")
