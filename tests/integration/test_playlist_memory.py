"""Playlists answered from memory: as long as they hold, and not a moment longer. On a real Redis."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio

from dev.servers import LOOPBACK, Server, start_redis
from mam.cache.invalidation import CHANNEL, HOLDERS, LEASE_SECONDS, invalidate
from mam.cache.lua import PREFIX
from mam.cache.memory import PlaylistMemory
from mam.cache.shared_reads import SharedReads
from mam.cache.store import CachedPlaylist, PlaylistCache
from mam.events import channel

OLD, NEW = (CachedPlaylist(gzip.compress(text)) for text in (b"#EXTM3U\n#old\n", b"#EXTM3U\n#new\n"))
PATIENCE = 10.0  # seconds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with start_redis(tmp_path / "redis", persist=False) as server:
        yield server


class Process:
    """What a VoD process has of the cache."""

    def __init__(self, server: Server, *, db: int = 0) -> None:
        self.client = redis.asyncio.Redis(host=LOOPBACK, port=server.port, db=db)
        self.cache = PlaylistCache(self.client, ttl=60)
        self.kept = PlaylistMemory(self.client)
        self.reads = SharedReads(self.cache, self.kept)

    async def read(self, name: str = "film") -> CachedPlaylist | None:
        (found,) = await self.reads.read((name,), "")
        return found.playlist

    def at_hand(self, name: str = "film") -> CachedPlaylist | None:
        answers = self.kept.get(name, "")
        return answers.playlist if answers else None

    async def keeps(self, name: str = "film") -> bool:
        """Reads until what was read is at hand: a lease takes a moment."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            await self.read(name)
            if self.at_hand(name):
                return True
            await asyncio.sleep(0.01)
        return False

    async def put(self, playlist: CachedPlaylist, name: str = "film") -> None:
        (lookup,) = await self.cache.get((name,))
        await self.cache.put(name, playlist, "", lookup.generation)


@asynccontextmanager
async def processes(server: Server, *databases: int) -> AsyncIterator[list[Process]]:
    found = [Process(server, db=db) for db in databases]
    try:
        for process in found:
            await process.kept.start()
        yield found
    finally:
        for process in found:
            await process.kept.stop()
            await process.client.aclose()


def with_processes(server: Server, count: int, claim: Callable[[list[Process]], Awaitable[None]]) -> None:
    async def run() -> None:
        async with processes(server, *[0] * count) as found:
            await claim(found)

    asyncio.run(run())


async def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return condition()


def test_what_is_cleared_is_at_hand_nowhere_once_that_is_said(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        one, *others = found
        for playlist in (OLD, NEW) * 5:
            await one.put(playlist)
            assert all([await process.keeps() for process in found])
            assert {process.at_hand() for process in found} == {playlist}
            await one.put(playlist, "other")
            assert await others[0].keeps("other")
            began = time.monotonic()
            await one.cache.invalidate("film")
            assert time.monotonic() - began < LEASE_SECONDS / 2  # their word was waited for, not their lease
            assert [process.at_hand() for process in found] == [None] * 3
            assert others[0].at_hand("other") == playlist

    with_processes(server, 3, claim)


def test_a_system_in_another_database_keeps_its_own_and_is_not_waited_for(server: Server) -> None:
    async def claim() -> None:
        async with processes(server, 0, 1) as (ours, theirs):
            for process in (ours, theirs):
                await process.put(OLD)
                assert await process.keeps()
            began = time.monotonic()
            await ours.cache.invalidate("film")
            assert time.monotonic() - began < LEASE_SECONDS / 2
            assert (ours.at_hand(), theirs.at_hand()) == (None, OLD)

    asyncio.run(claim())


def test_what_is_forgotten_while_the_connection_is_made_anew_is_at_hand_no_more(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        (one,) = found
        await one.put(OLD)
        assert await one.keeps()
        async with one.client.pipeline(transaction=False) as pipe:  # at one go: nobody can subscribe in between
            pipe.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            pipe.delete(PREFIX + "film")
            pipe.publish(channel(one.client, CHANNEL), json.dumps({"video": "film", "token": "any"}))
            *_, told = await pipe.execute()
        assert told == 0
        assert await eventually(lambda: one.at_hand() is None)
        assert await eventually(lambda: one.kept._leased_until > time.monotonic())
        assert one.at_hand() is None

    with_processes(server, 1, claim)


def test_a_process_that_is_silent_is_waited_for_until_its_lease_has_run_out(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        one, other = found
        await one.put(OLD)
        assert await other.keeps()
        assert await one.keeps()

        async def deaf(*_: object) -> None:
            """As if the process stood still: it hears nothing, and its lease is not renewed."""
            await asyncio.Event().wait()

        other.kept._hear = deaf  # type: ignore[assignment, method-assign]
        await one.cache.invalidate("film")
        assert other.at_hand() is None
        assert one.at_hand() is None

    with_processes(server, 2, claim)


def test_what_was_read_before_it_was_cleared_is_not_kept_afterwards(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        (one,) = found
        await one.put(OLD)
        assert await one.keeps()
        read = one.cache.get

        async def slow(*arguments: object) -> object:
            lookups = await read(*arguments)  # type: ignore[arg-type]
            await one.cache.invalidate("film")  # between the read and its use
            return lookups

        one.cache.get = slow  # type: ignore[assignment, method-assign]
        assert await one.read() == OLD  # asked for before it was cleared
        assert one.at_hand() is None

    with_processes(server, 1, claim)


def test_after_redis_was_wiped_nothing_that_is_cleared_is_given_out(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        one, other = found
        await one.put(OLD)
        assert await one.keeps()
        assert await other.keeps()
        await one.client.flushall()  # who holds a lease is forgotten too
        await one.cache.invalidate("film")
        assert (one.at_hand(), other.at_hand()) == (None, None)

    with_processes(server, 2, claim)


def test_while_redis_stands_still_nothing_is_at_hand_for_longer_than_the_lease(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        (one,) = found
        await one.put(OLD)
        assert await one.keeps()
        server.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            assert await eventually(lambda: one.at_hand() is None)
            assert time.monotonic() - stopped <= LEASE_SECONDS + 0.5
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert await one.keeps()

    with_processes(server, 1, claim)


def test_what_expires_in_the_cache_expires_in_memory(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        (one,) = found
        await one.put(OLD)
        assert await one.keeps()
        await one.cache.invalidate("film")
        await one.put(OLD)
        await one.client.pexpire("mam:playlist:film", 300)
        assert await one.keeps()
        assert await eventually(lambda: one.at_hand() is None)
        assert await one.read() is None

    with_processes(server, 1, claim)


def test_what_a_worker_invalidates_is_at_hand_nowhere_once_it_has(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        await found[0].put(OLD)
        assert all([await process.keeps() for process in found])
        with redis.Redis(host=LOOPBACK, port=server.port) as client:
            await asyncio.to_thread(invalidate, client, "film")
        assert [process.at_hand() for process in found] == [None, None]

    with_processes(server, 2, claim)


def test_a_process_that_stops_leaves_nothing_to_wait_for(server: Server) -> None:
    async def claim(found: list[Process]) -> None:
        one, other = found
        assert await eventually(lambda: other.kept._leased_until > 0)
        await other.kept.stop()
        assert await one.client.zscore(HOLDERS, other.kept._name) is None
        assert (await one.client.pubsub_numsub(channel(one.client, CHANNEL)))[0][1] == 1

    with_processes(server, 2, claim)
