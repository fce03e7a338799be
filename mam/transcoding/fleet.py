"""What Redis tells of the fleet, its workers and queues: as facts, and as Prometheus metrics."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from mam.events import sync_client
from mam.http.metrics import Restarts
from mam.jobs import queues
from mam.jobs.lua import BY_HOST, OUTBOX
from mam.jobs.presence import Presence, Worker
from mam.jobs.state import Jobs
from mam.settings import Settings
from mam.transcoding.diagnosis import Facts, Memory

# Counters in Redis, which workers add to: name there -> name, help and labels as metrics have them.
COUNTED = {
    "media_seconds": ("mam_media_seconds", "Seconds of media made.", ("profile", "worker")),
    "segments": ("mam_segments", "Segments made.", ("profile", "worker")),
    "tasks": ("mam_tasks", "Tasks ended, by outcome.", ("task", "outcome", "worker")),
    "task_seconds": ("mam_task_seconds", "Seconds spent on tasks.", ("task", "worker")),
    "ffmpeg_failures": ("mam_ffmpeg_failures", "Times that ffmpeg gave up, by reason.", ("reason",)),
    "jobs_ended": ("mam_jobs_ended", "Jobs ended, by state.", ("state",)),
    "webhooks": ("mam_webhooks", "Webhooks, by outcome.", ("outcome",)),
}


class Fleet:
    """Blocking: call it from a thread."""

    def __init__(self, jobs: Jobs, state: redis.Redis, broker: redis.Redis) -> None:
        self._jobs = jobs
        self._state = state
        self._broker = broker

    def facts(self) -> Facts:
        """All that Redis tells of the fleet now. Raises RedisError."""
        return Facts(
            workers=tuple(Presence.all(self._state)),
            queues=queues.together(queues.lengths(self._broker)),
            counts=self._jobs.counts(),
            begun=tuple(self._jobs.begun()),
            picturing=tuple(self._jobs.picturing()),
            speed=self._jobs.fleet_speed(),
            memory=self._memory(),
        )

    def _memory(self) -> Memory:
        """Of Redis, which holds the state and the queues."""
        info: Any = self._state.info("memory")
        return Memory(used=int(info["used_memory"]), most=int(info.get("maxmemory", 0)))

    def metrics(self) -> Iterator[Metric]:
        """What is so now, and what was counted."""
        workers: list[Worker] = Presence.all(self._state)
        yield _gauge("mam_workers", "Workers that were heard of lately.", len(workers))
        yield _gauge("mam_worker_slots", "Tasks that they can run at a time.", sum(each.slots for each in workers))
        memory = self._memory()
        yield _gauge("mam_redis_memory_bytes", "Memory that Redis uses.", memory.used)
        yield _gauge("mam_redis_memory_most_bytes", "Redis's maxmemory; 0 where it has none.", memory.most)
        yield _gauge("mam_webhooks_waiting", "Webhooks that are to be delivered.", int(self._state.zcard(OUTBOX)))
        yield _labelled("mam_jobs", "Jobs that have not ended.", "state", self._jobs.counts())
        yield _labelled("mam_queue_length", "Tasks that wait.", "queue", queues.lengths(self._broker))
        yield from counted(self._jobs)


def counted(jobs: Jobs, host: str | None = None) -> Iterator[Metric]:
    """All counters, or those of the workers of one machine."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for (name, *values), amount in jobs.counters().items():
        if name in COUNTED and len(values) == len(COUNTED[name][2]):
            found[name][tuple(values)] = amount
    for key, (metric, text, labels) in COUNTED.items():
        if host is not None and key not in BY_HOST:
            continue
        family = CounterMetricFamily(metric, text, labels=labels)
        for labelled, amount in found[key].items():
            if len(labelled) == len(labels) and (host is None or labelled[-1] == host):
                family.add_metric(labelled, amount)
        yield family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


class Collector(PrometheusCollector):
    """The fleet's metrics, read when they are asked for; none while Redis is away."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterable[Metric]:
        try:
            return list(self._fleet.metrics())
        except redis.RedisError:
            return []

    def describe(self) -> Iterable[Metric]:
        return []  # known when asked for


class _Machine(PrometheusCollector):
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        try:
            return list(counted(self._jobs, host=platform.node()))
        except redis.RedisError:
            return []

    def describe(self) -> Iterable[Metric]:
        return []


def machine(settings: Settings) -> CollectorRegistry:
    """What the workers of this machine have counted, for an endpoint of their own."""
    registry = CollectorRegistry()
    registry.register(_Machine(Jobs(sync_client(settings))))
    registry.register(Restarts())
    return registry
