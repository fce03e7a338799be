"""Events about jobs, over Redis pub/sub: workers publish them, and the services' processes wait for them.

An event is a hint, never the truth: a subscriber reads the state after subscribing, and again after each event.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio

from mam import connections, stored
from mam.background import ended, guarded, supervised
from mam.connections import REQUEST, TASK, Limits
from mam.settings import Settings

CHANNEL = "mam:job:"
RECONNECT_SECONDS = 0.5
Event = dict[str, Any]
FINAL = ("succeeded", "failed", "cancelled")


def channel(client: redis.Redis | redis.asyncio.Redis, name: str) -> str:
    """The full name of a channel. All databases of a Redis share its channels, and each database is a system."""
    return f"{name}@{client.connection_pool.connection_kwargs.get('db') or 0}"


def script(client: redis.Redis, text: str) -> Callable[..., Any]:
    """A Lua script that may publish: in it, `channel(name)` is the full name of a channel."""
    suffix = channel(client, "")
    return client.register_script(f"local function channel(name) return name .. '{suffix}' end\n{text}")


def publish(client: redis.Redis, job: str, kind: str, **fields: Any) -> None:
    """Publishes that `kind` happened to `job`."""
    client.publish(channel(client, CHANNEL + job), json.dumps({"job": job, "event": kind, **fields}))


def async_client(settings: Settings, limits: Limits = REQUEST) -> redis.asyncio.Redis:
    """A client for the state database, for coroutines. Its subscriptions wait for messages without a limit."""
    return connections.for_coroutines(settings, limits)


def sync_client(settings: Settings, limits: Limits = TASK) -> redis.Redis:
    """A client for the state database, for threads. The default `limits` are those of a worker."""
    return connections.for_threads(settings, limits)


def read_event(data: Any) -> Event | None:
    """An event as it was published; None where it cannot be read. Its `segments`, if any, are whole numbers."""
    event = stored.read_json(data)
    if not isinstance(event, dict) or not isinstance(event.get("job"), str) or not isinstance(event.get("event"), str):
        return None
    segments = event.get("segments", [])
    if segments == {}:  # Lua writes an empty list like this.
        event["segments"] = segments = []
    return event if isinstance(segments, list) and all(type(number) is int for number in segments) else None


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    happened: asyncio.Event
    kinds: frozenset[str] | None


class Listener:
    """One subscription per process, which all waiting requests share: a thousand viewers need one connection."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._waiting: dict[str, set[_Waiter]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[Event], None]] = []

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Registers `callback`, which gets every event before the watchers of its job wake."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        self._task = supervised("events", self._run)

    async def stop(self) -> None:
        if self._task:
            await ended(self._task)

    @asynccontextmanager
    async def watch(self, job: str, kinds: Collection[str] | None = None) -> AsyncIterator[asyncio.Event]:
        """An asyncio.Event that is set whenever something of `kinds` happens to `job`, or may have happened unseen."""
        waiter = _Waiter(asyncio.Event(), None if kinds is None else frozenset(kinds))
        self._waiting[job].add(waiter)
        try:
            yield waiter.happened
        finally:
            self._waiting[job].discard(waiter)
            if not self._waiting[job]:
                del self._waiting[job]

    async def _run(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as subscription:
                    await subscription.psubscribe(channel(self._client, CHANNEL + "*"))
                    async for message in subscription.listen():
                        if message["type"] == "pmessage":
                            if event := read_event(message["data"]):
                                self._happened(event)
                        else:  # The subscription is new: the client may also have connected anew by itself.
                            self._wake_all()  # Events may have been missed while this process did not listen.
            except (redis.RedisError, OSError):
                await asyncio.sleep(RECONNECT_SECONDS)

    def _happened(self, event: Event) -> None:
        for callback in self._callbacks:
            guarded("event callbacks", callback, event)
        self._wake(event["job"], event["event"])

    def _wake(self, job: str, kind: str | None) -> None:
        for waiter in self._waiting.get(job, ()):
            if kind is None or waiter.kinds is None or kind in waiter.kinds:
                waiter.happened.set()

    def _wake_all(self) -> None:
        for job in self._waiting:
            self._wake(job, None)
