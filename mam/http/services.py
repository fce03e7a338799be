"""The parts that an application's routes use: created at its start, typed, in `app.state.services`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import redis.asyncio
from fastapi import Request

from mam.credentials.known_keys import KnownKeys
from mam.credentials.scopes import Caller
from mam.http.trail import Trail
from mam.http.tries import Tries
from mam.settings import Settings


class Store(Protocol):
    def check(self, bucket: str) -> None: ...

    def check_play_key(self) -> None: ...


class Sessions(Protocol):
    async def caller(self, token: str) -> Caller: ...


class Part(Protocol):
    """A background part of a service. `stop` may be called even after a failed `start`."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of both applications; each adds its own. `stopping`: set when the process gets a stop signal.

    `sessions`: of pages, where there are pages. `keys`: the accepted API keys. `tries`: the wrong ones.
    """

    settings: Settings
    store: Store
    redis: redis.asyncio.Redis
    stopping: asyncio.Event
    keys: KnownKeys
    tries: Tries
    trail: Trail
    sessions: Sessions | None = None


def services_of(request: Request) -> Services:
    """The parts of the application that serves the request."""
    services: Services = request.app.state.services
    return services


async def start(stack: AsyncExitStack, part: Part) -> None:
    """Starts a part. Leaving `stack` stops it, also after this or a later start has failed."""
    stack.push_async_callback(part.stop)
    await part.start()
