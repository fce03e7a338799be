"""What counts as one device, and how often Redis hears of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cachetools import TTLCache
from redis.exceptions import ConnectionError as RedisAway

from mam.access import streams
from mam.access.grants import Grant
from mam.access.streams import SEEN_SECONDS, SILENT_SECONDS, Device, Streams, TooManyStreams

GRANT = Grant("films/a.mp4", expires=1e12, begins=0, key_id="k", viewer="a viewer", max_streams=1)
TELEVISION = Device.of(GRANT, address="203.0.113.7", agent=b"television")


def scripted(*answers: Any) -> tuple[Streams, list[Any]]:
    """Streams over a Redis that gives these answers. The list grows with each question."""
    asked: list[Any] = []
    left = list(answers)

    async def script(*, keys: list[str], args: list[Any]) -> Any:
        asked.append((keys, args))
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client: Any = SimpleNamespace(register_script=lambda _: script)
    return Streams(client), asked


@pytest.mark.parametrize(
    ("address", "agent", "viewer", "is_same"),
    [
        ("203.0.113.7", b"television", "a viewer", True),
        ("203.0.113.8", b"television", "a viewer", False),
        ("203.0.113.7", b"telephone", "a viewer", False),
        ("203.0.113.7", b"television", "another", False),
        ("203.0.113.", b"7television", "a viewer", False),
    ],
)
def test_a_device_is_a_viewers_address_and_user_agent(address: str, agent: bytes, viewer: str, is_same: bool) -> None:
    other = Device.of(replace(GRANT, viewer=viewer), address=address, agent=agent)
    assert (other == TELEVISION) is is_same


def test_a_device_stays_one_while_it_changes_its_own_part_of_the_address_and_its_token() -> None:
    one, same, other = (
        Device.of(GRANT, address=address, agent=b"") for address in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:1::1")
    )
    assert one == same != other
    assert Device.of(replace(GRANT, subject="films/b.mp4", key_id="l"), address="2001:db8::3", agent=b"") == one


IPHONE = b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
MACINTOSH = b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
SAFARI, CHROME = b"Version/17.5 Safari/605.1.15", b"Chrome/126.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("browser", "player", "is_same"),
    [
        (IPHONE + SAFARI, b"AppleCoreMedia/1.0.0.21F79 (iPhone; U; CPU OS 17_5 like Mac OS X; en_us)", True),
        (IPHONE + b"CriOS/126.0 Mobile/15E148 " + SAFARI, b"AppleCoreMedia/1.0.0.21F79 (iPhone; U; CPU OS 17_5)", True),
        (MACINTOSH + SAFARI, b"AppleCoreMedia/1.0.0.21F79 (iPad; U; CPU OS 17_5 like Mac OS X; de_de)", True),
        (MACINTOSH + SAFARI, b"AppleCoreMedia/1.0.0.23F79 (Macintosh; U; Intel Mac OS X 14_5; de_de)", True),
        (MACINTOSH + SAFARI, b"AppleCoreMedia/1.0.0.21F79 (iPhone; U; CPU OS 17_5 like Mac OS X; en_us)", False),
        (MACINTOSH + CHROME, MACINTOSH + SAFARI, False),
        (MACINTOSH + CHROME, MACINTOSH + CHROME.replace(b"126", b"127"), False),
    ],
)
def test_the_player_of_an_apple_device_and_its_browser_are_one_device(
    browser: bytes, player: bytes, is_same: bool
) -> None:
    one, other = (Device.of(GRANT, address="203.0.113.7", agent=agent) for agent in (browser, player))
    assert (one == other) is is_same


def test_redis_is_asked_once_for_many_requests_and_again_for_what_it_refused() -> None:
    async def claim() -> None:
        found, asked = scripted(0, 1)
        with pytest.raises(TooManyStreams, match="One device"):
            await found.admit(TELEVISION, 1)
        assert not found.has_seen(TELEVISION)
        for _ in range(5):
            await found.admit(TELEVISION, 1)
        assert found.has_seen(TELEVISION)
        assert len(asked) == 2
        assert asked[0] == ([f"{streams.PREFIX}{TELEVISION.viewer}"], [TELEVISION.name, 1, SILENT_SECONDS, 1])

    asyncio.run(claim())


def test_while_redis_is_away_all_may_play() -> None:
    async def claim() -> None:
        found, _ = scripted(RedisAway("away"))
        await found.admit(TELEVISION, 1)
        assert found.has_seen(TELEVISION)

    asyncio.run(claim())


def test_a_process_remembers_a_device_for_less_time_than_it_may_be_silent() -> None:
    assert SEEN_SECONDS * 2 <= SILENT_SECONDS
    found, _ = scripted()
    memory = found._seen
    assert isinstance(memory, TTLCache)
    assert (memory.maxsize, memory.ttl) == (streams.MOST, SEEN_SECONDS)
