"""Cached playlists that this process answers from memory, for as long as it can be sure that they still hold.

A lease says so. The process sends beats through Redis to itself, over the very connection on which it hears what to
forget: a beat that has come back proves that everything published before it was heard. The process that
clears a playlist waits until each process has said that it forgot, or until the lease of a silent one has run out. So a
cleared playlist is given to no later request, and a cached one costs no round trip.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

import redis
import redis.asyncio

from mam import stored
from mam.background import ended, supervised
from mam.cache.invalidation import CHANNEL, FORGOTTEN, HOLDERS, LEASE_SECONDS
from mam.cache.response import Answers
from mam.events import channel

MOST = 256  # playlists at hand: some 50 KB each for a two-hour film
BEAT_SECONDS = LEASE_SECONDS / 4
RECONNECT_SECONDS = 0.5
TOKEN_SECONDS = 10  # that the list of those who forgot is kept

# A full Redis refuses a script the first command that needs memory, unless another write came before it: so each of
# these begins with one that needs none.

# A process's lease begins again. ARGV: its name, seconds, the moment at which it said so, for its own ears.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PUBLISH', ARGV[1], ARGV[3])
"""

# A process has forgotten what it was told to. ARGV: its name, seconds to keep its word.
_FORGOTTEN = """
redis.call('PERSIST', KEYS[1])
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Forget:
    """A video whose playlists are to be forgotten, and where to say that they are."""

    video: str
    token: str


class PlaylistMemory:
    """One per process. Without a lease nothing is at hand, and Redis is asked each time."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._beat_script = client.register_script(_BEAT)
        self._forgotten_script = client.register_script(_FORGOTTEN)
        self._name = f"{CHANNEL}:{os.urandom(8).hex()}"  # also the channel of its beats
        self._answers: OrderedDict[tuple[str, str], tuple[float, Answers]] = OrderedDict()
        self._leased_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self.forgotten = 0  # goes up with whatever is forgotten: what was read before that may be out of date

    def get(self, name: str, slot: str) -> Answers | None:
        """A playlist that is cached now, for certain; None when Redis is to be asked."""
        found = self._answers.get((name, slot))
        return found[1] if found and time.monotonic() < min(self._leased_until, found[0]) else None

    def keep(self, name: str, slot: str, answers: Answers, *, seconds: float, read_at: int) -> None:
        """Keeps what was read from the cache, where it stays for `seconds`. `read_at`: `forgotten` before the read."""
        now = time.monotonic()
        if read_at != self.forgotten or now >= self._leased_until:
            return
        self._answers[name, slot] = (now + seconds, answers)
        self._answers.move_to_end((name, slot))
        while len(self._answers) > MOST:
            self._answers.popitem(last=False)

    async def start(self) -> None:
        self._task = supervised("kept playlists", self._run)

    async def stop(self) -> None:
        if self._task:
            await ended(self._task)
            with suppress(redis.RedisError, OSError):
                await self._client.zrem(HOLDERS, self._name)  # so that no process waits for its word

    async def _run(self) -> None:
        while True:
            beats = None
            try:
                async with self._client.pubsub() as subscription:
                    await subscription.subscribe(channel(self._client, CHANNEL), self._name)
                    beats = supervised("beats of kept playlists", self._beat)
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            await self._hear(message["channel"], message["data"])
                        else:  # the client has connected anew by itself, and what was said meanwhile is lost
                            self._leased_until = 0.0
                            self._forget_all()
            except (redis.RedisError, OSError) as error:
                log.debug("playlists not kept", extra={"error": type(error).__name__})
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                self._leased_until = 0.0
                self._forget_all()
                if beats:
                    beats.cancel()

    async def _beat(self) -> None:
        while True:
            with suppress(redis.RedisError, OSError):  # then the lease runs out
                moment = time.monotonic()  # before Redis hears it: the lease ends here first
                await self._beat_script(keys=[HOLDERS], args=[self._name, LEASE_SECONDS, moment])
            await asyncio.sleep(BEAT_SECONDS)

    async def _hear(self, heard: bytes, data: bytes) -> None:
        if heard == self._name.encode():
            beat = stored.number(data, most=time.monotonic())  # one that was not sent yet is not ours
            if beat is not None:
                self._leased_until = beat + LEASE_SECONDS
            return
        told = stored.read(_Forget, data)
        if told is None:  # whatever it means, nothing that is kept here holds for certain
            self._forget_all()
            return
        self.forgotten += 1
        for key in [key for key in self._answers if key[0] == told.video]:
            del self._answers[key]
        await self._forgotten_script(keys=[FORGOTTEN + told.token], args=[self._name, TOKEN_SECONDS])

    def _forget_all(self) -> None:
        self.forgotten += 1
        self._answers.clear()
