"""The transcoding service: turns MP4 in a bucket into HLS in the VoD bucket. Run it with uvicorn, port 8001."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Request, Response

import redis_adapter
from mam.connections import REQUEST
from mam.errors import InvalidRequest
from mam.events import Listener, async_client, sync_client
from mam.http import bucket, compressing, health, journal, problems, stopping
from mam.http.auth import require_api_key
from mam.http.logging import setup_logging
from mam.http.service import Service
from mam.http.streams import KEEPALIVE, MEDIA_TYPE, EventStream, event
from mam.jobs.claims import Conversions
from mam.jobs.counters import Counters
from mam.jobs.job import State
from mam.jobs.paging import CURSOR
from mam.jobs.previews import PlanView
from mam.jobs.progress import Progress
from mam.jobs.queues import broker_client
from mam.jobs.state import Jobs
from mam.jobs.viewers import Viewers
from mam.naming import MAX_KEY_BYTES, REVISION
from mam.settings import Settings
from mam.store import connections as store_connections
from mam.store.objects import Store
from mam.transcoding import fleet, views
from mam.transcoding.embedded_workers import EmbeddedWorkers
from mam.transcoding.event_feed import Feed
from mam.transcoding.fleet_view import Glance
from mam.transcoding.progress import Layouts
from mam.transcoding.reaper import Reaper
from mam.transcoding.service import Desk
from mam.transcoding.views import Accepted, BriefJobView, JobView, Transcoded
from mam.transcoding.webhooks import Callbacks, Webhooks

THREADS = 32  # for calls to the store and to Redis
MAX_PAGE = 500

Brief = Annotated[bool, Query(description="true: jobs without `streams`, `command` and `said`.")]
JobId = Annotated[str, Path(pattern=f"^{REVISION.pattern}$", examples=["1f0c9a7be2d4"])]


def create_app() -> FastAPI:
    """The application. Reads no settings and opens nothing until it is started."""
    app = Service(
        "transcoder",
        title="MAM transcoding service",
        description="Turns an MP4 in a bucket into HLS in the VoD bucket, by copying or re-encoding its streams.",
        lifespan=_lifespan,
    )
    compressing.install(app)
    app.include_router(health.router(lambda: {**health.store_and_redis(app.state), "workers": app.state.workers.check}))
    _add_conversion(app)
    _add_jobs(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings()
    setup_logging(settings.log_level, service="transcoder")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    state = app.state
    state.settings = settings
    state.store = Store(settings, store_connections.REQUEST)
    client, broker = sync_client(settings, REQUEST), broker_client(settings)
    state.jobs, counters = Jobs(client), Counters(client)
    conversions = Conversions(settings, state.store, state.jobs, forget=redis_adapter.invalidate_playlist_cache)
    state.redis = async_client(settings)
    state.listener = Listener(state.redis)
    state.desk = Desk(state.jobs, Viewers(client), conversions, state.listener, Callbacks(settings), state.redis)
    hooks = Webhooks(settings, state.jobs, counters, client, state.listener)
    workers = fleet.Fleet(state.jobs, counters, client, broker)
    state.recorder.also(fleet.Collector(workers))
    state.glance = Glance(settings, state.store, workers)
    state.feed = Feed(state.jobs, state.listener, state.glance)
    state.layouts = Layouts(state.store, settings.minio_bucket_vod, state.jobs, Progress(client))
    state.workers = EmbeddedWorkers(settings)
    reaper = Reaper(settings, state.store, state.jobs, counters, conversions, state=client, broker=broker)
    await state.listener.start()
    await state.workers.start()
    await reaper.start()
    await hooks.start()
    try:
        with stopping.noticed() as state.stopping:
            async with bucket.made(partial(state.store.ensure_bucket, settings.minio_bucket_vod)):
                yield
    finally:
        await hooks.stop()
        await reaper.stop()
        await state.workers.stop()
        await state.listener.stop()
        await state.redis.aclose()


def _add_conversion(app: FastAPI) -> None:
    @app.post(
        "/transcode",
        summary="Convert an asset",
        description="Answers when the video is live, at once if it is already; with `wait: false` as soon as the plan "
        "is written. A request for what is being converted joins the conversion. The same `Idempotency-Key` means the "
        "same job for a day.",
        dependencies=[require_api_key],
        response_model=Transcoded | Accepted,
        responses={
            202: {"model": Accepted, "description": "Being converted"},
            **problems.responses(400, 403, 404, 409, 422, 429, 503),
        },
        tags=["conversion"],
    )
    async def transcode(
        order: views.TranscodeRequest,
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> Any:
        answer = await request.app.state.desk.transcode(order, idempotency_key)
        if isinstance(answer, Accepted):
            response.status_code = 202
            response.headers["Location"] = f"/jobs/{answer.job}"
        return answer

    @app.post(
        "/plan",
        summary="What a conversion would do, and why",
        description="Looks at the asset and converts nothing: each stream with what becomes of it, the renditions, "
        "how much and how long it would be, and the ffmpeg that would run.",
        dependencies=[require_api_key],
        responses=problems.responses(400, 403, 404, 422, 503),
        tags=["conversion"],
    )
    async def plan(wanted: views.AssetRequest, request: Request) -> PlanView:
        view: PlanView = await request.app.state.desk.plan(wanted)
        return view

    @app.get(
        "/fleet",
        summary="Who converts, and what waits",
        description="Workers with what they are at, queues, speed, and `notes`: why something does not move, and what "
        "to do about it. Answers also while Redis or the store is away: a note says so.",
        dependencies=[require_api_key],
        responses=problems.responses(403),
        tags=["operations"],
    )
    async def show_fleet(request: Request) -> views.FleetView:
        view: views.FleetView = await request.app.state.glance.view()
        return view

    @app.get(
        "/events",
        summary="All that happens, as server-sent events",
        description="At first every job that has not ended and the fifty newest that have, as `event: job` with what "
        "/jobs/{id} answers, and the fleet, as `event: fleet` with what /fleet answers. Then each whenever it has "
        "changed: a job at most four times a second, the fleet once; the last state always comes. A comment every "
        "15 seconds when there is nothing. A stream that ends is asked for anew, and begins with everything again.",
        dependencies=[require_api_key],
        response_class=EventStream,
        responses={
            200: {"content": {MEDIA_TYPE: {}}, "description": "`event: job` and `event: fleet`"},
            **problems.responses(403),
        },
        tags=["operations"],
    )
    async def all_events(request: Request, brief: Brief = False) -> EventStream:
        state, over = request.app.state, asyncio.Event()
        return EventStream(state.feed.listen(over, brief=brief), over=[over.wait, state.stopping.wait])


def _add_jobs(app: FastAPI) -> None:
    @app.get(
        "/jobs",
        summary="Jobs, newest first",
        dependencies=[require_api_key],
        responses=problems.responses(403, 422, 503),
        tags=["jobs"],
    )
    async def jobs(
        request: Request,
        state: Annotated[list[State] | None, Query(description="Only those; may be given several times.")] = None,
        bucket: Annotated[str, Query(max_length=63, description="Only those of assets in this bucket.")] = "",
        object: Annotated[  # noqa: A002
            str, Query(max_length=MAX_KEY_BYTES, description="And only those of the asset of this name there.")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[
            str | None, Query(pattern=CURSOR.pattern, description="`next_cursor` of the page before.")
        ] = None,
        brief: Brief = False,
    ) -> views.JobList | views.BriefJobList:
        if object and not bucket:
            raise InvalidRequest("object needs the bucket that it is in.")
        page = await asyncio.to_thread(
            request.app.state.jobs.page, states=state or (), bucket=bucket, key=object, limit=limit, cursor=cursor
        )
        if brief:
            return views.BriefJobList(jobs=[BriefJobView.of(job) for job in page.jobs], next_cursor=page.cursor)
        return views.JobList(jobs=[JobView.of(job) for job in page.jobs], next_cursor=page.cursor)

    @app.get(
        "/jobs/{job_id}",
        summary="State and progress of a conversion",
        dependencies=[require_api_key],
        responses=problems.responses(403, 404, 503),
        tags=["jobs"],
    )
    async def job(job_id: JobId, request: Request) -> JobView:
        return JobView.of(await asyncio.to_thread(request.app.state.jobs.get, job_id))

    @app.get(
        "/jobs/{job_id}/events",
        summary="The same whenever it changes, as server-sent events, until it has ended",
        dependencies=[require_api_key],
        response_class=EventStream,
        responses={
            200: {"content": {MEDIA_TYPE: {}}, "description": "`event: job`, `data:` as /jobs/{id} has it"},
            **problems.responses(403, 404, 503),
        },
        tags=["jobs"],
    )
    async def events(job_id: JobId, request: Request) -> EventStream:
        state = request.app.state
        await asyncio.to_thread(state.jobs.get, job_id)  # not found is an answer, not the end of a stream

        async def stream() -> AsyncGenerator[bytes, None]:
            async for found in state.desk.events(job_id):
                yield event("job", JobView.of(found).model_dump_json()) if found else KEEPALIVE

        return EventStream(stream(), over=[state.stopping.wait])

    @app.get(
        "/jobs/{job_id}/chunks",
        summary="How far a job is, part by part",
        description="The parts of its plan that workers make, with what exists of each and who is at it; and what can "
        "be played. Empty before it is planned.",
        dependencies=[require_api_key],
        responses=problems.responses(403, 404, 503),
        tags=["jobs"],
    )
    async def chunks(job_id: JobId, request: Request) -> views.ChunksView:
        view: views.ChunksView = await asyncio.to_thread(request.app.state.layouts.view, job_id)
        return view

    @app.delete(
        "/jobs/{job_id}",
        summary="Cancel a conversion, queued or running",
        dependencies=[require_api_key, journal.entry("cancel job")],
        responses=problems.responses(403, 404, 409, 503),
        tags=["jobs"],
    )
    async def cancel(job_id: JobId, request: Request) -> JobView:
        return JobView.of(await request.app.state.desk.cancel(job_id))

    @app.post(
        "/jobs/{job_id}/retry",
        summary="Begin a job again that has ended, however it did",
        status_code=202,
        dependencies=[require_api_key, journal.entry("retry job")],
        responses=problems.responses(403, 404, 409, 503),
        tags=["jobs"],
    )
    async def retry(job_id: JobId, request: Request) -> JobView:
        return JobView.of(await request.app.state.desk.retry(job_id))

    @app.patch(
        "/jobs/{job_id}",
        summary="Change a job's priority",
        dependencies=[require_api_key, journal.entry("change priority")],
        responses=problems.responses(403, 404, 409, 422, 503),
        tags=["jobs"],
    )
    async def change(job_id: JobId, wanted: views.JobChange, request: Request) -> JobView:
        return JobView.of(await request.app.state.desk.prioritise(job_id, wanted.priority))

    @app.post(
        "/jobs/{job_id}/seek",
        summary="Make a segment next: a viewer waits for it",
        dependencies=[require_api_key],
        responses=problems.responses(403, 404, 422, 503),
        tags=["conversion"],
    )
    async def seek(job_id: JobId, wanted: views.SeekRequest, request: Request) -> views.SeekAnswer:
        return views.SeekAnswer(state=await request.app.state.desk.seek(job_id, wanted.segment))


app = create_app()
