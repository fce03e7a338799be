"""Connections to Redis: how long an answer may take, how long a call is retried, and when Redis is not asked at all.

Every limit is set here, because the library's defaults differ from version to version.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import AbstractBackoff, ExponentialBackoff, NoBackoff
from redis.retry import Retry

from mam.breaker import Breaker, Contact
from mam.settings import Settings

SLOW_SECONDS = 2.5  # An error that took so long counts as silence too, for instance of a name service.
LATE_SECONDS = 0.25  # An event loop that notices a time limit so much too late was blocked itself.
# A subscription may be silent for hours; with these options a lost host is noticed within half a minute.
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}

T = TypeVar("T")

_contacts: dict[tuple[str, int], Contact] = {}  # One for each server of Redis, by host and port.


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds. `answer`: for one answer; `again`: from a call's start, for starting another try.

    `breaks`: whether calls leave a silent Redis alone for a while.
    """

    answer: float
    again: float
    connect: float = 2.0
    breaks: bool = True

    def breaker(self, settings: Settings) -> Breaker | None:
        """The breaker of a client. An answer to one client of the process ends the silence for all of them."""
        if not self.breaks:
            return None
        contact = _contacts.setdefault((settings.redis_host, settings.redis_port), Contact())
        return Breaker(contact, patience=self.answer)


# For values that can be had without Redis too, only more slowly.
QUICK = Limits(answer=0.3, again=0.15, connect=0.3)
# The last try may also have to look up the name, to connect and to greet. That makes ten seconds in all where a client
# waits, and a minute in workers, because work that is given up is done twice.
REQUEST = Limits(answer=2.5, again=1.5, connect=1.5)
TASK = Limits(answer=10.0, again=35.0, breaks=False)


class Silent(redis.RedisError):
    """Redis did not answer in time, or has been silent of late and is not asked."""


def for_threads(settings: Settings, limits: Limits, *, db: int | None = None) -> redis.Redis:
    """A client for threads. It waits a second for a restarting Redis. `db` is by default the state database."""
    retry = _Retry(ExponentialBackoff(cap=0.5, base=0.1), 3, limits.again)
    options = {**_options(settings, limits, db), "retry": retry, "breaker": limits.breaker(settings)}
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=_Connection, **options))


def for_coroutines(settings: Settings, limits: Limits) -> redis.asyncio.Redis:
    """A client for coroutines. It retries once, because Redis may have closed an idle connection.

    A Redis that refuses connections counts as away at once.
    """
    options = {**_options(settings, limits), "retry": _AsyncRetry(NoBackoff(), 1, limits.again)}
    subscriptions = {**options, "socket_timeout": None, "socket_keepalive": True, "breaker": None}
    subscriptions["socket_keepalive_options"] = {
        getattr(socket, name): value for name, value in KEEPALIVE.items() if hasattr(socket, name)
    }
    return _Client(_async_pool({**options, "breaker": limits.breaker(settings)}), _async_pool(subscriptions))


def _options(settings: Settings, limits: Limits, db: int | None = None) -> dict[str, Any]:
    return {
        "host": settings.redis_host,
        "port": settings.redis_port,
        "db": settings.redis_db if db is None else db,
        "password": settings.redis_password.get_secret_value() if settings.redis_password else None,
        "socket_timeout": limits.answer,
        "socket_connect_timeout": limits.connect,
    }


def _async_pool(options: dict[str, Any]) -> redis.asyncio.ConnectionPool:
    return redis.asyncio.ConnectionPool(connection_class=_AsyncConnection, **options)


class _Client(redis.asyncio.Redis):
    """A client whose subscriptions have connections of their own, which wait for messages without a limit."""

    def __init__(self, pool: redis.asyncio.ConnectionPool, subscriptions: redis.asyncio.ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self._pools = (pool, subscriptions)

    def pubsub(self, **options: Any) -> redis.asyncio.client.PubSub:
        return redis.asyncio.client.PubSub(self._pools[1], **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        for pool in self._pools:
            await pool.disconnect()


class _Deadline:
    """The deadline of all tries of one call. The library nests them: a call connects, and connecting is retried too."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._depth = 0
        self._ends = 0.0

    def __enter__(self) -> None:
        if self._depth == 0:
            self._ends = time.monotonic() + self._seconds
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1

    def limited(self, do: Callable[[], T]) -> Callable[[], T]:
        """`do`, which raises Silent instead when it is tried again after the deadline."""
        tried = False

        def once() -> T:
            nonlocal tried
            if tried and time.monotonic() >= self._ends:
                raise Silent("Redis did not answer in time.")
            tried = True
            return do()

        return once


class _Retry(Retry):
    def __init__(self, backoff: AbstractBackoff, retries: int, seconds: float) -> None:
        super().__init__(backoff, retries)
        self._deadline = _Deadline(seconds)

    def call_with_retry(self, do: Callable[[], T], fail: Any, *args: Any, **options: Any) -> T:
        with self._deadline:
            return super().call_with_retry(self._deadline.limited(do), fail, *args, **options)


class _AsyncRetry(AsyncRetry):
    def __init__(self, backoff: AbstractBackoff, retries: int, seconds: float) -> None:
        super().__init__(backoff, retries)
        self._deadline = _Deadline(seconds)

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Any, *args: Any, **options: Any) -> T:
        with self._deadline:
            return await super().call_with_retry(self._deadline.limited(do), fail, *args, **options)


class _Guarded:
    """How both kinds of connections use their client's breaker, which is None for a client without one."""

    breaker: Breaker | None

    def admit(self) -> None:
        """Raises Silent while the breaker refuses calls."""
        if self.breaker and not self.breaker.admits(self):
            raise Silent("Redis has said nothing of late, and is asked again in a moment.")

    @contextmanager
    def watched(self, *, most: float | None = None) -> Iterator[None]:
        """Tells the breaker when a time limit runs out. After more than `most` seconds, Redis is not to blame."""
        started = time.monotonic()
        try:
            yield
        except redis.ConnectionError:
            if self.breaker and time.monotonic() - started >= SLOW_SECONDS:
                self.breaker.unanswered(started)
            raise
        except redis.TimeoutError:
            if self.breaker and (most is None or time.monotonic() - started <= most):
                self.breaker.unanswered(started)
            raise

    def answered(self, since: float) -> None:
        """Tells the breaker that an answer has come, which was waited for from `since` on."""
        if self.breaker:
            self.breaker.answered(time.monotonic() - since)


class _Connection(redis.Connection, _Guarded):
    def __init__(self, *, breaker: Breaker | None, **options: Any) -> None:
        self.breaker = breaker
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        self.admit()
        with self.watched():
            super().connect()  # type: ignore[no-untyped-call]

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        self.admit()
        with self.watched():
            super().send_packed_command(*args, **options)  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        since = time.monotonic()
        try:
            with self.watched():
                response = super().read_response(*args, **options)
        except redis.ResponseError:  # This is an answer too.
            self.answered(since)
            raise
        self.answered(since)
        return response


class _AsyncConnection(redis.asyncio.Connection, _Guarded):
    def __init__(self, *, breaker: Breaker | None, **options: Any) -> None:
        self.breaker = breaker
        super().__init__(**options)

    async def connect(self) -> None:
        self.admit()
        with self.watched(most=self._most(self.socket_connect_timeout)):
            if not self.is_connected:
                await self._resolved()
            await super().connect()  # type: ignore[no-untyped-call]

    async def _resolved(self) -> None:
        """Waits for the name service, as long as for a connection.

        When a connect is cancelled during a look-up, uvloop leaves a future behind whose error is never retrieved.
        """
        lookup = asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        try:
            await asyncio.wait_for(lookup, self.socket_connect_timeout)
        except asyncio.TimeoutError:
            raise redis.TimeoutError(f"The name {self.host} was not found in time.") from None
        except OSError as error:
            raise redis.ConnectionError(f"The name {self.host} is not known: {error}.") from error

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        self.admit()
        with self.watched(most=self._most(self.socket_timeout)):
            await super().send_packed_command(*args, **options)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        since = time.monotonic()
        try:
            with self.watched(most=self._most(self.socket_timeout)):
                response = await super().read_response(*args, **options)
        except redis.ResponseError:
            self.answered(since)
            raise
        self.answered(since)
        return response

    @staticmethod
    def _most(seconds: float | None) -> float | None:
        return None if seconds is None else seconds + LATE_SECONDS
