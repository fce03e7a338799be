"""A task that takes longer than its lease is done once, as long as it gets on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from dev.servers import start_redis
from mam.hls.recipe import Profile
from mam.jobs.order import Order
from mam.jobs.queues import BATCH
from tests.integration.slow_task import ENDED, STARTS
from tests.integration.system import descendants, own, until
from tests.integration.workers import Broker
from tests.recipes import recipe_of

LEASE_SECONDS = 3
TASK_SECONDS = 4 * LEASE_SECONDS
ORDER = Order(
    job="0123456789ab", epoch=1, video="a", bucket="myvideos", key="a.mp4", version="1", etag=None, size=1,
    recipe=recipe_of(Profile.H264),
).to_dict()  # fmt: skip


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with start_redis(tmp_path / "redis", persist=False) as server:
        env = own("127.0.0.1:1", server.port, TASK_LEASE_SECONDS=str(LEASE_SECONDS))
        yield Broker(env, tmp_path)


def send(broker: Broker, name: str, seconds: float) -> None:
    settings = broker.settings
    with Celery(broker=f"redis://127.0.0.1:{settings.redis_port}/{settings.broker_db}") as sender:
        sender.send_task("tests.slow", (ORDER, name, seconds), queue=BATCH)


def test_a_task_of_four_leases_is_started_once(broker: Broker) -> None:
    state: Any = broker.state
    with broker.worker(name="one"), broker.worker(name="other"):
        send(broker, "long", TASK_SECONDS)
        until(lambda: state.get(ENDED + "long"), "the task has ended", seconds=4 * TASK_SECONDS)
        assert state.get(STARTS + "long") == b"1"
        assert state.get(ENDED + "long") == b"1"


def test_a_task_whose_worker_was_killed_is_started_again_when_its_lease_has_run_out(broker: Broker) -> None:
    state: Any = broker.state
    with broker.worker(name="one") as one:
        send(broker, "killed", LEASE_SECONDS)
        until(lambda: state.get(STARTS + "killed"), "the task has begun")
        for pid in (one.process.pid, *descendants(one.process.pid)):
            os.kill(pid, signal.SIGKILL)
        with broker.worker(name="other"):
            until(lambda: state.get(ENDED + "killed"), "another worker has done it")
    assert state.get(STARTS + "killed") == b"2"
