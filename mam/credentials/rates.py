"""How many requests an API key may send: counted in Redis, for all processes of both services together."""

from __future__ import annotations

import time

import redis.asyncio
from redis.exceptions import RedisError

from mam.credentials.api_keys import ApiKey
from mam.errors import MamError

RATE = "mam:rate:"
MINUTE = 60


class TooManyRequests(MamError):
    status, code, title = 429, "too_many_requests", "The API key has sent too many requests"
    hint = "Wait as long as Retry-After says, or ask for a key with a higher rate."

    def __init__(self, detail: str, *, wait: int = MINUTE) -> None:
        super().__init__(detail)
        self.retry_seconds = wait


async def charge(client: redis.asyncio.Redis, key: ApiKey) -> None:
    """Counts a request. Raises TooManyRequests. While Redis is away, none is refused."""
    if not key.rate:
        return
    minute, second = divmod(int(time.time()), MINUTE)
    name = f"{RATE}{key.id}:{minute % 2}"
    try:
        async with client.pipeline(transaction=True) as pipe:
            pipe.set(name, 0, ex=MINUTE - second, nx=True)
            pipe.incr(name)
            _, sent = await pipe.execute()
    except RedisError:
        return
    if sent > key.rate:
        raise TooManyRequests(f"The key {key.id!r} may send {key.rate} a minute.", wait=MINUTE - second)
