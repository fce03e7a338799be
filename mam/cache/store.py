"""Rendered, signed and compressed playlists in Redis.

An outage of Redis makes answers slower, never wrong: reads then find nothing and writes do nothing.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import redis
import redis.asyncio

from mam import stored
from mam.cache.invalidation import invalidate_from_loop
from mam.cache.lua import GENERATION, MAKE_ROOM, PREFIX, PUT
from mam.hls.recipe import satisfies

GZIP_LEVEL = 6
AGE_BYTES = 4  # `max_age` takes this many bytes of a cached playlist.
GZIP_MAGIC = b"\x1f\x8b"
MAIN = ":"  # slot("", ""): requests without options get this playlist.

log = logging.getLogger(__name__)


def compressed(playlist: str) -> bytes:
    """A playlist's text as the cache and most clients take it."""
    return gzip.compress(playlist.encode(), GZIP_LEVEL, mtime=0)


@dataclass(frozen=True, slots=True)
class CachedPlaylist:
    """A playlist as it is sent. `body`: gzip. `max_age`: seconds for which a client may keep it.

    `form` is a digest of what was baked into its URLs ('' for any): a process with other settings does not serve it.
    `source` is `bucket/key` of the asset, `kinds` the kinds that the playlist satisfies (words such as `source`,
    `auto.fmp4`, separated by spaces); both are empty where unknown.
    """

    body: bytes
    source: str = ""
    kinds: str = ""
    max_age: int = 0
    form: str = ""

    def fits(self, source: str, kind: str) -> bool:
        """Whether the playlist satisfies a request (empty: any). A tree of another tool satisfies every request."""
        return satisfies(self.kinds, kind) and (not source or self.source in (source, ""))

    def to_bytes(self) -> bytes:
        """`max_age`, then `source`, `kinds` and `form`, a line each (none holds line breaks), then the body."""
        lines = f"{self.source}\n{self.kinds}\n{self.form}\n"
        return self.max_age.to_bytes(AGE_BYTES, "big") + lines.encode() + self.body


def _from_bytes(data: bytes | None) -> CachedPlaylist | None:
    """Reads what `to_bytes` wrote; None for nothing, and for the format of another version."""
    age, *parts = (data or b"")[:AGE_BYTES], *(data or b"")[AGE_BYTES:].split(b"\n", 3)
    if len(parts) != 4 or not parts[3].startswith(GZIP_MAGIC):
        return None
    lines = stored.texts(parts[:3])
    return (
        CachedPlaylist(parts[3], lines[0], lines[1], int.from_bytes(age, "big"), lines[2]) if len(lines) == 3 else None
    )


@dataclass(frozen=True, slots=True)
class Lookup:
    """A cached playlist with its remaining `seconds`. One built instead is put with this `generation`."""

    playlist: CachedPlaylist | None
    generation: str | None  # None while Redis is away: then nothing is cached
    seconds: float = 0


class PlaylistCache:
    """The cache for the VoD service: coroutines, several names at once, gzip bytes as they are sent."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        ttl: int,
        quick: redis.asyncio.Redis | None = None,
        budget: int = 0,
        form: str = "",
    ) -> None:
        """`quick`: a client with short timeouts, for calls that may fail. `budget`: bytes; 0: by maxmemory.

        `form`: that of the playlists of this process.
        """
        self._client = client
        self._quick = quick or client
        self._ttl = ttl
        self._budget = budget
        self._form = form
        self._put = self._quick.register_script(PUT)

    async def get(self, names: Sequence[str], slot: str = MAIN) -> list[Lookup]:
        """The playlists of several videos, in one round trip. `slot`: which one of each video (see `slot`)."""
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
            Lookup(self._own(_from_bytes(data)), stored.text(generation or b"0"), (milliseconds or 0) / 1000)
            for data, milliseconds, generation in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        ]

    async def put(self, name: str, playlist: CachedPlaylist, slot: str, generation: str | None) -> None:
        """Caches a playlist for the cache's lifetime, counted from the first of the video's playlists.

        Does nothing when the video was invalidated after `generation` was read, or while Redis is short of memory.
        """
        if generation is None:
            return
        written = replace(playlist, form=self._form)
        values = _put_arguments(name, written, slot, generation, ttl=self._ttl, budget=self._budget)
        try:
            await self._put(keys=_put_keys(name), args=values)
        except (redis.RedisError, OSError) as error:
            log.warning("playlist not cached", extra={"error": type(error).__name__})

    def _own(self, playlist: CachedPlaylist | None) -> CachedPlaylist | None:
        """The playlist, unless a process with other settings rendered it."""
        return playlist if playlist and playlist.form in ("", self._form) else None

    async def invalidate(self, name: str) -> None:
        """Forgets all playlists of a video, in every process (mam/cache/invalidation.py). Raises RedisError."""
        await invalidate_from_loop(self._client, name)


def read(client: redis.Redis, name: str) -> CachedPlaylist | None:
    """A video's main playlist, for threads. Raises RedisError."""
    body = client.hget(PREFIX + name, _field(MAIN))
    return _from_bytes(body) if isinstance(body, bytes) else None


def write(client: redis.Redis, name: str, playlist: CachedPlaylist, *, ttl: int, budget: int) -> None:
    """Caches a video's main playlist, for threads: like PlaylistCache.put. Raises RedisError."""
    generation: Any = client.get(GENERATION + name)
    keys = _put_keys(name)
    values = _put_arguments(name, playlist, MAIN, stored.text(generation or b"0") or "", ttl=ttl, budget=budget)
    client.eval(PUT, len(keys), *keys, *values)


def make_room(client: redis.Redis) -> None:
    """Drops the oldest playlists where Redis is short of memory. Raises RedisError."""
    client.eval(MAKE_ROOM, 0)


def slot(kind: str, rendition: str, default: str = "", *, most: int = 0) -> str:
    """The slot of one of a video's playlists. `kind` and `rendition`: those of the request, '' for the main ones.

    `default`: the kind that is made where there is no main stream yet, if the request says one. `most`: the limit on
    the height of pictures; 0 for none.
    """
    wanted = f"~{default}" if default and not kind else kind
    return limited(f"{wanted}:{rendition}", most)  # no kind holds a colon, nor begins with a tilde


def limited(slot: str, most: int) -> str:
    """The slot of the same playlist without pictures that exceed a limit; 0 for none."""
    return f"{most}!{slot}" if most else slot  # no kind holds an exclamation mark


def _put_keys(name: str) -> list[str]:
    return [PREFIX + name, GENERATION + name]


def _put_arguments(
    name: str, playlist: CachedPlaylist, slot: str, generation: str, *, ttl: int, budget: int
) -> list[str | int | bytes]:
    return [generation, ttl, _field(slot), playlist.to_bytes(), name, budget]


def _field(slot: str) -> str:
    return f"body:{slot}"
