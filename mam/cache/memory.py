"""Cached playlists in this process's memory, served while they are known to be current.

A lease ensures that. The process sends beats through Redis to itself, over the same connection on which it receives
invalidations: a beat that returns proves that every message published before it has arrived. The process that clears a
playlist waits until each process has confirmed, or until the lease of a silent one has run out. So no later request
gets a cleared playlist, and a cached playlist costs no round trip.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import redis
import redis.asyncio

from mam import stored
from mam.background import ended, supervised
from mam.cache.invalidation import CHANNEL, FORGOTTEN, HOLDERS, LEASE_SECONDS
from mam.cache.response import Answers
from mam.events import channel

MOST = 256  # The memory holds this many playlists: some 50 KB each for a two-hour film.
BEAT_SECONDS = LEASE_SECONDS / 4  # A process sends beats this often.
RECONNECT_SECONDS = 0.5  # A lost subscription is renewed after this time.
TOKEN_SECONDS = 10  # The list of confirmations of an invalidation is kept this long.

# A full Redis refuses the first command of a script that needs memory, unless another write came before it: so each of
# these scripts begins with a write that needs none.

# Renews a process's lease. ARGV: its name, seconds, the moment of the beat, which is published to the process itself.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PUBLISH', ARGV[1], ARGV[3])
"""

# Confirms an invalidation. ARGV: the process's name, seconds to keep the confirmation.
_FORGOTTEN = """
redis.call('PERSIST', KEYS[1])
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Forget:
    """An invalidation message: the video, and the token for the confirmation."""

    video: str
    token: str


class PlaylistMemory:
    """The playlists of one process. Without a lease it serves none, and every request reads Redis."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._beat_script = client.register_script(_BEAT)
        self._forgotten_script = client.register_script(_FORGOTTEN)
        self._name = f"{CHANNEL}:{os.urandom(8).hex()}"  # also the channel of its beats
        self._answers: OrderedDict[tuple[str, str], tuple[float, Answers]] = OrderedDict()
        self._leased_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._forgetters: dict[str, Callable[[], None]] = {}
        self.invalidations = 0  # counts invalidations: a playlist read before one may be out of date

    def get(self, name: str, slot: str) -> Answers | None:
        """A playlist that is certainly current; None when Redis must be read."""
        entry = self._answers.get((name, slot))
        return entry[1] if entry and time.monotonic() < min(self._leased_until, entry[0]) else None

    def keep(self, name: str, slot: str, answers: Answers, *, seconds: float, invalidations: int) -> None:
        """Keeps a playlist that stays in the cache for `seconds`. `invalidations`: their count before it was read."""
        now = time.monotonic()
        if invalidations != self.invalidations or now >= self._leased_until:
            return
        self._answers[name, slot] = (now + seconds, answers)
        self._answers.move_to_end((name, slot))
        while len(self._answers) > MOST:
            self._answers.popitem(last=False)

    @property
    def is_leased(self) -> bool:
        """Whether this process certainly has received every invalidation up to now."""
        return time.monotonic() < self._leased_until

    def on_forgotten(self, name: str, forget: Callable[[], None]) -> None:
        """Has `forget` called before an invalidation of `name` is confirmed, and whenever one may have been missed."""
        self._forgetters[name] = forget

    async def start(self) -> None:
        self._task = supervised("kept playlists", self._run)

    async def stop(self) -> None:
        if self._task:
            await ended(self._task)
            with suppress(redis.RedisError, OSError):
                await self._client.zrem(HOLDERS, self._name)  # so that no process waits for its confirmation

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
                        else:  # the client has reconnected by itself: messages may be lost
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
            with suppress(redis.RedisError, OSError):  # without Redis the lease runs out
                moment = time.monotonic()  # taken before the beat is sent: the lease ends first in this process
                await self._beat_script(keys=[HOLDERS], args=[self._name, LEASE_SECONDS, moment])
            await asyncio.sleep(BEAT_SECONDS)

    async def _hear(self, channel_name: bytes, data: bytes) -> None:
        if channel_name == self._name.encode():
            beat = stored.number(data, most=time.monotonic())  # a beat from the future is not ours
            if beat is not None:
                self._leased_until = beat + LEASE_SECONDS
            return
        invalidation = stored.read(_Forget, data)
        if invalidation is None:  # an unreadable invalidation may concern any playlist
            self._forget_all()
            return
        self.invalidations += 1
        for key in [key for key in self._answers if key[0] == invalidation.video]:
            del self._answers[key]
        if invalidation.video in self._forgetters:
            self._forgetters[invalidation.video]()
        await self._forgotten_script(keys=[FORGOTTEN + invalidation.token], args=[self._name, TOKEN_SECONDS])

    def _forget_all(self) -> None:
        self.invalidations += 1
        self._answers.clear()
        for forget in self._forgetters.values():
            forget()
