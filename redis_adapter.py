"""The playlist cache: rendered, signed and compressed playlists in Redis.

A video's playlists lie in one hash, so that one command forgets them all. Redis being away makes answers slower, never
wrong: reads then find nothing and writes do nothing.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import redis.asyncio

from mam import stored
from mam.connections import REQUEST
from mam.events import channel, sync_client
from mam.hls.recipe import satisfies
from mam.settings import worker_settings

PREFIX = "mam:playlist:"
GENERATION = "mam:playlist-generation:"
GZIP_LEVEL = 6
AGE_BYTES = 4
GZIP_MAGIC = b"\x1f\x8b"
MAIN = ":"  # slot("", ""): the playlist that requests without options get

log = logging.getLogger(__name__)


# Redis also holds queues, jobs and sessions, which must lose nothing: so playlists have a budget, and go first. Two
# keys know of all: a sorted set of videos by the moment at which their playlists end, which is the order in which they
# came, and a hash of the bytes that each takes (of all together under the empty name, which no video has).
ENDS, SIZES = "mam:playlist-ends", "mam:playlist-sizes"
SHARE, HIGH_WATER = 0.25, 0.8  # of maxmemory: what playlists may take; what is in use, above which none is kept
DEFAULT_BUDGET = 256 << 20  # bytes, where Redis has no maxmemory: some five thousand films

_BUDGET = f"""
local ends, sizes = '{ENDS}', '{SIZES}'
local function now()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end
local function size_of(name) return tonumber(redis.call('HGET', sizes, name) or '0') or 0 end
local function all() return size_of('') end
local function add(size) redis.call('HSET', sizes, '', string.format('%d', all() + size)) end
-- A video's playlists go, and what they took is free.
local function drop(name)
  redis.call('DEL', '{PREFIX}' .. name)
  redis.call('ZREM', ends, name)
  local size = size_of(name)
  if redis.call('HDEL', sizes, name) == 1 then add(-size) end
end
-- The eldest go, but never `spared`, until they are no more than `most` bytes.
local function shrink(most, spared)
  while all() > most do
    local eldest = redis.call('ZRANGE', ends, 0, 1)
    local name = eldest[1] == spared and eldest[2] or eldest[1]
    if not name or name == spared then return end
    drop(name)
  end
end
-- maxmemory (0: none), and by how many bytes more is in use than may be for a playlist to be kept.
local function memory()
  local info = redis.call('INFO', 'memory')
  local used, most = tonumber(info:match('used_memory:(%d+)')), tonumber(info:match('maxmemory:(%d+)'))
  return most, most > 0 and used - {HIGH_WATER} * most or -1
end
-- What has ended goes, and the eldest where memory is short. Whether it was.
local function make_room(over)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now())) do drop(name) end
  if over >= 0 then shrink(all() - over) end
  return over >= 0
end
"""

# A playlist that was built while its video was invalidated is out of date: the generation tells.
# ARGV: generation, seconds to keep, field, playlist, the video's name, bytes that all may take (0: by maxmemory).
_PUT = f"""{_BUDGET}
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
local most, over = memory()
if make_room(over) then return 0 end
local budget = tonumber(ARGV[6])
if budget == 0 then budget = most > 0 and {SHARE} * most or {DEFAULT_BUDGET} end
if #ARGV[4] > budget then return 0 end
local name, before = ARGV[5], size_of(ARGV[5])
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
redis.call('ZADD', ends, 'NX', now() + redis.call('PTTL', KEYS[1]) / 1000, name)
local size = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 0)
redis.call('HSET', sizes, name, size)
add(size - before)
shrink(budget, name)
if all() > budget then drop(name) end
return 1
"""

# For when nothing is put: playlists make room for others' needs too.
_MAKE_ROOM = f"""{_BUDGET}
local _, over = memory()
make_room(over)
"""
GENERATION_SECONDS = 24 * 3600  # far longer than any playlist takes to build

# Processes may answer from memory while they hold a lease (mam/cache/memory.py). They are told what to forget, say so
# in a list of the token that came with it, and are waited for by whoever must be sure.
CHANNEL = "mam:playlist-forget"
HOLDERS = "mam:playlist-holders"  # a sorted set: processes by the moment at which their lease ends
FORGOTTEN = "mam:playlist-forgotten:"
LEASE_SECONDS = 2
SHORTEST_WAIT = 0.01  # seconds: Redis rounds down to milliseconds, and 0 waits for ever
LONGEST_WAIT = 1.0  # at a time: shorter than a client waits for any answer of Redis

# ARGV: the video's name, seconds to keep the generation, channel, message. How many were told, and who holds a lease.
# It works in a full Redis too: that refuses a script the first command that needs memory, unless another write came
# before it, here the one that removes.
_FORGET = f"""{_BUDGET}
drop(ARGV[1])
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now())
local told = redis.call('PUBLISH', ARGV[3], ARGV[4])
return {{told, unpack(redis.call('ZRANGE', KEYS[3], 0, -1))}}
"""


@dataclass(frozen=True, slots=True)
class CachedPlaylist:
    """A playlist as it is sent. `body`: gzip. `max_age`: seconds that a client may keep it.

    `source` is `bucket/key` of the asset, `kinds` what it does as (words such as `source`, `auto.fmp4`, separated by
    spaces); empty where nobody knows.
    """

    body: bytes
    source: str = ""
    kinds: str = ""
    max_age: int = 0

    def fits(self, source: str, kind: str) -> bool:
        """Whether this is what is asked for (empty: anything). A tree of another tool does as anything."""
        return satisfies(self.kinds, kind) and (not source or self.source in (source, ""))

    def to_bytes(self) -> bytes:
        """`max_age`, then `source` and `kinds`, a line each (neither holds line breaks), then the body."""
        return self.max_age.to_bytes(AGE_BYTES, "big") + f"{self.source}\n{self.kinds}\n".encode() + self.body


def _from_bytes(data: bytes | None) -> CachedPlaylist | None:
    """What `to_bytes` wrote; None for nothing, and for what another version of this program may have left there."""
    age, *parts = (data or b"")[:AGE_BYTES], *(data or b"")[AGE_BYTES:].split(b"\n", 2)
    if len(parts) != 3 or not parts[2].startswith(GZIP_MAGIC):
        return None
    source, kinds = stored.text(parts[0]), stored.text(parts[1])
    if source is None or kinds is None:
        return None
    return CachedPlaylist(parts[2], source, kinds, int.from_bytes(age, "big"))


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache holds, for `seconds` more; `generation` is to be given back with what is built in its stead."""

    playlist: CachedPlaylist | None
    generation: str | None  # None while Redis is away: then nothing is to be kept
    seconds: float = 0


class PlaylistCache:
    """What the VoD service uses: coroutines, several names at once, gzip bytes as they are sent."""

    def __init__(
        self, client: redis.asyncio.Redis, *, ttl: int, quick: redis.asyncio.Redis | None = None, budget: int = 0
    ) -> None:
        """`quick`: a client that soon gives up, for what can do without an answer. `budget`: bytes; 0: by maxmemory."""
        self._client = client
        self._quick = quick or client
        self._ttl = ttl
        self._budget = budget
        self._put = self._quick.register_script(_PUT)
        self._forget = client.register_script(_FORGET)

    async def get(self, names: Sequence[str], slot: str = MAIN) -> list[Lookup]:
        """The playlists of several videos, in one round trip. `slot`: which of each video's (see `slot`)."""
        try:
            async with self._quick.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hget(PREFIX + name, _field(slot))
                    pipe.pttl(PREFIX + name)
                    pipe.get(GENERATION + name)
                rows = stored.answers(await pipe.execute(raise_on_error=False))
        except (redis.RedisError, OSError) as error:
            log.warning("playlist cache unavailable", extra={"error": type(error).__name__})
            return [Lookup(None, None)] * len(names)
        return [
            Lookup(_from_bytes(found), stored.text(generation or b"0"), (left or 0) / 1000)
            for found, left, generation in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        ]

    async def put(self, name: str, playlist: CachedPlaylist, slot: str, generation: str | None) -> None:
        """Keeps a playlist for the cache's lifetime, counted from the first of the video's playlists.

        Does nothing when the video was invalidated since `generation` was read, nor while Redis is short of memory.
        """
        if generation is None:
            return
        values = _put_arguments(name, playlist, slot, generation, ttl=self._ttl, budget=self._budget)
        try:
            await self._put(keys=_put_keys(name), args=values)
        except (redis.RedisError, OSError) as error:
            log.warning("playlist not cached", extra={"error": type(error).__name__})

    async def invalidate(self, name: str) -> None:
        """Forgets all playlists of a video, in every process: returns when none answers from memory any more.

        Raises RedisError: "cleared" must be true when it is said.
        """
        token = os.urandom(8).hex()
        told, *holders = await self._forget(keys=_forget_keys(name), args=_forget_arguments(self._client, name, token))
        answers = _Answers(told, holders)
        while left := answers.seconds_left():
            answers.add(await self._client.blpop([FORGOTTEN + token], timeout=min(left, LONGEST_WAIT)))


class _Answers:
    """Who has yet to say that it forgot. `told`: how many heard of it; `holders`: whose leases ran at that moment."""

    def __init__(self, told: int, holders: Sequence[bytes]) -> None:
        self._missing = told
        self._silent = set(holders)
        self._deadline = time.monotonic() + LEASE_SECONDS + 1  # by then who does not say so may not answer either

    def seconds_left(self) -> float:
        """How long the next one is to be waited for; 0 when all have answered, or time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0 or not (self._silent or self._missing > 0):
            return 0
        return max(left, SHORTEST_WAIT)

    def add(self, popped: Any) -> None:
        """What BLPOP gave: list and name, or None."""
        if popped:
            self._silent.discard(popped[1])
            self._missing -= 1


def get_cached_playlist(video_name: str) -> str | None:
    """The cached playlist of a video as text, or None."""
    try:
        body = _client().hget(PREFIX + video_name, _field(MAIN))
    except (redis.RedisError, OSError):
        return None
    found = _from_bytes(body) if isinstance(body, bytes) else None
    try:
        return gzip.decompress(found.body).decode() if found else None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None


def set_cached_playlist(video_name: str, m3u8_text: str) -> None:
    """Caches a playlist for PLAYLIST_CACHE_TTL_SECONDS. Does nothing while Redis is away."""
    playlist = CachedPlaylist(gzip.compress(m3u8_text.encode(), GZIP_LEVEL, mtime=0))
    try:
        client, settings = _client(), _settings()
        invalidate(client, video_name)  # what other processes keep of the one before
        generation: Any = client.get(GENERATION + video_name)
        values = _put_arguments(
            video_name, playlist, MAIN, stored.text(generation or b"0") or "",
            ttl=settings.playlist_cache_ttl_seconds, budget=settings.playlist_cache_bytes,
        )  # fmt: skip
        keys = _put_keys(video_name)
        client.eval(_PUT, len(keys), *keys, *values)
    except (redis.RedisError, OSError) as error:
        log.warning("playlist not cached", extra={"error": type(error).__name__})


def invalidate_playlist_cache(video_name: str) -> None:
    """Forgets all cached playlists of a video. Does nothing while Redis is away: nothing can be read then either."""
    try:
        invalidate(_client(), video_name)
    except (redis.RedisError, OSError) as error:
        log.warning("playlist cache not cleared", extra={"error": type(error).__name__})


def invalidate(client: redis.Redis, name: str) -> None:
    """Like PlaylistCache.invalidate, for threads. Raises RedisError."""
    token, keys = os.urandom(8).hex(), _forget_keys(name)
    found: Any = client.eval(_FORGET, len(keys), *keys, *_forget_arguments(client, name, token))
    answers = _Answers(found[0], found[1:])
    while left := answers.seconds_left():
        answers.add(client.blpop([FORGOTTEN + token], timeout=min(left, LONGEST_WAIT)))


def _forget_keys(name: str) -> list[str]:
    return [PREFIX + name, GENERATION + name, HOLDERS]


def make_room(client: redis.Redis) -> None:
    """Drops the eldest playlists where Redis is short of memory. Raises RedisError."""
    client.eval(_MAKE_ROOM, 0)


def _put_keys(name: str) -> list[str]:
    return [PREFIX + name, GENERATION + name]


def _put_arguments(
    name: str, playlist: CachedPlaylist, slot: str, generation: str, *, ttl: int, budget: int
) -> list[str | int | bytes]:
    return [generation, ttl, _field(slot), playlist.to_bytes(), name, budget]


def _forget_arguments(client: redis.Redis | redis.asyncio.Redis, name: str, token: str) -> list[str | int]:
    return [name, GENERATION_SECONDS, channel(client, CHANNEL), json.dumps({"video": name, "token": token})]


def slot(kind: str, rendition: str) -> str:
    """Where one of a video's playlists is cached. `kind` and `rendition`: what was asked for, '' for the main one."""
    return f"{kind}:{rendition}"  # no kind holds a colon


def _field(slot: str) -> str:
    return f"body:{slot}"


_settings = worker_settings  # all that is needed here: workers clear the cache too


@cache
def _client() -> redis.Redis:
    return sync_client(_settings(), REQUEST)
