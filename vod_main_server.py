"""The VoD service: hands out playlists whose segments are signed URLs. Run it with uvicorn, port 8002."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from mam.cache.memory import Kept
from mam.cache.response import Answers
from mam.cache.shared_reads import SharedReads
from mam.cache.store import CachedPlaylist, PlaylistCache
from mam.connections import QUICK, REQUEST
from mam.events import Listener, async_client, sync_client
from mam.hls.playlist import CONTENT_TYPE
from mam.hls.recipe import Format, Profile
from mam.http import bucket, compressing, health, journal, problems, stopping
from mam.http.auth import require_access
from mam.http.logging import setup_logging
from mam.http.names import Bucket, ObjectKey, VideoName
from mam.http.service import Service
from mam.http.transcoder import Transcoder
from mam.library import routes
from mam.library.service import running as running_library
from mam.library.status_store import Known
from mam.naming import INIT, RENDITION, REVISION, SEGMENT, Asset, check_video_name
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.store import connections as store_connections
from mam.store.objects import Store
from mam.uploads import routes as uploads
from mam.uploads.service import running as running_uploads
from mam.vod import status, thumbnails
from mam.vod.access import Access
from mam.vod.hotpath import HotPath
from mam.vod.outcomes import Outcomes
from mam.vod.pending_segments import Making, SegmentName
from mam.vod.playback import Viewing, kind_asked
from mam.vod.tokens import Tokens
from mam.web import routes as web
from mam.web.assets import Scripts
from mam.web.pages import Pages
from mam.web.proxy import Passing
from mam.web.sessions import Sessions

THREADS = 32  # for calls to the store
PLAYLIST_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {CONTENT_TYPE: {}}, "description": "The playlist, every URI signed"}
}

ProfileQuery = Annotated[Profile | None, Query(description="Which of the video's streams; instead of `reencode`.")]
FormatQuery = Annotated[Format | None, Query(description="`fmp4` carries HEVC and AV1 too; `ts` else.")]
RenditionQuery = Annotated[
    str, Query(max_length=200, description="One rendition, as the multivariant playlist names it.")
]


log = logging.getLogger(__name__)


class Message(BaseModel):
    message: str = Field(examples=["Cache cleared for 'sample'"])


class VodService(Service):
    """The application, with cached playlists answered before its edge, middleware and router."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and self.edge.admits(scope["headers"])
        if hot and await self.state.hot.answer(scope, send):
            return
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
    app.add_middleware(_ConfiguredCORS)
    app.state.outcomes = Outcomes(app.state.recorder.registry)
    app.include_router(health.router(lambda: health.store_and_redis(app.state)))
    app.include_router(uploads.router)
    app.include_router(routes.router)
    app.include_router(thumbnails.router)
    app.include_router(status.router)
    _add_routes(app)
    app.include_router(web.router())
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
            origins = scope["app"].state.settings.allowed_origins
            self._cors = CORSMiddleware(
                self._app, allow_origins=origins, allow_methods=["GET", "HEAD"], allow_headers=["Range"], max_age=3600
            )
        await self._cors(scope, receive, send)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings()
    setup_logging(settings.log_level, service="vod")
    if settings.minio_source_buckets is None:
        log.warning("any bucket may be streamed: set MINIO_SOURCE_BUCKETS to the ones that should be")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    state = app.state
    state.settings = settings
    assert isinstance(app, Service)
    app.edge.hosts = frozenset(settings.allowed_hosts)
    state.store = Store(settings, store_connections.REQUEST)
    state.redis = async_client(settings)
    state.listener = Listener(state.redis)
    quick = async_client(settings, QUICK)
    cache = PlaylistCache(
        state.redis, ttl=settings.playlist_cache_ttl_seconds, quick=quick, budget=settings.playlist_cache_bytes
    )
    kept = Kept(state.redis)
    reads = SharedReads(cache, kept)
    state.access = Access(settings)
    state.hot = HotPath(settings, state.access, kept, reads, state.recorder, state.outcomes)
    state.tokens = Tokens(settings)
    trees, transcoder = Trees(state.store, settings.minio_bucket_vod), Transcoder(settings)
    state.making = Making(settings, state.access, state.store, trees, transcoder, state.listener)
    state.statuses = status.Statuses(settings, state.access, state.store, trees, transcoder)
    state.pictures = thumbnails.Pictures(settings, state.access, state.store, trees)
    state.viewing = Viewing(
        settings,
        access=state.access,
        store=state.store,
        trees=trees,
        cache=cache,
        reads=reads,
        transcoder=transcoder,
        tokens=state.tokens,
        outcomes=state.outcomes,
        known=Known(sync_client(settings, REQUEST)),
    )
    state.scripts, state.sessions, state.passing = Scripts(), Sessions(settings, state.redis), Passing(settings)
    state.pages = Pages(settings, state.scripts)
    await state.listener.start()
    await kept.start()
    try:
        with stopping.noticed() as state.stopping:
            async with (
                bucket.made(partial(state.store.ensure_bucket, settings.minio_bucket_vod)),
                running_library(settings, state.store, state.redis, Trees) as state.asking,
                running_uploads(settings, state.store, state.redis, transcoder, state.asking.library) as state.uploads,
            ):
                yield
    finally:
        await kept.stop()
        await state.passing.close()
        await transcoder.close()
        await state.listener.stop()
        await quick.aclose()
        await state.redis.aclose()


def _add_routes(app: FastAPI) -> None:
    @app.head("/video/{video_name:path}/playlist.m3u8", include_in_schema=False)
    @app.get(
        "/video/{video_name:path}/playlist.m3u8",
        summary="The playlist of a video",
        response_class=Response,
        responses={**PLAYLIST_RESPONSE, **problems.responses(400, 404, 503)},
        tags=["playback"],
    )
    async def video(
        video_name: VideoName,
        request: Request,
        profile: ProfileQuery = None,
        format: FormatQuery = None,  # noqa: A002
        rendition: RenditionQuery = "",
    ) -> Response:
        kind = kind_asked(False, profile, format)
        return _playlist(request, await request.app.state.viewing.by_name(video_name, kind, rendition))

    @app.head("/stream/{bucket}/{path:path}/playlist.m3u8", include_in_schema=False)
    @app.get(
        "/stream/{bucket}/{path:path}/playlist.m3u8",
        summary="The playlist of an asset, converted first if need be",
        description="Without profile and format, the main stream is given out: what a key asked for last, else what "
        "was live first. What never was converted is converted as DEFAULT_PROFILE says; `auto`, its default, copies "
        "what can be played and encodes the rest. A stream that is asked for by profile or format lives beside the "
        "main one, and changes nothing for others.",
        response_class=Response,
        responses={**PLAYLIST_RESPONSE, **problems.responses(400, 404, 409, 422, 429, 503)},
        tags=["playback"],
    )
    async def stream(
        bucket: Bucket,
        path: ObjectKey,
        request: Request,
        reencode: Annotated[bool, Query(description="true gives H.264 and AAC.")] = False,
        profile: ProfileQuery = None,
        format: FormatQuery = None,  # noqa: A002
        rendition: RenditionQuery = "",
    ) -> Response:
        wanted = kind_asked(reencode, profile, format)
        return _playlist(request, await request.app.state.viewing.by_asset(Asset(bucket, path), wanted, rendition))

    @app.head("/segment/{token}/{video_name:path}/{revision}/{rendition}/{file}", include_in_schema=False)
    @app.get(
        "/segment/{token}/{video_name:path}/{revision}/{rendition}/{file}",
        summary="A segment of a video in the making",
        description="Waits until the segment exists, then redirects to its signed URL. Only playlists of videos in "
        "the making name this route.",
        status_code=302,
        response_class=Response,
        responses=problems.responses(403, 404, 422, 503),
        tags=["playback"],
    )
    async def segment(
        token: str,
        video_name: VideoName,
        revision: Annotated[str, Path(pattern=f"^{REVISION.pattern}$")],
        rendition: Annotated[str, Path(pattern=f"^{RENDITION.pattern}$")],
        file: Annotated[str, Path(pattern=f"^{SEGMENT.pattern}$|^{INIT}$", examples=["00000.ts"])],
        request: Request,
    ) -> Response:
        check_video_name(video_name)
        request.app.state.tokens.check(token, video_name, revision)
        name = SegmentName(video_name, revision, rendition, file)
        url = await request.app.state.making.locate(name)
        return Response(status_code=302, headers={"Location": url, "Cache-Control": "no-store"})

    @app.delete(
        "/cache/{video_name:path}",
        summary="Forget a video's cached playlists",
        dependencies=[require_access, journal.entry("clear cache")],
        responses=problems.responses(400, 401, 403, 503),
        tags=["operations"],
    )
    async def clear_cache(video_name: VideoName, request: Request) -> Message:
        await request.app.state.viewing.clear(video_name)
        return Message(message=f"Cache cleared for '{video_name}'")

    @app.delete(
        "/stream/{bucket}/{path:path}/playlist.m3u8",
        summary="Delete the HLS of an asset, never the asset",
        description="Stops what is being made of it, too. Can be repeated after it failed.",
        dependencies=[require_access, journal.entry("delete stream")],
        responses=problems.responses(400, 401, 403, 404, 503),
        tags=["operations"],
    )
    async def delete_stream(bucket: Bucket, path: ObjectKey, request: Request) -> Message:
        name = await request.app.state.viewing.delete(Asset(bucket, path))
        return Message(message=f"Stream deleted for '{name}'")


def _playlist(request: Request, playlist: CachedPlaylist) -> Response:
    answer = Answers(playlist).to(request.headers.raw)
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response


app = create_app()
