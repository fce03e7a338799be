"""Prometheus metrics of a service's requests, and the route that shows them."""

from __future__ import annotations

import time
from typing import Any

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class RequestMetrics:
    """ASGI middleware: counts requests and their seconds by route template, never by path."""

    def __init__(self, app: ASGIApp, *, requests: Counter, seconds: Histogram) -> None:
        self._app = app
        self._requests = requests
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._requests.labels(scope["method"], route, str(status)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started)


def install(app: FastAPI, *, service: str) -> None:
    """Adds `/metrics` and the middleware. Each app has a registry of its own: tests make many in one process."""
    registry = CollectorRegistry()
    requests = Counter(f"mam_{service}_requests", "HTTP requests.", ("method", "route", "status"), registry=registry)
    seconds = Histogram(
        f"mam_{service}_request_seconds", "Seconds to the end of the response.", ("route",),
        registry=registry, buckets=BUCKETS,
    )  # fmt: skip

    async def metrics(_: Any) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.router.routes.append(Route("/metrics", metrics, include_in_schema=False))
    app.add_middleware(RequestMetrics, requests=requests, seconds=seconds)
