"""The VoD service: hands out playlists whose segments are signed URLs. Run it with uvicorn, port 8002."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mam.http import audit_routes, compressing, health
from mam.http.logging import setup_logging
from mam.http.service import Service
from mam.library import routes as library
from mam.settings import Settings
from mam.uploads import routes as uploads
from mam.vod import (
    contents_routes,
    download_routes,
    file_routes,
    operation_routes,
    routes,
    segment_routes,
    share_routes,
    token_routes,
)
from mam.vod.concealment import BEGAN
from mam.vod.entrance import TokenPaths
from mam.vod.outcomes import Outcomes
from mam.vod.services import started
from mam.web import routes as web

THREADS = 32  # for calls to the store

log = logging.getLogger(__name__)


class VodService(Service):
    """The application, with cached playlists answered before its edge, middleware and router."""

    outcomes: Outcomes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        hot = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and self.edge.admits(scope["headers"])
        if hot and await self.state.services.hot.answer(scope, send):
            return
        scope[BEGAN] = began
        await super().__call__(scope, receive, send)


def create_app() -> FastAPI:
    """The application. Reads no settings and opens nothing until it is started."""
    app = VodService(
        "vod",
        title="MAM VoD service",
        description="Hands out HLS playlists whose segments are signed URLs of the object store.",
        lifespan=_lifespan,
    )
    web.install_missing(app)
    compressing.install(app)
    app.add_middleware(TokenPaths)
    app.add_middleware(_ConfiguredCORS)
    app.outcomes = Outcomes(app.recorder.registry)
    app.include_router(health.router(health.store_redis_and_play_key))
    app.include_router(audit_routes.router)
    app.include_router(uploads.router)
    app.include_router(library.router)
    app.include_router(token_routes.router)
    app.include_router(share_routes.router)
    app.include_router(contents_routes.router)
    app.include_router(download_routes.router)
    app.include_router(routes.router)
    app.include_router(segment_routes.router)
    app.include_router(operation_routes.router)
    app.include_router(file_routes.router)
    app.include_router(web.router)
    return app


class _ConfiguredCORS:
    """CORS by ALLOWED_ORIGINS, which is known once the service has started."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._cors: CORSMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._cors is None:
            origins = scope["app"].state.services.settings.allowed_origins
            self._cors = CORSMiddleware(
                self._app,
                allow_origins=origins,
                allow_methods=["GET", "HEAD"],
                allow_headers=["Authorization", "Range"],
                max_age=3600,
            )
        await self._cors(scope, receive, send)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    assert isinstance(app, VodService)
    settings = Settings()
    setup_logging(settings.log_level, service="vod")
    if settings.minio_source_buckets is None:
        log.warning("any bucket may be streamed: set MINIO_SOURCE_BUCKETS to the ones that should be")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    app.edge.hosts = frozenset(settings.allowed_hosts)
    async with AsyncExitStack() as stack:
        app.state.services = await started(settings, stack, app.recorder, app.outcomes)
        yield


app = create_app()
