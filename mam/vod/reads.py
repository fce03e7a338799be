"""Reads of the playlist cache, shared by all who want the same at the same time."""

from __future__ import annotations

import asyncio
from functools import cached_property

from mam.vod.answer import Answers
from redis_adapter import CachedPlaylist, Lookup, PlaylistCache

Key = tuple[tuple[str, ...], str]


class Found:
    """What one read found under a name; everyone who shares the read shares the answers made from it."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup

    @property
    def playlist(self) -> CachedPlaylist | None:
        return self.lookup.playlist

    @cached_property
    def answers(self) -> Answers:
        assert self.lookup.playlist is not None
        return Answers(self.lookup.playlist)


class SharedReads:
    """One read at a time per key: whoever comes while one is under way shares the next.

    Never the one under way: a read that began before a request could miss an invalidation that was answered before it.
    """

    def __init__(self, cache: PlaylistCache) -> None:
        self._cache = cache
        self._next: dict[Key, asyncio.Future[list[Found]]] = {}
        self._reading: dict[Key, asyncio.Task[None]] = {}

    def read(self, names: tuple[str, ...], rendition: str) -> asyncio.Future[list[Found]]:
        """What is cached for each of the names."""
        key = (names, rendition)
        future = self._next.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._next[key] = loop.create_future()
            if key not in self._reading:
                self._reading[key] = loop.create_task(self._run(key))
        return asyncio.shield(future)  # one who goes away takes nothing from the others

    async def _run(self, key: Key) -> None:
        while future := self._next.pop(key, None):
            lookups = await self._cache.get(*key)  # never raises: Redis away reads as nothing
            future.set_result([Found(lookup) for lookup in lookups])
            await asyncio.sleep(0)  # those who waited answer before the next read's reply is looked for
        del self._reading[key]
