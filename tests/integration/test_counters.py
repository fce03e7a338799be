"""What workers count, in a real Redis: by machine, for as long as there is news of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.servers import LOOPBACK, start_redis
from mam.jobs import keys
from mam.jobs.counters import Counters, counter_metrics
from mam.jobs.progress import Progress
from mam.jobs.state import Jobs, Mode

JOB = "0123456789ab"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    with start_redis(tmp_path / "redis", persist=False) as server, redis.Redis(LOOPBACK, server.port) as found:
        yield found


def shown(counters: Counters, host: str | None = None) -> dict[tuple[str, ...], float]:
    """By name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in counter_metrics(counters, host)
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_counters_are_as_many_as_machines_however_many_processes_come_and_go(client: Any) -> None:
    counters = Counters(client)
    progress = Progress(client)
    _, epoch = Jobs(client).claim(JOB, {"video": "a"}, viewer=False, mode=Mode.ASK)
    for number in range(50):  # as many processes, on two machines
        host = f"host-{number % 2}"
        progress.made(JOB, epoch, {number: 6.0}, task=f"make:{number}", profile="auto", host=host)
        counters.count("tasks", "make", "done", host=host)
        counters.count("task_seconds", "make", amount=0.5, host=host)
        counters.count("webhooks", "delivered")
    found = shown(counters)
    for host in ("host-0", "host-1"):
        assert found["mam_segments_total", "auto", host] == 25
        assert found["mam_media_seconds_total", "auto", host] == 150
        assert found["mam_tasks_total", "make", "done", host] == 25
        assert found["mam_task_seconds_total", "make", host] == 12.5
    assert found["mam_webhooks_total", "delivered"] == 50
    assert len(found) == 2 * 4 + 1
    assert sum(client.hlen(key) for key in client.keys(f"{keys.COUNTERS}*")) == 2 * 4 + 1
    assert shown(counters, "host-1") == {labels: value for labels, value in found.items() if labels[-1] == "host-1"}


def test_a_machine_that_has_counted_nothing_for_a_day_is_forgotten(client: Any) -> None:
    counters = Counters(client)
    for host in ("gone", "here"):
        counters.count("tasks", "make", "done", host=host)
        assert 0 < client.ttl(keys.HOST_COUNTERS + host) <= keys.HOST_SECONDS
    client.zadd(keys.HOSTS, {"gone": time.time() - keys.HOST_SECONDS - 1})
    assert set(shown(counters)) == {("mam_tasks_total", "make", "done", "here")}
    assert client.zrange(keys.HOSTS, 0, -1) == [b"here"]


def test_what_earlier_versions_counted_by_process_is_neither_shown_nor_kept(client: Any) -> None:
    counters = Counters(client)
    client.hset(keys.COUNTERS, mapping={"tasks|make|done|host:7": 3, "segments|auto|host:8": 4, "webhooks|retried": 1})
    counters.forget_old()
    assert client.hgetall(keys.COUNTERS) == {b"webhooks|retried": b"1"}
    assert set(shown(counters)) == {("mam_webhooks_total", "retried")}
