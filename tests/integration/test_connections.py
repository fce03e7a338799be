"""Time limits of the clients of Redis and of the store, against what says nothing, says no, and waits on purpose."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import redis

from dev.servers import LOOPBACK, Server, free_port
from mam import connections
from mam.connections import QUICK, REQUEST, TASK, Limits, Silent
from mam.errors import StoreUnavailable
from mam.events import async_client
from mam.settings import Settings
from mam.store import connections as store_connections
from mam.store.connections import Patience
from mam.store.objects import Store
from tests.integration.system import configuration, settings_of

SHORT = Limits(answer=0.3, again=0.2)
MARGIN = 1.5  # seconds that a busy machine may take besides
IMPATIENT = Patience(read=0.4, write=0.6, again=0.3, connect=0.3)


@dataclass
class Silence:
    """A server that takes connections and says nothing. `taken`: how many."""

    port: int
    taken: int = 0


@pytest.fixture
def silence() -> Iterator[Silence]:
    kept = []
    with socket.create_server((LOOPBACK, 0)) as server:
        found = Silence(server.getsockname()[1])

        def take() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return
                found.taken += 1

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield found
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in kept:
        connection.close()


def at(port: int) -> Settings:
    return settings_of(configuration(f"{LOOPBACK}:{port}", port))


def took(call: Callable[[], object], *errors: type[Exception]) -> float:
    began = time.monotonic()
    with pytest.raises(errors):
        call()
    return time.monotonic() - began


def test_every_client_has_limits_of_its_own() -> None:
    for limits in (QUICK, REQUEST, TASK):
        pools = (
            connections.for_threads(at(1), limits).connection_pool,
            connections.for_coroutines(at(1), limits).connection_pool,
        )
        for options in (pool.connection_kwargs for pool in pools):
            assert (options["socket_timeout"], options["socket_connect_timeout"]) == (limits.answer, limits.connect)
    assert QUICK.answer < 1
    for limits, most in ((REQUEST, 10), (TASK, 60)):
        assert limits.again + 2 * limits.connect + 2 * limits.answer <= most  # its name, its connection, a greeting
    for patience, most in ((store_connections.REQUEST, 10), (store_connections.TASK, 60)):
        assert patience.again + patience.connect + max(patience.read, patience.write) <= most


def test_all_clients_of_a_process_hear_of_an_answer_of_their_redis(redis_server: Server) -> None:
    settings = settings_of(configuration("localhost:1", redis_server.port, db=13))
    threads = [connections.for_threads(settings, limits) for limits in (QUICK, REQUEST)]
    coroutines = [connections.for_coroutines(settings, limits) for limits in (QUICK, REQUEST)]
    pools = [client.connection_pool for client in threads] + [client.connection_pool for client in coroutines]
    breakers = [pool.connection_kwargs["breaker"] for pool in pools]
    for breaker in breakers:
        breaker.unanswered(time.monotonic())
    for client in threads:
        assert took(client.ping, Silent) < 0.1
    broker = connections.for_threads(settings, REQUEST, db=settings.broker_db)
    assert broker.ping()
    assert not any(breaker.is_open for breaker in breakers)
    assert all(client.ping() for client in threads)


def test_a_silent_redis_costs_one_time_limit_and_then_nothing(silence: Silence) -> None:
    client = connections.for_threads(at(silence.port), SHORT)
    assert took(client.ping, redis.TimeoutError, Silent) <= SHORT.answer + SHORT.again + MARGIN
    taken = silence.taken
    for _ in range(20):
        assert took(client.ping, Silent) < 0.1
    assert silence.taken == taken, "it is left alone"


def test_a_silent_redis_costs_coroutines_one_time_limit_and_then_nothing(silence: Silence) -> None:
    async def story() -> None:
        client = async_client(at(silence.port), SHORT)
        began = time.monotonic()
        outcomes = await asyncio.gather(*(client.ping() for _ in range(50)), return_exceptions=True)
        assert time.monotonic() - began <= SHORT.answer + SHORT.again + MARGIN
        assert all(isinstance(outcome, redis.TimeoutError | Silent) for outcome in outcomes)
        for _ in range(20):
            began = time.monotonic()
            with pytest.raises(Silent):
                await client.ping()
            assert time.monotonic() - began < 0.1
        await client.aclose()

    asyncio.run(story())


def test_a_worker_tries_a_silent_redis_again_until_its_deadline(silence: Silence) -> None:
    limits = Limits(answer=0.3, again=1.0, breaks=False)
    client = connections.for_threads(at(silence.port), limits)
    seconds = took(client.ping, redis.TimeoutError, Silent)
    assert limits.again <= seconds <= limits.again + limits.answer + MARGIN
    assert silence.taken > 1
    assert took(client.ping, redis.TimeoutError, Silent) >= limits.again, "and does not give up on it"


def test_a_redis_that_refuses_connections_opens_nothing() -> None:
    client = connections.for_threads(at(free_port()), SHORT)
    for _ in range(3):
        assert took(client.ping, redis.ConnectionError, Silent) <= SHORT.again + MARGIN

    async def story() -> None:
        alone = async_client(at(free_port()), SHORT)
        for _ in range(20):
            with pytest.raises(redis.ConnectionError):
                await alone.ping()
        await alone.aclose()

    asyncio.run(story())


def test_what_waits_for_messages_is_not_cut_off_by_the_limits_of_answers(redis_server: Server) -> None:
    async def story() -> None:
        settings = settings_of(configuration("localhost:1", redis_server.port, db=13))
        client = async_client(settings, SHORT)
        async with client.pubsub() as subscription:
            await subscription.subscribe("a channel of the test")
            heard = asyncio.create_task(next_message(subscription))
            await asyncio.wait([heard], timeout=4 * SHORT.answer)  # silence
            assert not heard.done()
            assert await client.publish("a channel of the test", "late") == 1
            assert await asyncio.wait_for(heard, 10) == b"late"
        await client.aclose()

    async def next_message(subscription: redis.asyncio.client.PubSub) -> object:
        async for message in subscription.listen():
            if message["type"] == "message":
                return message["data"]
        return None

    asyncio.run(story())


def test_a_name_that_is_not_found_leaves_no_future_behind() -> None:
    uvloop = pytest.importorskip("uvloop")
    said: list[object] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        settings = at(1).model_copy(update={"redis_host": "nowhere.invalid"})
        client = async_client(settings, Limits(answer=0.3, again=0.2, connect=0.0001))
        for _ in range(5):
            with pytest.raises((redis.RedisError, OSError)):
                await client.ping()
        await client.aclose()
        for _ in range(8):  # behind those that were given up
            with suppress(OSError):
                await asyncio.get_running_loop().getaddrinfo("nowhere.invalid", 1)

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(story())
        gc.collect()
        assert not said
    finally:
        loop.close()


# the store


def test_a_silent_store_costs_one_time_limit_and_then_nothing(silence: Silence) -> None:
    store = Store(at(silence.port), IMPATIENT)
    assert took(lambda: store.head("bucket", "b"), StoreUnavailable) <= IMPATIENT.read + IMPATIENT.again + MARGIN
    taken = silence.taken
    for _ in range(20):
        assert took(lambda: store.get("bucket", "b"), StoreUnavailable) < 0.1
    assert silence.taken == taken


def test_a_worker_tries_a_silent_store_again_until_its_deadline(silence: Silence) -> None:
    patience = Patience(read=0.3, write=0.3, again=0.8, connect=0.3, breaks=False)
    store = Store(at(silence.port), patience)
    for _ in range(2):
        before = silence.taken
        seconds = took(lambda: store.put("bucket", "b", b"data", "text/plain"), StoreUnavailable)
        assert patience.again <= seconds <= patience.again + patience.write + MARGIN
        assert silence.taken - before >= 2


def test_a_store_that_refuses_connections_is_tried_again_and_never_left_alone() -> None:
    store = Store(at(free_port()), store_connections.REQUEST)
    for _ in range(3):
        assert 0.2 <= took(lambda: store.head("bucket", "b"), StoreUnavailable) <= store_connections.REQUEST.again
