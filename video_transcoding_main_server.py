"""The transcoding service: turns MP4 in a bucket into HLS in the VoD bucket. Run it with uvicorn, port 8001."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from mam.http import compressing, health
from mam.http.logging import setup_logging
from mam.http.service import Service
from mam.settings import Settings
from mam.transcoding import routes
from mam.transcoding.services import checks, started

THREADS = 32  # for calls to the store and to Redis


def create_app() -> FastAPI:
    """The application. Reads no settings and opens nothing until it is started."""
    app = Service(
        "transcoder",
        title="MAM transcoding service",
        description="Turns an MP4 in a bucket into HLS in the VoD bucket, by copying or re-encoding its streams.",
        lifespan=_lifespan,
    )
    compressing.install(app)
    app.include_router(health.router(checks))
    app.include_router(routes.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    assert isinstance(app, Service)
    settings = Settings()
    setup_logging(settings.log_level, service="transcoder")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    async with AsyncExitStack() as stack:
        app.state.services = await started(settings, stack, app.recorder)
        yield


app = create_app()
