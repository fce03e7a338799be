"""The parts of a service that judge API keys, without Redis."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import redis.asyncio
from redis.exceptions import RedisError

from mam.credentials.known_keys import KnownKeys
from mam.http.trail import Trail
from mam.http.tries import Tries
from mam.settings import Settings


class Away:
    """A client of a Redis that is away."""

    def pipeline(self, **_: Any) -> Any:
        raise RedisError("away")

    async def delete(self, *_: Any) -> None:
        raise RedisError("away")


def away() -> redis.asyncio.Redis:
    return cast(redis.asyncio.Redis, Away())


def permissions(key: str) -> SimpleNamespace:
    """The services of an application with one API key."""
    settings = SimpleNamespace(api_keys=lambda: [key], service_keys=lambda: [key], api_keys_file=None)
    client = away()
    keys = KnownKeys(cast(Settings, settings), with_service=True)
    return SimpleNamespace(
        settings=settings, redis=client, sessions=None, keys=keys, tries=Tries(client), trail=Trail(client)
    )
