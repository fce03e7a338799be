"""The protocol by which all processes forget a video's playlists.

Processes may answer from memory while they hold a lease (mam/cache/memory.py). An invalidation is published to them
with a token. Each process says in the token's list that it forgot. The process that invalidates waits for all answers,
or until the lease of a silent one has run out.
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
HOLDERS = "mam:playlist-holders"  # a sorted set: processes by the moment at which their lease ends
FORGOTTEN = "mam:playlist-forgotten:"  # and a token: the list of the processes that forgot
GENERATION_SECONDS = 24 * 3600  # far longer than any playlist takes to build
LEASE_SECONDS = 2
SHORTEST_WAIT = 0.01  # seconds: Redis rounds down to milliseconds, and 0 waits for ever
LONGEST_WAIT = 1.0  # at a time: shorter than a client waits for any answer of Redis


def invalidate(client: redis.Redis, name: str) -> None:
    """Forgets all playlists of a video, in every process: returns when none answers from memory any more.

    Raises RedisError: "cleared" must be true when it is said.
    """
    token, keys = os.urandom(8).hex(), _keys(name)
    found: Any = client.eval(FORGET, len(keys), *keys, *_arguments(client, name, token))
    answers = _Answers(found[0], found[1:])
    while left := answers.seconds_left():
        answers.add(client.blpop([FORGOTTEN + token], timeout=min(left, LONGEST_WAIT)))


async def invalidate_from_loop(client: redis.asyncio.Redis, name: str) -> None:
    """The same for coroutines."""
    token, keys = os.urandom(8).hex(), _keys(name)
    told, *holders = await client.eval(FORGET, len(keys), *keys, *_arguments(client, name, token))
    answers = _Answers(told, holders)
    while left := answers.seconds_left():
        answers.add(await client.blpop([FORGOTTEN + token], timeout=min(left, LONGEST_WAIT)))


class _Answers:
    """Who has yet to say that it forgot. `told`: how many heard of it; `holders`: whose leases ran at that moment."""

    def __init__(self, told: int, holders: Sequence[bytes]) -> None:
        self._missing = told
        self._silent = set(holders)
        self._deadline = time.monotonic() + LEASE_SECONDS + 1  # by then who does not say so may not answer either

    def seconds_left(self) -> float:
        """How long the next one is to be waited for; 0 when all have answered, or time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0 or not (self._silent or self._missing > 0):
            return 0
        return max(left, SHORTEST_WAIT)

    def add(self, popped: Any) -> None:
        """What BLPOP gave: list and name, or None."""
        if popped:
            self._silent.discard(popped[1])
            self._missing -= 1


def _keys(name: str) -> list[str]:
    return [PREFIX + name, GENERATION + name, HOLDERS]


def _arguments(client: redis.Redis | redis.asyncio.Redis, name: str, token: str) -> list[str | int]:
    return [name, GENERATION_SECONDS, channel(client, CHANNEL), json.dumps({"video": name, "token": token})]
