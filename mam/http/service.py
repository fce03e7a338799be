"""The application of both services, with edge, problems, metrics and documentation."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import Lifespan, Receive, Scope, Send

from mam.http import arrival, docs, limits, metrics, openapi, problems
from mam.http.edge import Edge
from mam.http.routing import Route
from mam.http.streams import remember_connection


class Service(FastAPI):
    """A FastAPI application with limits before it. `name`: the prefix of its metrics, which `recorder` counts.

    Its lifespan sets `state.services` (`services.py`).
    """

    def __init__(self, name: str, *, title: str, description: str, lifespan: Lifespan[FastAPI]) -> None:
        super().__init__(
            title=title,
            description=description,
            version="0.1.0",
            lifespan=lifespan,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,  # a redirect would repeat the request's Host
        )
        self.router.route_class = Route
        problems.install(self)
        self.recorder = metrics.install(self, service=name)
        docs.install(self)
        self.edge = Edge(super().__call__, self.recorder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            remember_connection(scope, send)
            await self.edge(scope, receive, send)
        elif scope["type"] == "lifespan":
            limits.raise_descriptors()
            async with arrival.limited(send):
                await super().__call__(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.described(super().openapi())
        return self.openapi_schema
