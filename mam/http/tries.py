"""Wrong keys, counted by address: no address may try keys without end, in headers or at the sign-in."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import suppress

import redis.asyncio
from redis.exceptions import RedisError

from mam.errors import MamError

TRIES, TRIES_SECONDS = 10, 60  # An address may try this many wrong keys in this time.
TRUSTED_SECONDS = 12 * 3600  # An address with a right key is not refused for this long, whatever else comes from it.
KEPT = 10_000  # This many addresses are remembered.
PREFIX = "mam:tries:"


class TooManyAttempts(MamError):
    status, code, title = 429, "too_many_attempts", "Too many wrong keys"
    hint = "Wait a minute, then sign in again."
    retry_seconds = TRIES_SECONDS


class Tries:
    """The wrong keys that all processes received. An address that sent too many is refused, whatever it sends.

    The exception is an address with a recent right key: a stranger behind the same proxy must not lock out an operator.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._trusted: OrderedDict[str, float] = OrderedDict()  # until this time
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()  # counted here while Redis is away

    async def count(self, address: str, *, is_right: bool) -> None:
        """Counts a key from `address`. Raises TooManyAttempts."""
        if time.monotonic() < self._trusted.get(address, 0):
            return
        # An attempt counts before its outcome is used, so that parallel attempts cannot pass the limit.
        if await self._counted(address) > TRIES:
            raise TooManyAttempts(f"{TRIES} wrong keys came from this address.")
        if is_right:
            self._trusted[address] = time.monotonic() + TRUSTED_SECONDS
            _bound(self._trusted)
            await self._forget(address)

    async def _counted(self, address: str) -> int:
        """How many keys have come from an untrusted address lately, this one included."""
        name = PREFIX + address
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.set(name, 0, ex=TRIES_SECONDS, nx=True)
                pipe.incr(name)
                _, number = await pipe.execute()
                return int(number)
        except RedisError:
            return self._counted_here(address)

    def _counted_here(self, address: str) -> int:
        now = time.monotonic()
        started, number = self._failed.get(address, (now, 0))
        if now - started >= TRIES_SECONDS:
            started, number = now, 0
        self._failed[address] = (started, number + 1)
        _bound(self._failed)
        return number + 1

    async def _forget(self, address: str) -> None:
        self._failed.pop(address, None)
        with suppress(RedisError):  # the count ends by itself
            await self._client.delete(PREFIX + address)


def _bound(addresses: OrderedDict[str, tuple[float, int]] | OrderedDict[str, float]) -> None:
    while len(addresses) > KEPT:
        addresses.popitem(last=False)
