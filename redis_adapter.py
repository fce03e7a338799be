"""The playlist cache: rendered, signed and compressed playlists in Redis.

A video's playlists lie in one hash, so that one command forgets them all. Redis being away makes answers slower, never
wrong: reads then find nothing and writes do nothing.
"""

from __future__ import annotations

import gzip
import logging
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import redis.asyncio

from mam.events import sync_client
from mam.settings import Settings

PREFIX = "mam:playlist:"
GENERATION = "mam:playlist-generation:"
GZIP_LEVEL = 6
AGE_BYTES = 4
STAMP_BYTES = 8
KEPT_PLAYLISTS = 256  # some 50 KB each for a two-hour film
GZIP_MAGIC = b"\x1f\x8b"

log = logging.getLogger(__name__)


# A playlist that was built while its video was invalidated is out of date: the generation tells.
_PUT = """
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4], 'source', ARGV[5], 'profile', ARGV[6], ARGV[7], ARGV[8])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return 1
"""
GENERATION_SECONDS = 24 * 3600  # far longer than any playlist takes to build


@dataclass(frozen=True, slots=True)
class CachedPlaylist:
    """A playlist as it is sent. `body`: gzip. `max_age`: seconds that a client may keep it.

    `source` is `bucket/key` of the asset, `profile` how it was made; empty where nobody knows.
    """

    body: bytes
    source: str = ""
    profile: str = ""
    max_age: int = 0

    def fits(self, source: str, profile: str) -> bool:
        """Whether this is what is asked for. A tree of another tool says nothing, and does as anything."""
        return self.source in (source, "") and (not profile or self.profile in (profile, ""))

    def to_bytes(self) -> bytes:
        return self.max_age.to_bytes(AGE_BYTES, "big") + self.body


def _from_bytes(data: bytes | None, source: bytes | None, profile: bytes | None) -> CachedPlaylist | None:
    """What `to_bytes` wrote; None for nothing, and for what another version of this program may have left there."""
    if not data or data[AGE_BYTES : AGE_BYTES + 2] != GZIP_MAGIC:
        return None
    age = int.from_bytes(data[:AGE_BYTES], "big")
    return CachedPlaylist(data[AGE_BYTES:], (source or b"").decode(), (profile or b"").decode(), age)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache holds; `generation` is to be given back with what is built in its stead."""

    playlist: CachedPlaylist | None
    generation: str | None  # None while Redis is away: then nothing is to be kept


class PlaylistCache:
    """What the VoD service uses: coroutines, several names at once, gzip bytes as they are sent."""

    def __init__(self, client: redis.asyncio.Redis, *, ttl: int) -> None:
        self._client = client
        self._ttl = ttl
        self._put = client.register_script(_PUT)
        self._kept: OrderedDict[tuple[str, str], tuple[bytes, CachedPlaylist]] = OrderedDict()

    async def get(self, names: Sequence[str], rendition: str = "") -> list[Lookup]:
        """The playlists of several videos, in one round trip; in two when their bytes are not at hand.

        What was read once is kept with its stamp, and Redis asked for the stamp alone: most reads are a few bytes.
        """
        try:
            return await self._lookups(names, rendition)
        except (redis.RedisError, OSError) as error:
            log.warning("playlist cache unavailable", extra={"error": type(error).__name__})
            return [Lookup(None, None)] * len(names)

    async def _lookups(self, names: Sequence[str], rendition: str) -> list[Lookup]:
        async with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hget(PREFIX + name, _stamp(rendition))
                pipe.get(GENERATION + name)
            rows = await pipe.execute()
        lookups = []
        for name, stamp, generation in zip(names, rows[::2], rows[1::2], strict=True):
            kept = self._kept.get((name, rendition))
            if stamp is None:
                playlist = None
            elif kept is not None and kept[0] == stamp:
                playlist = kept[1]
            else:
                playlist = await self._fetch(name, rendition)
            lookups.append(Lookup(playlist, (generation or b"0").decode()))
        return lookups

    async def _fetch(self, name: str, rendition: str) -> CachedPlaylist | None:
        fields = [_stamp(rendition), _body(rendition), "source", "profile"]
        found: list[Any] = await self._client.hmget(PREFIX + name, fields)
        stamp, body, source, profile = found
        playlist = _from_bytes(body, source, profile)
        if playlist is not None and stamp is not None:
            self._kept[name, rendition] = (stamp, playlist)
            self._kept.move_to_end((name, rendition))
            while len(self._kept) > KEPT_PLAYLISTS:
                self._kept.popitem(last=False)
        return playlist

    async def put(self, name: str, playlist: CachedPlaylist, rendition: str, generation: str | None) -> None:
        """Keeps a playlist for the cache's lifetime, counted from the first of the video's playlists.

        Does nothing when the video was invalidated since `generation` was read.
        """
        if generation is None:
            return
        keys = [PREFIX + name, GENERATION + name]
        values: list[str | int | bytes] = [
            generation,
            self._ttl,
            _body(rendition),
            playlist.to_bytes(),
            playlist.source,
            playlist.profile,
            _stamp(rendition),
            os.urandom(STAMP_BYTES),
        ]
        try:
            await self._put(keys=keys, args=values)
        except (redis.RedisError, OSError) as error:
            log.warning("playlist not cached", extra={"error": type(error).__name__})

    async def invalidate(self, name: str) -> None:
        """Forgets all playlists of a video. Raises RedisError: "cleared" must be true when it is said."""
        async with self._client.pipeline(transaction=True) as pipe:
            _forget(pipe, name)
            await pipe.execute()


def get_cached_playlist(video_name: str) -> str | None:
    """The cached playlist of a video as text, or None."""
    try:
        body = _client().hget(PREFIX + video_name, _body(""))
    except (redis.RedisError, OSError):
        return None
    found = _from_bytes(body, None, None) if isinstance(body, bytes) else None
    return gzip.decompress(found.body).decode() if found else None


def set_cached_playlist(video_name: str, m3u8_text: str) -> None:
    """Caches a playlist for PLAYLIST_CACHE_TTL_SECONDS. Does nothing while Redis is away."""
    try:
        with _client().pipeline(transaction=True) as pipe:
            playlist = CachedPlaylist(gzip.compress(m3u8_text.encode(), GZIP_LEVEL, mtime=0))
            fields: Any = {
                _body(""): playlist.to_bytes(),
                _stamp(""): os.urandom(STAMP_BYTES),
            }
            pipe.hset(PREFIX + video_name, mapping=fields)
            pipe.expire(PREFIX + video_name, _settings().playlist_cache_ttl_seconds)
            pipe.execute()
    except (redis.RedisError, OSError) as error:
        log.warning("playlist not cached", extra={"error": type(error).__name__})


def invalidate_playlist_cache(video_name: str) -> None:
    """Forgets all cached playlists of a video. Does nothing while Redis is away: nothing can be read then either."""
    try:
        with _client().pipeline(transaction=True) as pipe:
            _forget(pipe, video_name)
            pipe.execute()
    except (redis.RedisError, OSError) as error:
        log.warning("playlist cache not cleared", extra={"error": type(error).__name__})


def _forget(pipe: Any, name: str) -> None:
    pipe.delete(PREFIX + name)
    pipe.incr(GENERATION + name)
    pipe.expire(GENERATION + name, GENERATION_SECONDS)


def _body(rendition: str) -> str:
    return f"body:{rendition}"


def _stamp(rendition: str) -> str:
    """Another one each time that the body is written."""
    return f"stamp:{rendition}"


@cache
def _settings() -> Settings:
    return Settings()


@cache
def _client() -> redis.Redis:
    return sync_client(_settings())
