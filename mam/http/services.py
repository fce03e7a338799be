"""What an application's routes reach for: made when it starts, in one place (`app.state.services`), with its types."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

import redis.asyncio
from fastapi import Request

from mam.http.tries import Tries
from mam.settings import Settings


class Store(Protocol):
    def check(self, bucket: str) -> None: ...


class Sessions(Protocol):
    async def check(self, token: str) -> None: ...


class Part(Protocol):
    """Something that runs beside the requests. `stop` may be called whatever became of `start`."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """What both applications have; each adds its own. `stopping`: set when the process is told to stop.

    `sessions`: of people at a page, where there are pages. `tries`: of wrong API keys.
    """

    settings: Settings
    store: Store
    redis: redis.asyncio.Redis
    stopping: asyncio.Event
    sessions: Sessions | None = None
    tries: Tries = field(default_factory=Tries)


def services_of(request: Request) -> Services:
    """Those of the application that a request came to."""
    services: Services = request.app.state.services
    return services


async def start(stack: AsyncExitStack, part: Part) -> None:
    """Starts a part. Leaving `stack` stops it: also where this start fails half-way, or a later one."""
    stack.push_async_callback(part.stop)
    await part.start()
