"""The state of the fleet in Redis, its workers and queues: as facts and as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import redis
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from mam.jobs import queues
from mam.jobs.counters import Counters, counter_metrics
from mam.jobs.keys import OUTBOX
from mam.jobs.presence import Presence, Worker
from mam.jobs.state import Jobs
from mam.transcoding.diagnosis import Facts, Memory


class Fleet:
    """Reads the fleet's state. Blocking: call it from a thread."""

    def __init__(self, jobs: Jobs, counters: Counters, state: redis.Redis, broker: redis.Redis) -> None:
        self._jobs = jobs
        self._counters = counters
        self._state = state
        self._broker = broker

    def facts(self) -> Facts:
        """The fleet's current state. Raises RedisError."""
        return Facts(
            workers=tuple(Presence.all(self._state)),
            queues=queues.together(queues.lengths(self._broker)),
            counts=self._jobs.counts(),
            started=tuple(self._jobs.started()),
            picturing=tuple(self._jobs.picturing()),
            speed=self._counters.fleet_speed(),
            memory=self._memory(),
        )

    def _memory(self) -> Memory:
        """The memory use of the Redis that holds the state and the queues."""
        info: Any = self._state.info("memory")
        return Memory(used=int(info["used_memory"]), most=int(info.get("maxmemory", 0)))

    def metrics(self) -> Iterator[Metric]:
        """The gauges of the current state, and all counters."""
        workers: list[Worker] = Presence.all(self._state)
        yield _gauge("mam_workers", "Workers that were heard of lately.", len(workers))
        yield _gauge("mam_worker_slots", "Tasks that they can run at a time.", sum(worker.slots for worker in workers))
        memory = self._memory()
        yield _gauge("mam_redis_memory_bytes", "Memory that Redis uses.", memory.used)
        yield _gauge("mam_redis_memory_most_bytes", "Redis's maxmemory; 0 where it has none.", memory.most)
        yield _gauge("mam_webhooks_waiting", "Webhooks that are to be delivered.", int(self._state.zcard(OUTBOX)))
        yield _labelled("mam_jobs", "Jobs that have not ended.", "state", self._jobs.counts())
        yield _labelled("mam_queue_length", "Tasks that wait.", "queue", queues.lengths(self._broker))
        yield from counter_metrics(self._counters)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


class Collector(PrometheusCollector):
    """The fleet's metrics, read when they are scraped; none while Redis is away."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterable[Metric]:
        try:
            return list(self._fleet.metrics())
        except redis.RedisError:
            return []

    def describe(self) -> Iterable[Metric]:
        return []  # the metrics are known only when scraped
