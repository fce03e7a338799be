"""Reads of the cache are shared, and never with one that began before the request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
import redis.asyncio

from mam.cache.memory import PlaylistMemory
from mam.cache.shared_reads import SharedReads
from mam.cache.store import CachedPlaylist, Lookup, PlaylistCache
from mam.errors import RedisUnavailable


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
        reads = SharedReads(cast(PlaylistCache, cache), PlaylistMemory(redis.asyncio.Redis()))

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
        reads = SharedReads(cast(PlaylistCache, cache), PlaylistMemory(redis.asyncio.Redis()))
        leaver = asyncio.create_task(reads.read(("film",), ""))
        stayer = asyncio.create_task(reads.read(("film",), ""))
        await asyncio.sleep(0)
        leaver.cancel()
        cache.go.set()
        (found,) = await stayer
        assert found.playlist
        return found.playlist.body

    assert asyncio.run(run()) == b"old"


class FailingCache(SlowCache):
    """Fails at its first read."""

    async def get(self, names: Sequence[str], rendition: str = "") -> list[Lookup]:
        await asyncio.sleep(0)
        self.reads += 1
        if self.reads == 1:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "")
        return [Lookup(None, "0")] * len(names)


def test_all_who_share_a_read_hear_what_it_failed_with_and_the_next_read_is_well() -> None:
    async def run() -> None:
        reads = SharedReads(cast(PlaylistCache, FailingCache()), PlaylistMemory(redis.asyncio.Redis()))
        shared = asyncio.gather(*(reads.read(("film",), "") for _ in range(5)), return_exceptions=True)
        assert {type(each) for each in await asyncio.wait_for(shared, 5)} == {UnicodeDecodeError}
        (found,) = await asyncio.wait_for(reads.read(("film",), ""), 5)
        assert found.playlist is None

    asyncio.run(run())


@pytest.mark.parametrize("turns", range(3))
def test_who_waits_for_a_read_that_is_cancelled_does_not_wait_for_ever(turns: int) -> None:
    async def run() -> None:
        cache = SlowCache()
        reads = SharedReads(cast(PlaylistCache, cache), PlaylistMemory(redis.asyncio.Redis()))
        waiting = [asyncio.ensure_future(reads.read(("film",), "")) for _ in range(2)]
        for _ in range(1 + turns):  # before it has begun, and while it is under way
            await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(reads.read(("film",), "")))
        (task,) = reads._reading.values()
        task.cancel()
        await asyncio.sleep(0)
        cache.go.set()
        ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert isinstance(ended[0], RedisUnavailable)
        assert await asyncio.wait_for(reads.read(("film",), ""), 5)

    asyncio.run(run())
