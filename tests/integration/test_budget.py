"""Playlists take no more of Redis than is theirs, and go first where it is short of memory. On a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.servers import LOOPBACK, Server, start_redis
from mam.cache.lua import ENDS, HIGH_WATER, PREFIX, SHARE, SIZES
from mam.cache.store import GZIP_MAGIC, CachedPlaylist, PlaylistCache, make_room

BUDGET = 64 << 10
NAMES, RENDITIONS = ("a", "b", "folder/ü c", "d", "e"), ("", "audio-1", "text-2")
ROUNDING = 1.3  # what a value takes besides its bytes: an allocator rounds up, and a hash has its own
FIXED = 1500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_redis(tmp_path_factory.mktemp("redis"), persist=False) as server:
        yield server


class Cache:
    """The cache, and what Redis itself says of what it holds."""

    def __init__(self, server: Server) -> None:
        self.redis: Any = redis.Redis(LOOPBACK, server.port)
        self.redis.config_set("maxmemory", 0)
        self.redis.flushall()
        self._port = server.port

    def put(self, *puts: tuple[str, str, int], budget: int = BUDGET) -> list[CachedPlaylist | None]:
        """Puts playlists of these sizes; for each, what is cached under its name just afterwards."""

        async def run(cache: PlaylistCache) -> list[CachedPlaylist | None]:
            found = []
            for name, rendition, size in puts:
                (lookup,) = await cache.get([name], rendition)
                await cache.put(name, playlist(size), rendition, lookup.generation)
                found += [each.playlist for each in await cache.get([name], rendition)]
            return found

        found: list[CachedPlaylist | None] = self._with(run, budget)
        return found

    def forget(self, name: str) -> None:
        self._with(lambda cache: cache.invalidate(name), BUDGET)

    def _with(self, act: Callable[[PlaylistCache], Any], budget: int) -> Any:
        async def run() -> Any:
            async with redis.asyncio.Redis(host=LOOPBACK, port=self._port) as client:
                return await act(PlaylistCache(client, ttl=60, budget=budget))

        return asyncio.run(run())

    def held(self) -> dict[str, int]:
        """Bytes of each video's playlists."""
        keys = [key for key in self.redis.keys(f"{PREFIX}*") if self.redis.type(key) == b"hash"]
        return {key.decode().removeprefix(PREFIX): self.redis.memory_usage(key, samples=0) for key in keys}

    def is_accounted(self) -> bool:
        """Whether the books say what is there."""
        sizes = {name.decode(): int(size) for name, size in self.redis.hgetall(SIZES).items()}
        total = sizes.pop("", 0)
        held = self.held()
        assert (sizes, total) == (held, sum(held.values()))
        assert {name.decode() for name in self.redis.zrange(ENDS, 0, -1)} == set(held)
        return True

    def used(self) -> int:
        return int(self.redis.info("memory")["used_memory"])

    def fill(self, size: int) -> None:
        """With what is not ours."""
        for number in range(size >> 16):
            self.redis.set(f"filler:{number}", b"x" * (1 << 16))


@pytest.fixture
def cache(server: Server) -> Iterator[Cache]:
    found = Cache(server)
    yield found
    found.redis.close()


def playlist(size: int) -> CachedPlaylist:
    return CachedPlaylist(GZIP_MAGIC + bytes(size), "myvideos/a.mp4", "auto", 60)


puts = st.tuples(st.sampled_from(NAMES), st.sampled_from(RENDITIONS), st.integers(0, 2 * BUDGET))
forgets = st.sampled_from(NAMES)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(puts | forgets, max_size=15))
def test_whatever_is_put_all_stays_within_the_budget_and_the_newest_is_there_if_it_fits(
    server: Server, steps: Sequence[tuple[str, str, int] | str]
) -> None:
    cache = Cache(server)
    for step in steps:
        if isinstance(step, str):
            cache.forget(step)
            assert step not in cache.held()
        else:
            beside = cache.held().get(step[0], 0)
            (found,) = cache.put(step)
            if ROUNDING * step[2] + beside + FIXED <= BUDGET:
                assert found == playlist(step[2])
            if step[2] > BUDGET:
                assert found != playlist(step[2])
        assert sum(cache.held().values()) <= BUDGET
        assert cache.is_accounted()
    cache.redis.close()


def test_the_eldest_go_first(cache: Cache) -> None:
    third = BUDGET // 3 - FIXED
    cache.put(*((name, "", third // 2) for name in "abcdefgh"))
    held = list(cache.held())
    assert sorted(held) == list("abcdefgh")[-len(held) :]
    assert len(held) >= 3


def test_a_playlist_that_is_larger_than_all_may_be_moves_nothing(cache: Cache) -> None:
    cache.put(("a", "", 1000), ("b", "", 2 * BUDGET))
    assert set(cache.held()) == {"a"}


def test_without_a_budget_of_their_own_they_have_a_share_of_what_redis_may_use(cache: Cache) -> None:
    most = cache.used() + (8 << 20)
    cache.redis.config_set("maxmemory", most)
    cache.put(*((f"film {number}", "", 100_000) for number in range(120)), budget=0)
    assert SHARE * most * 0.8 < sum(cache.held().values()) <= SHARE * most
    assert f"film {119}" in cache.held()


def test_what_has_expired_leaves_the_books(cache: Cache) -> None:
    cache.put(("a", "", 1000), ("b", "", 1000))
    cache.redis.delete(f"{PREFIX}a")  # as its time would, which nobody tells us
    cache.redis.zadd(ENDS, {"a": 1})
    cache.put(("c", "", 1000))
    assert set(cache.held()) == {"b", "c"}
    assert cache.is_accounted()


def test_where_others_need_the_memory_playlists_are_not_kept_and_those_that_are_go(cache: Cache) -> None:
    cache.put(*((f"film {number}", "", 50_000) for number in range(20)), budget=4 << 20)
    assert len(cache.held()) == 20
    most = (cache.used() + (2 << 20)) * 10 // 8
    cache.redis.config_set("maxmemory", most)
    cache.fill(int(HIGH_WATER * most) - cache.used() + (300 << 10))
    assert cache.used() > HIGH_WATER * most
    assert cache.put(("new", "", 1000), budget=4 << 20) == [None]
    assert 0 < len(cache.held()) < 20
    assert cache.used() <= HIGH_WATER * most + (100 << 10)
    assert cache.is_accounted()


def test_they_make_room_also_when_nothing_is_put_and_redis_is_full(cache: Cache) -> None:
    cache.put(*((f"film {number}", "", 50_000) for number in range(20)), budget=4 << 20)
    cache.redis.config_set("maxmemory", cache.used() - (100 << 10))
    with pytest.raises(redis.ResponseError, match="maxmemory"):
        cache.redis.set("a task", 1)
    make_room(cache.redis)
    assert cache.redis.set("a task", 1)
    assert cache.is_accounted()


def test_a_full_redis_forgets_what_it_is_told_to(cache: Cache) -> None:
    cache.put(("a", "", 1000))
    cache.redis.config_set("maxmemory", 100_000)  # less than it needs when it is empty
    with pytest.raises(redis.ResponseError, match="maxmemory"):
        cache.redis.set("a task", 1)
    cache.forget("a")
    assert cache.held() == {}
    assert cache.redis.get("mam:playlist-generation:a") == b"1"
