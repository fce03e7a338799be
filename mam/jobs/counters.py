"""Counters of workers and services in Redis, and their Prometheus metrics."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import redis
from prometheus_client.core import CounterMetricFamily, Metric

from mam import stored
from mam.jobs import lua
from mam.jobs.keys import COUNTERS, HOST_COUNTERS, HOST_SECONDS, HOSTS

# Each counter's name in Redis, and the name, help and labels of its metric.
COUNTED = {
    "media_seconds": ("mam_media_seconds", "Seconds of media made.", ("profile", "worker")),
    "segments": ("mam_segments", "Segments made.", ("profile", "worker")),
    "tasks": ("mam_tasks", "Tasks ended, by outcome.", ("task", "outcome", "worker")),
    "task_seconds": ("mam_task_seconds", "Seconds spent on tasks.", ("task", "worker")),
    "ffmpeg_failures": ("mam_ffmpeg_failures", "Times that ffmpeg gave up, by reason.", ("reason",)),
    "jobs_ended": ("mam_jobs_ended", "Jobs ended, by state.", ("state",)),
    "webhooks": ("mam_webhooks", "Webhooks, by outcome.", ("outcome",)),
}
BY_HOST = ("media_seconds", "segments", "tasks", "task_seconds")  # Each machine has its own of these counters.


class Counters:
    """Counters that all processes add to. A machine's own counters expire a day after it last counted."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._count = client.register_script(lua.COUNT)
        self._speed = client.register_script(lua.FLEET_SPEED)

    def count(self, name: str, *labels: str, amount: float = 1, host: str = "") -> None:
        """Adds to a counter. `host`: the machine whose counter it is; '' for the system's."""
        counter = "|".join((name, *labels))
        if host:
            self._count(args=[host, counter, amount])
        else:
            self._client.hincrbyfloat(COUNTERS, counter, amount)

    def all(self) -> dict[tuple[str, ...], float]:
        """All counters: (name, label, ...) to value; the last label of a machine's counter is the machine."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(HOSTS, "-inf", time.time() - HOST_SECONDS)
            pipe.zrange(HOSTS, 0, -1)
            pipe.hgetall(COUNTERS)
            _, names, system = stored.answers(pipe.execute(raise_on_error=False))
        hosts = stored.texts(names or ())
        with self._client.pipeline(transaction=False) as pipe:
            for host in hosts:
                pipe.hgetall(HOST_COUNTERS + host)
            by_host = zip(hosts, stored.answers(pipe.execute(raise_on_error=False)), strict=True)
        amounts = _amounts(system)
        for host, counters in by_host:
            amounts |= {(*name, host): amount for name, amount in _amounts(counters).items()}
        return amounts

    def fleet_speed(self) -> float:
        """Seconds of media that all workers together make per second, over the last ten seconds."""
        return stored.number(self._speed()) or 0.0

    def forget_old(self) -> None:
        """Drops the counters by process that earlier versions wrote."""
        counters: list[bytes] = self._client.hkeys(COUNTERS)  # type: ignore[assignment]
        old = [name for name in counters if (stored.text(name) or "").partition("|")[0] in BY_HOST]
        if old:
            self._client.hdel(COUNTERS, *old)


def _amounts(raw: Any) -> dict[tuple[str, ...], float]:
    """The counters of a hash: (name, label, ...) to value."""
    values = {name: stored.number(value, most=sys.float_info.max) for name, value in stored.mapping(raw).items()}
    return {(*name.split("|"),): amount for name, amount in values.items() if amount is not None}


def counter_metrics(counters: Counters, host: str | None = None) -> Iterator[Metric]:
    """The metrics of all counters, or of the counters of one machine."""
    amounts: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for (name, *values), amount in counters.all().items():
        if name in COUNTED and len(values) == len(COUNTED[name][2]):
            amounts[name][tuple(values)] = amount
    for key, (metric, text, labels) in COUNTED.items():
        if host is not None and key not in BY_HOST:
            continue
        family = CounterMetricFamily(metric, text, labels=labels)
        for label_values, amount in amounts[key].items():
            if len(label_values) == len(labels) and (host is None or label_values[-1] == host):
                family.add_metric(label_values, amount)
        yield family
