"""The counters of this machine's workers, for a metrics endpoint of their own."""

from __future__ import annotations

import platform
from collections.abc import Iterable

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector as PrometheusCollector

from mam.events import sync_client
from mam.http.metrics import Restarts
from mam.jobs.counters import Counters, counter_metrics
from mam.settings import Settings


class Machine(PrometheusCollector):
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterable[Metric]:
        try:
            return list(counter_metrics(self._counters, host=platform.node()))
        except redis.RedisError:
            return []

    def describe(self) -> Iterable[Metric]:
        return []


def machine(settings: Settings) -> CollectorRegistry:
    """A registry of this machine's counters."""
    registry = CollectorRegistry()
    registry.register(Machine(Counters(sync_client(settings))))
    registry.register(Restarts())
    return registry
