"""Reads of the cache are shared, and never with one that began before the request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import redis.asyncio

from mam.vod.kept import Kept
from mam.vod.reads import SharedReads
from redis_adapter import CachedPlaylist, Lookup, PlaylistCache


class SlowCache:
    """Counts reads; each waits until `go` is set, and gives what is there when it began."""

    def __init__(self) -> None:
        self.body = b"old"
        self.reads = 0
        self.go = asyncio.Event()

    async def get(self, names: Sequence[str], rendition: str = "") -> list[Lookup]:
        self.reads += 1
        lookup = Lookup(CachedPlaylist(self.body), "0")
        await self.go.wait()
        return [lookup] * len(names)


def bodies(cache: SlowCache, *, late: int) -> list[bytes]:
    """What one early and `late` later requests get; the cache changes between them."""

    async def run() -> list[bytes]:
        reads = SharedReads(cast(PlaylistCache, cache), Kept(redis.asyncio.Redis()))

        async def request() -> bytes:
            (found,) = await reads.read(("film",), "")
            assert found.playlist
            return found.playlist.body

        first = asyncio.create_task(request())
        while not cache.reads:
            await asyncio.sleep(0)
        cache.body = b"new"
        rest = [asyncio.create_task(request()) for _ in range(late)]
        await asyncio.sleep(0)
        cache.go.set()
        return [await task for task in (first, *rest)]

    return asyncio.run(run())


def test_requests_that_come_during_a_read_share_the_next_one() -> None:
    cache = SlowCache()
    assert len(bodies(cache, late=100)) == 101
    assert cache.reads == 2


def test_a_request_never_gets_what_was_read_before_it_came() -> None:
    assert bodies(SlowCache(), late=2) == [b"old", b"new", b"new"]


def test_a_request_that_is_given_up_takes_nothing_from_the_others() -> None:
    async def run() -> bytes:
        cache = SlowCache()
        reads = SharedReads(cast(PlaylistCache, cache), Kept(redis.asyncio.Redis()))
        leaver = asyncio.create_task(reads.read(("film",), ""))
        stayer = asyncio.create_task(reads.read(("film",), ""))
        await asyncio.sleep(0)
        leaver.cancel()
        cache.go.set()
        (found,) = await stayer
        assert found.playlist
        return found.playlist.body

    assert asyncio.run(run()) == b"old"
