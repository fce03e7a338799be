"""Sessions of people at a page, in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from dev.servers import Server
from mam.credentials.known_keys import KnownKeys
from mam.events import async_client
from mam.http.tries import Tries
from mam.web.sessions import Sessions
from tests.integration.system import configuration, settings_of

T = TypeVar("T")


async def with_key_at_once(api_key: str, redis_server: Server, act: Callable[[Sessions], Awaitable[T]]) -> T:
    """What comes of `act` in a service that has this API key."""
    settings = settings_of({**configuration("localhost:1", redis_server.port, db=11), "TRANSCODE_API_KEY": api_key})
    client = async_client(settings)
    try:
        return await act(Sessions(settings, client, KnownKeys(settings), Tries(client)))
    finally:
        await client.aclose()


def with_key(api_key: str, redis_server: Server, act: Callable[[Sessions], Awaitable[T]]) -> T:
    return asyncio.run(with_key_at_once(api_key, redis_server, act))


def test_who_waits_for_the_end_of_a_session_hears_of_it(redis_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended(ours: Sessions, theirs: Sessions) -> None:
        """`theirs`: who ends the session."""
        token, _ = await ours.open("the key of all the sessions that are here", address="a")
        one, other = asyncio.create_task(ours.over(token)), asyncio.create_task(ours.over(token))
        done, _ = await asyncio.wait([one], timeout=0.3)
        assert not done, "it is open"
        await theirs.close(token)
        await asyncio.wait_for(asyncio.gather(one, other), 10)

    async def by_the_same_process(sessions: Sessions) -> None:
        await ended(sessions, sessions)

    async def by_another_process(sessions: Sessions) -> None:
        monkeypatch.setattr("mam.web.sessions.LOOK_SECONDS", 0.05)
        await with_key_at_once(
            "the key of all the sessions that are here", redis_server, lambda others: ended(sessions, others)
        )

    with_key("the key of all the sessions that are here", redis_server, by_the_same_process)
    with_key("the key of all the sessions that are here", redis_server, by_another_process)


def test_a_new_api_key_ends_the_sessions_of_the_old_one(redis_server: Server) -> None:
    old, new = "the old key of all the sessions here", "the new key of all the sessions here"
    token, opened = with_key(old, redis_server, lambda sessions: sessions.open(old, address="a"))
    assert with_key(old, redis_server, lambda sessions: sessions.find(token)) == opened
    for both in (f"{old},{new}", f"{new}, {old}"):  # while one replaces the other
        assert with_key(both, redis_server, lambda sessions: sessions.find(token)) == opened
    assert with_key(new, redis_server, lambda sessions: sessions.find(token)) is None
