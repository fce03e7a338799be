"""Revoked tokens: by their id, their viewer, their key, or what they are for. Known in every process at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from mam import stored
from mam.access.grants import MOST_SECONDS, Grant
from mam.cache.invalidation import invalidate_from_loop
from mam.cache.memory import PlaylistMemory
from mam.errors import MamError, RedisUnavailable

DENIED = "mam:playback:denied"  # A sorted set of denials by their end.
TOPIC = "/denied"  # Changes are told like the invalidation of a video; no video has such a name.
MOST = 10_000  # So many denials may exist: every process has all of them in memory.


class TooManyDenials(MamError):
    status, code, title = 409, "too_many_denials", "Too many denials exist"
    hint = "Remove some that are no longer needed: GET /playback/denials lists them."


Denied = Mapping[str, float]  # The end of each denial in Unix seconds, by `claim:value`.


class Claim(str, Enum):
    """What a denial names."""

    TOKEN = "jti"  # noqa: S105 - the claim's name
    VIEWER = "vid"
    KEY = "kid"
    SUBJECT = "sub"


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal of all tokens with this claim; of `sub`: for all assets that begin with the value, whatever the token.

    `until`: Unix seconds; infinite where an operator ends it.
    """

    claim: Claim
    value: str
    until: float = inf

    @property
    def entry(self) -> str:
        return f"{self.claim.value}:{self.value}"


def is_denied(grant: Grant, source: str, denied: Denied, now: float) -> bool:
    """Whether a denial concerns this use of a grant."""
    named = [f"jti:{grant.token_id}", f"vid:{grant.viewer}", f"kid:{grant.key_id}", f"sub:{source}"]
    named += [f"sub:{source[: at + 1]}" for at, character in enumerate(source) if character == "/"]
    return any(denied.get(entry, 0) > now for entry in named)


class Denials:
    """The denials of all processes, in Redis; this process knows them while its memory of playlists has a lease."""

    def __init__(self, client: redis.asyncio.Redis, quick: redis.asyncio.Redis, memory: PlaylistMemory) -> None:
        """`quick`: a client with short timeouts, for reads on behalf of viewers."""
        self._client = client
        self._quick = quick
        self._memory = memory
        self._known: Denied | None = None  # current while the lease holds
        self._last: Denied | None = None
        memory.on_forgotten(TOPIC, self._forget)

    def current(self) -> Denied | None:
        """The current denials, if this process knows them; else `read` them."""
        return self._known if self._memory.is_leased else None

    async def read(self) -> Denied:
        """The current denials. While Redis is away: the last known ones, for nothing can be revoked meanwhile.

        Raises RedisUnavailable where none were ever read.
        """
        known = self.current()
        if known is not None:
            return known
        count = self._memory.invalidations
        try:
            rows = await self._rows(self._quick)
        except (RedisError, OSError) as error:
            if self._last is None:
                raise RedisUnavailable("Whether the token was revoked is not known.") from error
            return self._last
        self._last = {text: score for entry, score in rows if (text := stored.text(entry)) is not None}
        if count == self._memory.invalidations:
            self._known = self._last
        return self._last

    async def listed(self) -> list[Denial]:
        """All denials, as Redis has them. Raises RedisError."""
        rows = await self._rows(self._client)
        denials = (_denial(stored.text(entry) or "", score) for entry, score in rows)
        return [denial for denial in denials if denial]

    async def add(self, denial: Denial) -> None:
        """Returns when no process lets such a token in any more. Raises TooManyDenials, RedisError."""
        await self._client.zremrangebyscore(DENIED, 0, time.time())
        if await self._client.zcard(DENIED) >= MOST:
            raise TooManyDenials(f"There are {MOST:,} already.")
        await self._client.zadd(DENIED, {denial.entry: denial.until})
        await invalidate_from_loop(self._client, TOPIC)

    async def remove(self, denial: Denial) -> bool:
        """Ends a denial. False where there was none. Raises RedisError."""
        removed = await self._client.zrem(DENIED, denial.entry)
        await invalidate_from_loop(self._client, TOPIC)
        return bool(removed)

    async def add_token(self, token_id: str) -> None:
        """Denies a token until it has certainly expired."""
        await self.add(Denial(Claim.TOKEN, token_id, time.time() + MOST_SECONDS))

    async def _rows(self, client: redis.asyncio.Redis) -> list[tuple[bytes, float]]:
        rows: Any = await client.zrangebyscore(DENIED, time.time(), inf, withscores=True)
        return [(entry, float(end)) for entry, end in rows]

    def _forget(self) -> None:
        self._known = None


def _denial(entry: str, until: float) -> Denial | None:
    claim, _, value = entry.partition(":")
    try:
        return Denial(Claim(claim), value, until)
    except ValueError:
        return None
