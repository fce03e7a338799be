"""The protocol by which all processes forget a video's playlists.

A process may answer from memory while it holds a lease (mam/cache/memory.py). An invalidation is published to all
processes with a token, and each confirms it in the token's list. The invalidating process waits for all confirmations,
or until the lease of a silent process has run out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio

from mam.cache.lua import FORGET, GENERATION, PREFIX
from mam.events import channel

CHANNEL = "mam:playlist-forget"
HOLDERS = "mam:playlist-holders"  # This sorted set holds processes by the end of their lease.
FORGOTTEN = "mam:playlist-forgotten:"  # Followed by a token: the list of the processes that have confirmed.
GENERATION_SECONDS = 24 * 3600  # A generation is kept far longer than any playlist takes to build.
LEASE_SECONDS = 2  # A process may answer from memory this long after its last beat.
SHORTEST_WAIT = 0.01  # A wait is at least this many seconds: Redis rounds down to milliseconds, and 0 waits for ever.
LONGEST_WAIT = 1.0  # One blocking read of Redis is at most this long: less than the client's own timeout.


def invalidate(client: redis.Redis, name: str) -> None:
    """Forgets all playlists of a video in every process; returns when no process answers from memory any more.

    Raises RedisError: then the playlists may still be served.
    """
    token, keys = os.urandom(8).hex(), _keys(name)
    reply: Any = client.eval(FORGET, len(keys), *keys, *_arguments(client, name, token))
    answers = _Answers(reply[0], reply[1:])
    while left := answers.seconds_left():
        answers.add(client.blpop([FORGOTTEN + token], timeout=min(left, LONGEST_WAIT)))


async def invalidate_from_loop(client: redis.asyncio.Redis, name: str) -> None:
    """Like `invalidate`, for coroutines."""
    token, keys = os.urandom(8).hex(), _keys(name)
    receivers, *holders = await client.eval(FORGET, len(keys), *keys, *_arguments(client, name, token))
    answers = _Answers(receivers, holders)
    while left := answers.seconds_left():
        answers.add(await client.blpop([FORGOTTEN + token], timeout=min(left, LONGEST_WAIT)))


class _Answers:
    """The missing confirmations. `receivers`: how many processes got the message; `holders`: the lease holders."""

    def __init__(self, receivers: int, holders: Sequence[bytes]) -> None:
        self._missing = receivers
        self._silent = set(holders)
        self._deadline = time.monotonic() + LEASE_SECONDS + 1  # by then the leases of silent processes have run out

    def seconds_left(self) -> float:
        """The longest time to wait for the next confirmation; 0 when none is missing, or the time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0 or not (self._silent or self._missing > 0):
            return 0
        return max(left, SHORTEST_WAIT)

    def add(self, popped: Any) -> None:
        """Adds a confirmation. `popped`: the reply of BLPOP, list and process name, or None."""
        if popped:
            self._silent.discard(popped[1])
            self._missing -= 1


def _keys(name: str) -> list[str]:
    return [PREFIX + name, GENERATION + name, HOLDERS]


def _arguments(client: redis.Redis | redis.asyncio.Redis, name: str, token: str) -> list[str | int]:
    return [name, GENERATION_SECONDS, channel(client, CHANNEL), json.dumps({"video": name, "token": token})]
