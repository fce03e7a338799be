"""Prometheus metrics of a service's requests, and the route that shows them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mam.background import FAILURES

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Recorder:
    """The counters of one service. Each application has its own registry: tests make several in one process."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            f"mam_{service}_requests", "HTTP requests.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            f"mam_{service}_request_seconds", "Seconds to the end of the response.", ("route",),
            registry=self.registry, buckets=BUCKETS,
        )  # fmt: skip
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def add(self, collector: Collector) -> None:
        """Adds a collector to the metrics."""
        self.registry.register(collector)

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request. `route`: the route's template: there are too many paths."""
        children = self._children.get((method, route, status))
        if children is None:
            if method not in METHODS:  # a client's own text would stay as a label for ever
                method = "other"
            children = (self._requests.labels(method, route, str(status)), self._seconds.labels(route))
            self._children[method, route, status] = children
        count, histogram = children
        count.inc()
        histogram.observe(seconds)


class Restarts(Collector):
    """How often each background loop of this process failed and was restarted."""

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily("mam_task_restarts", "Times that a background task failed.", labels=["task"])
        for name, count in FAILURES.counts().items():
            family.add_metric([name], count)
        return [family]

    def describe(self) -> Iterable[Metric]:
        return []  # the metrics are known only when scraped


class RequestMetrics:
    """ASGI middleware: records every request."""

    def __init__(self, app: ASGIApp, *, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_and_watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_watch)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._recorder.record(scope["method"], route, status, time.perf_counter() - started)


def install(app: FastAPI, *, service: str) -> Recorder:
    """Adds `/metrics` and the middleware."""
    recorder = Recorder(service)
    recorder.add(Restarts())

    async def metrics(_: Any) -> Response:
        text = await asyncio.to_thread(generate_latest, recorder.registry)  # some collectors read Redis
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    app.router.routes.append(Route("/metrics", metrics, include_in_schema=False))
    app.add_middleware(RequestMetrics, recorder=recorder)
    return recorder
