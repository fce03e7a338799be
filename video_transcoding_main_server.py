"""The transcoding service: turns MP4 in a bucket into HLS in the VoD bucket. Run it with uvicorn, port 8001."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Request, Response
from kombu.exceptions import KombuError
from pydantic import BaseModel, ConfigDict, Field, model_validator
from redis import RedisError

from mam.errors import NotFound, RedisUnavailable, SourceChanged
from mam.events import FINAL, Listener, async_client, sync_client
from mam.hls.plan import OPENING_SEGMENTS, Profile
from mam.http import bucket, health, metrics, problems
from mam.http.auth import require_api_key
from mam.http.logging import setup_logging
from mam.naming import Asset
from mam.settings import Settings
from mam.store.objects import Store
from mam.transcoding import tasks
from mam.transcoding.conversions import Conversion, Conversions
from mam.transcoding.jobs import Job, Jobs, State
from mam.transcoding.worker import EmbeddedWorkers

THREADS = 32  # for calls to the store and to Redis
SEEK_SEGMENTS = 3  # made for one seek: what a player asks for next is on its way already
OPENING_SECONDS = 5  # without a sign of life, the opening is asked for like anything else
LOOK_SECONDS = 5  # a waiting request looks at its job this often even when no event came


class TranscodeRequest(BaseModel):
    """Which asset to convert, and how."""

    model_config = ConfigDict(extra="forbid")

    asset_bucket: str = Field(examples=["myvideos"])
    asset_object: str = Field(examples=["sample.mp4"])
    reencode: bool = Field(default=False, description="false copies the streams; true makes H.264 and AAC.")
    profile: Profile | None = Field(default=None, description="Instead of `reencode`.")
    wait: bool = Field(default=True, description="false answers 202 as soon as the plan stands.")
    viewer: bool = Field(
        default=False,
        description="true: a viewer asks; the conversion may stop when nobody watches (STOP_IDLE_MINUTES).",
    )

    @model_validator(mode="after")
    def _one_way(self) -> TranscodeRequest:
        if self.profile is Profile.SOURCE and self.reencode:
            raise ValueError("profile 'source' contradicts reencode=true")
        return self

    @property
    def wanted(self) -> Profile:
        return self.profile or (Profile.H264 if self.reencode else Profile.SOURCE)


class Transcoded(BaseModel):
    status: Literal["success"] = "success"
    video: str = Field(examples=["sample"])


class Accepted(BaseModel):
    status: Literal["accepted"] = "accepted"
    video: str = Field(examples=["sample"])
    job: str = Field(examples=["1f0c9a7be2d4"])


class JobError(BaseModel):
    code: str
    message: str
    hint: str


class Progress(BaseModel):
    percent: float
    segments_done: int
    segments_total: int | None = Field(description="Known once the plan stands.")


class JobView(BaseModel):
    """A job as callers see it."""

    id: str
    state: State
    playable: bool
    video: str
    asset_bucket: str
    asset_object: str
    profile: str
    progress: Progress
    error: JobError | None
    created_at: float = Field(description="Unix seconds.")
    started_at: float | None
    finished_at: float | None

    @classmethod
    def of(cls, job: Job) -> JobView:
        error = job.error
        return cls(
            id=job.id,
            state=job.state,
            playable=job.playable,
            video=job.video,
            asset_bucket=job.asset_bucket,
            asset_object=job.asset_object,
            profile=job.profile,
            progress=Progress(percent=job.percent, segments_done=job.segments_done, segments_total=job.segments_total),
            error=JobError(**{key: error[key] for key in ("code", "message", "hint")}) if error else None,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
        )


class SeekRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rendition: str = Field(examples=["source"])
    segment: int = Field(ge=0, examples=[417])


class SeekAnswer(BaseModel):
    state: State


def create_app() -> FastAPI:
    """The application. Reads no settings and opens nothing until it is started."""
    app = FastAPI(
        title="MAM transcoding service",
        description="Turns an MP4 in a bucket into HLS in the VoD bucket, by copying or re-encoding its streams.",
        version="0.1.0",
        lifespan=_lifespan,
    )
    problems.install(app)
    metrics.install(app, service="transcoder")
    app.include_router(health.router(lambda: {**health.store_and_redis(app.state), "workers": app.state.workers.check}))
    _add_routes(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings()
    setup_logging(settings.log_level, service="transcoder")
    state = app.state
    state.settings = settings
    state.store = Store(settings)
    state.jobs = Jobs(sync_client(settings))
    state.conversions = Conversions(settings, state.store, state.jobs)
    state.redis = async_client(settings)
    state.listener = Listener(state.redis)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    state.workers = EmbeddedWorkers(settings)
    await state.listener.start()
    await state.workers.start()
    try:
        async with bucket.made(partial(state.store.ensure_bucket, settings.minio_bucket_vod)):
            yield
    finally:
        await state.workers.stop()
        await state.listener.stop()
        await state.redis.aclose()


def _add_routes(app: FastAPI) -> None:
    @app.post(
        "/transcode",
        summary="Convert an asset",
        description="Answers when the video is live, at once if it is already; with `wait: false` as soon as the plan "
        "stands. A request for what is being converted joins the conversion.",
        dependencies=[require_api_key],
        response_model=Transcoded | Accepted,
        responses={
            202: {"model": Accepted, "description": "Being converted"},
            **problems.responses(403, 404, 422, 503),
        },
        tags=["conversion"],
    )
    async def transcode(order: TranscodeRequest, request: Request, response: Response) -> Any:
        asset = Asset(order.asset_bucket, order.asset_object)
        conversion = await _begin(request.app, asset, order.wanted, viewer=order.viewer)
        if conversion.live:
            return Transcoded(video=conversion.video)
        job = await _await(request.app, conversion.job, planned_is_enough=not order.wait)
        if job.state is State.SUCCEEDED:
            return Transcoded(video=job.video)
        response.status_code = 202
        response.headers["Location"] = f"/jobs/{job.id}"
        return Accepted(video=job.video, job=job.id)

    @app.get(
        "/jobs/{job_id}",
        summary="State and progress of a conversion",
        dependencies=[require_api_key],
        responses=problems.responses(403, 404, 503),
        tags=["conversion"],
    )
    async def job(job_id: Annotated[str, Path(pattern="^[0-9a-f]{12}$")], request: Request) -> JobView:
        return JobView.of(await asyncio.to_thread(request.app.state.jobs.get, job_id))

    @app.post(
        "/jobs/{job_id}/seek",
        summary="Make a segment next: a viewer waits for it",
        dependencies=[require_api_key],
        responses=problems.responses(403, 404, 422, 503),
        tags=["conversion"],
    )
    async def seek(
        job_id: Annotated[str, Path(pattern="^[0-9a-f]{12}$")], wanted: SeekRequest, request: Request
    ) -> SeekAnswer:
        return SeekAnswer(state=await _seek(request.app, job_id, wanted.segment))


async def _seek(app: FastAPI, job_id: str, segment: int) -> State:
    """Queues the segment and those behind it for the next free worker, unless it is there or on its way."""
    jobs: Jobs = app.state.jobs
    job = await asyncio.to_thread(jobs.get, job_id)
    await asyncio.to_thread(jobs.viewed, job_id)
    if job.state is State.FAILED:
        raise job.failure()
    if job.state is State.CANCELLED or job.is_abandoned:
        asset = Asset(job.asset_bucket, job.asset_object)
        await _begin(app, asset, Profile(job.profile), viewer=True)
        return State.QUEUED
    if job.state is State.SUCCEEDED or job.segments_total is None:
        return job.state
    if segment >= job.segments_total:
        raise NotFound(f"The video has {job.segments_total} segments.", hint="Ask for the playlist again.")
    if segment < OPENING_SEGMENTS and job.updated_at > time.time() - OPENING_SECONDS:
        return job.state  # whoever planned is at it
    numbers = range(segment, min(segment + SEEK_SEGMENTS, job.segments_total))
    if await asyncio.to_thread(jobs.take_seek, job_id, numbers):
        order = await asyncio.to_thread(jobs.order, job_id)
        await _queue(tasks.seek, order, numbers.start, numbers.stop)
    return job.state


async def _queue(task: Any, *arguments: Any) -> None:
    """Raises RedisUnavailable when the task cannot be queued."""
    try:
        await asyncio.to_thread(task.delay, *arguments)
    except KombuError as error:
        raise RedisUnavailable(f"The conversion could not be queued ({type(error).__name__}).") from error


async def _begin(app: FastAPI, asset: Asset, profile: Profile, *, viewer: bool) -> Conversion:
    """Finds or starts the conversion."""
    conversion: Conversion = await asyncio.to_thread(app.state.conversions.request, asset, profile, viewer=viewer)
    order = conversion.order
    if order is not None:
        try:
            await _queue(tasks.plan, order.to_dict())
        except RedisUnavailable:
            with suppress(RedisError):  # else the claim would stand in the way until its lease ends
                await asyncio.to_thread(app.state.jobs.cancel, order.job, order.epoch)
            raise
    return conversion


async def _await(app: FastAPI, job_id: str, *, planned_is_enough: bool) -> Job:
    """The job once it has ended well, or once it is planned. Raises what it failed with."""
    jobs: Jobs = app.state.jobs
    kinds = (*FINAL, "planned") if planned_is_enough else FINAL
    async with app.state.listener.watch(job_id, kinds) as happened:
        while True:
            happened.clear()
            job = await asyncio.to_thread(jobs.get, job_id)
            if job.state is State.FAILED:
                raise job.failure()
            if job.state is State.CANCELLED:
                raise SourceChanged("The conversion was cancelled.", hint="Send the request again.")
            if job.state is State.SUCCEEDED or (planned_is_enough and job.segments_total is not None):
                return job
            try:
                await asyncio.wait_for(happened.wait(), LOOK_SECONDS)
            except asyncio.TimeoutError:
                continue


app = create_app()
