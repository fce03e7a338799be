"""The share links of an installation: in the VoD bucket, where Redis cannot lose them, and in every process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import redis.asyncio
from redis.exceptions import LockError, RedisError

from mam import stored
from mam.access import shares
from mam.access.grants import Grant
from mam.access.shares import Share, digest_of
from mam.access.tokens import InvalidToken
from mam.background import Periodic
from mam.cache.invalidation import invalidate_from_loop
from mam.cache.memory import PlaylistMemory
from mam.errors import MamError, NotFound, StoreUnavailable, Unavailable
from mam.naming import SHARES

TOPIC = "/shares"  # Changes are told like the invalidation of a video; no video has such a name.
# One process changes the file at a time. The lock lasts longer than a read, a write and an invalidation may take.
LOCK, LOCK_SECONDS, WAIT_SECONDS = "mam:shares:lock", 30, 20
VIEWS = "mam:shares:views"  # A hash of the number of views by the id of the share.
VIEWS_SECONDS = 2.0  # Views are counted here, and added up in Redis this often.
MOST = 10_000  # So many links may exist: every process has all of them in memory.
JSON = "application/json"


class NoShare(NotFound):
    code, title, hint = "no_share", "There is no such link", "GET /shares lists those that exist."


class TooManyShares(MamError):
    status, code, title = 409, "too_many_shares", "Too many links exist"
    hint = "Revoke some that are no longer needed: GET /shares lists them."


class Store(Protocol):
    def get(self, bucket: str, key: str) -> bytes | None: ...

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None: ...


Links = Mapping[str, tuple[Share, Grant]]  # by digest


class ShareLinks(Periodic):
    """Reads and changes the links; this process knows them while its memory of playlists has a lease."""

    def __init__(self, store: Store, bucket: str, client: redis.asyncio.Redis, memory: PlaylistMemory) -> None:
        super().__init__("views of share links", VIEWS_SECONDS)
        self._store = store
        self._bucket = bucket
        self._client = client
        self._memory = memory
        self._known: Links | None = None  # current while the lease holds
        self._views: dict[str, int] = {}
        memory.on_forgotten(TOPIC, self._forget)

    # for viewers

    def current(self, key: str) -> Grant | None:
        """What a link permits, if this process knows that; else `find` it."""
        links = self._known if self._memory.is_leased else None
        found = links.get(digest_of(key)) if links is not None else None
        return found[1] if found else None

    async def find(self, key: str) -> tuple[Share, Grant]:
        """The link with a key, and what it permits. Raises InvalidToken for one that is not known or has expired.

        Raises StoreUnavailable where the links must be read: what was known before may have been revoked.
        """
        found = (await self._current()).get(digest_of(key)) if shares.is_key(key) else None
        if found is None or not found[1].is_current(time.time()):
            raise InvalidToken("The link has expired, or was revoked.")
        return found

    async def _current(self) -> Links:
        known = self._known if self._memory.is_leased else None
        return await self._read() if known is None else known

    def count(self, grant: Grant, scope: Mapping[str, Any]) -> None:
        """Counts a view: a player was given the first playlist of a video, which names no rendition."""
        if scope["method"] == "GET" and b"rendition=" not in scope["query_string"]:
            self._views[grant.share] = self._views.get(grant.share, 0) + 1

    async def take_turn(self) -> None:
        """Adds the views of this process to those of all. While Redis is away, they wait for a later turn."""
        if not self._views:
            return
        views = dict(self._views)
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                for share_id, number in views.items():
                    pipe.hincrby(VIEWS, share_id, number)
                await pipe.execute()
        except RedisError:
            return
        for share_id, number in views.items():
            self._views[share_id] -= number
        self._views = {share_id: number for share_id, number in self._views.items() if number}

    async def stop(self) -> None:
        await super().stop()
        await self.take_turn()

    # for those who share

    async def listed(self) -> list[tuple[Share, int]]:
        """All links that have not expired, the newest first, with the number of views. Raises StoreUnavailable."""
        links = await self._from_store()
        counts = stored.mapping(await self._views_by_id())
        if gone := counts.keys() - {share.id for share in links}:  # the last views of links that have ended
            await self._client.hdel(VIEWS, *gone)
        found = [(share, (stored.whole(counts.get(share.id)) or 0) + self._views.get(share.id, 0)) for share in links]
        return sorted(found, key=lambda pair: -pair[0].created)

    async def add(self, share: Share) -> None:
        """Raises TooManyShares, StoreUnavailable, RedisError."""
        async with self._changing() as links:
            if len(links) >= MOST:
                raise TooManyShares(f"There are {MOST:,} already.")
            await self._write([*links, share])

    async def revoke(self, share_id: str) -> Share:
        """Returns when no process lets its viewers in any more. Raises NoShare, StoreUnavailable, RedisError."""
        async with self._changing() as links:
            revoked = next((share for share in links if share.id == share_id), None)
            if revoked is None:
                # An earlier request may have removed it, and failed before all processes knew.
                await invalidate_from_loop(self._client, TOPIC)
                raise NoShare(f"No link has the id {share_id[:80]!r}.")
            await self._write([share for share in links if share is not revoked])
        await self._client.hdel(VIEWS, share_id)
        return revoked

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[list[Share]]:
        """The links, while no other process changes them."""
        lock = self._client.lock(LOCK, timeout=LOCK_SECONDS, blocking_timeout=WAIT_SECONDS)
        try:
            async with lock:
                yield await self._from_store()
        except LockError as error:
            raise Unavailable("Another request is changing the links.", hint="Ask again.") from error

    async def _write(self, links: list[Share]) -> None:
        await asyncio.to_thread(self._store.put, self._bucket, SHARES, shares.written(links), JSON)
        await invalidate_from_loop(self._client, TOPIC)

    async def _read(self) -> Links:
        count = self._memory.invalidations
        found = {share.digest: (share, share.grant) for share in await self._from_store()}
        if count == self._memory.invalidations:
            self._known = found
        return found

    async def _from_store(self) -> list[Share]:
        """The links that have not expired. Raises StoreUnavailable, also where their file cannot be read."""
        raw = await asyncio.to_thread(self._store.get, self._bucket, SHARES)
        if raw is None:
            return []
        try:
            links = shares.read(raw)
        except ValueError as error:
            raise StoreUnavailable(f"{self._bucket}/{SHARES}: {error}.") from error
        now = time.time()
        return [share for share in links if share.expires > now]

    async def _views_by_id(self) -> dict[bytes, bytes]:
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(VIEWS)
            (counts,) = stored.answers(await pipe.execute(raise_on_error=False))
        return counts or {}

    def _forget(self) -> None:
        self._known = None
