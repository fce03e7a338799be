"""Sessions of people at a page, in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dev.servers import Server
from mam.events import async_client
from mam.web.sessions import Sessions
from tests.integration.system import configuration, settings_of

T = TypeVar("T")


def with_key(api_key: str, redis_server: Server, act: Callable[[Sessions], Awaitable[T]]) -> T:
    """What comes of `act` in a service that has this API key."""

    async def run() -> T:
        settings = settings_of({**configuration("localhost:1", redis_server.port, db=11), "TRANSCODE_API_KEY": api_key})
        client = async_client(settings)
        try:
            return await act(Sessions(settings, client))
        finally:
            await client.aclose()

    return asyncio.run(run())


def test_a_new_api_key_ends_the_sessions_of_the_old_one(redis_server: Server) -> None:
    token, ends = with_key("the old key", redis_server, lambda sessions: sessions.open("the old key", address="a"))
    assert with_key("the old key", redis_server, lambda sessions: sessions.ends(token)) == ends
    assert with_key("the new key", redis_server, lambda sessions: sessions.ends(token)) is None
