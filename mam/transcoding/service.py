"""Answers requests about conversions: starts them, waits for them, and controls them. For coroutines."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import redis.asyncio
from kombu.exceptions import KombuError
from redis import RedisError

from mam.errors import (
    Cancelled,
    JobActive,
    JobEnded,
    JobNotFound,
    KeyReused,
    MamError,
    NotFound,
    RedisUnavailable,
)
from mam.events import FINAL, Listener
from mam.hls.recipe import Wanted
from mam.http import request_id
from mam.http.streams import KEEPALIVE_SECONDS
from mam.jobs import dispatch, previews
from mam.jobs.claims import Conversions
from mam.jobs.job import Job, State
from mam.jobs.order import Conversion, Order
from mam.jobs.previews import PlanView
from mam.jobs.queues import Priority
from mam.jobs.state import Jobs, Mode
from mam.jobs.viewers import Viewers
from mam.naming import Asset, job_id, revision_and_group
from mam.transcoding.views import Accepted, AssetRequest, Transcoded, TranscodeRequest
from mam.transcoding.webhooks import Callbacks

RUNG_AHEAD_SEGMENTS = 3  # So many of a rung: a player that waits for each takes its line for slower than it is.
AHEAD_SEGMENTS = 2  # This many segments are made after one that a viewer waits for: the player requests them next.
STOP_SECONDS, STOP_TRIES = 0.25, 40  # A removal waits this often, this long each time, for the last task of a rung.
LOOK_SECONDS = 5  # A waiting request reads its job this often even without an event.
FRAME_SECONDS = 0.25  # A stream sends events at least this far apart: progress comes in bursts.
STORE_THREADS = 8  # This many requests read the store at a time, each several objects at once.
QUEUE_SECONDS = 5  # A request waits this long for its task to be queued: Celery's own limits suit workers.
TURNS = 5  # A request follows this many jobs, each replaced or forgotten while the request waited.

T = TypeVar("T")


class TranscodingService:
    """Answers requests. One per process of the service."""

    def __init__(
        self,
        jobs: Jobs,
        viewers: Viewers,
        conversions: Conversions,
        listener: Listener,
        callbacks: Callbacks,
        client: redis.asyncio.Redis,
    ) -> None:
        self._redis = client
        self._jobs = jobs
        self._viewers = viewers
        self._callbacks = callbacks
        self._conversions = conversions
        self._listener = listener
        self._threads = ThreadPoolExecutor(STORE_THREADS, "store")

    async def transcode(self, request: TranscodeRequest, key: str | None) -> Transcoded | Accepted:
        """Converts an asset; answers when the video is live, or when it is planned (`wait: false`).

        `key`: the idempotency key; the same request with it gets the same job. Raises the error of the conversion,
        KeyReused, TooManyJobs, InvalidCallback.
        """
        if request.callback_url:
            await asyncio.to_thread(self._callbacks.check, request.callback_url)
        fingerprint = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        job_id = await self._known(key, fingerprint) if key else None
        for turn in range(TURNS):
            if job_id is None or turn:
                conversion = await self.begin(request)
                if key:
                    await asyncio.to_thread(self._jobs.remember_request, key, fingerprint, conversion.job)
                if conversion.live:
                    return Transcoded(video=conversion.video)
                job_id = conversion.job
            with suppress(JobNotFound):  # Redis was emptied during the wait
                job = await self._await(job_id, planned_is_enough=not request.wait)
                if job.state is State.SUCCEEDED:
                    return Transcoded(video=job.video)
                if not job.state.is_final:
                    return Accepted(video=job.video, job=job.id)
                if job.replaced_by is None:
                    raise Cancelled("The conversion was cancelled.")
        raise Cancelled("The source changes again and again while it is converted.")

    async def plan(self, request: AssetRequest) -> PlanView:
        """A preview of a conversion. Raises the error that it would fail with, PreviewPending, RedisUnavailable."""
        asset = Asset(request.asset_bucket, request.asset_object)
        order, live = await self._in_thread(self._conversions.draft, asset, request.wanted)
        request_id = previews.new_id()
        await _queued(dispatch.PREVIEW, order, "preview", request_id, live)
        try:
            return await previews.wait_for(self._redis, request_id)
        except RedisError as error:
            raise RedisUnavailable.of(error, "The plan could not be fetched") from error

    async def _known(self, key: str, fingerprint: str) -> str | None:
        """The job of an earlier request with this key, if it is still known."""
        earlier = await asyncio.to_thread(self._jobs.earlier_request, key)
        if earlier is None:
            return None
        if earlier[0] != fingerprint:
            raise KeyReused("The Idempotency-Key came with another request before.")
        states = await asyncio.to_thread(self._jobs.states, [earlier[1]])
        return earlier[1] if states[0] is not None else None

    async def begin(self, request: TranscodeRequest) -> Conversion:
        """Finds or starts the conversion that a request asks for."""
        return await self._begin(
            Asset(request.asset_bucket, request.asset_object),
            request.wanted,
            viewer=request.viewer,
            priority=request.priority,
            callback=request.callback_url or "",
            client=request.client if request.viewer else "",
            request_id=request_id.current(),
        )

    async def _begin(self, asset: Asset, wanted: Wanted, **options: Any) -> Conversion:
        conversion = await self._in_thread(self._conversions.request, asset, wanted, **options)
        if conversion.order is not None:
            await self._queue_plan(conversion.order)
        if conversion.live_order is not None:
            await self._in_thread(self._queue_pictures, conversion.live_order, options.get("priority", Priority.NORMAL))
        return conversion

    async def _in_thread(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Runs a call to the store in a pool of its own: a hanging store blocks no requests that only need Redis."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **options))

    def _queue_pictures(self, order: Order, priority: Priority) -> None:
        """Queues missing pictures of a live video. An error is ignored: the video plays without them."""
        with suppress(MamError, RedisError, KombuError):
            if self._conversions.lacks_pictures(order):
                dispatch.queue_pictures(order, priority)

    async def _queue_plan(self, order: Order) -> None:
        try:
            await _queued(dispatch.first_task(order), order, "plan")
        except RedisUnavailable:
            with suppress(RedisError):  # else the claim would block later requests
                await asyncio.to_thread(self._jobs.cancel, order.job, order.epoch)
            raise

    async def _await(self, job_id: str, *, planned_is_enough: bool, epoch: int | None = None) -> Job:
        """The job once it has ended, or is planned. Raises the error that it failed with, JobNotFound.

        `epoch`: wait for this leader alone. After it another one may lead the job at once, and for long.
        """
        kinds = (*FINAL, "planned") if planned_is_enough else FINAL
        async with self._listener.watch(job_id, kinds) as happened:
            while True:
                happened.clear()
                job = await asyncio.to_thread(self._jobs.get, job_id)
                if job.state is State.FAILED:
                    raise job.failure()
                if job.state.is_final or (planned_is_enough and job.segments_total is not None):
                    return job
                if epoch not in (None, job.epoch):
                    return job
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(happened.wait(), LOOK_SECONDS)

    async def events(self, job_id: str) -> AsyncIterator[Job | None]:
        """The job now and after each change, until it has ended; None at intervals without a change.

        Raises JobNotFound.
        """
        async with self._listener.watch(job_id) as happened:
            previous = None
            while True:
                happened.clear()
                job = await asyncio.to_thread(self._jobs.get, job_id)
                if job != previous:
                    yield job
                    previous = job
                if job.state.is_final:
                    return
                try:
                    await asyncio.wait_for(happened.wait(), KEEPALIVE_SECONDS)
                except asyncio.TimeoutError:
                    yield None
                await asyncio.sleep(FRAME_SECONDS)

    async def seek(self, job_id: str, segment: int | None, video: str = "") -> State:
        """Queues the segment at once, and those after it next, unless they exist or are on their way.

        A rung is started by the first request. `segment`: None for its initialization section; `video`: its name.
        """
        revision, group = revision_and_group(job_id)
        if group:
            await self._start_rung(video, revision, group)
        job = await asyncio.to_thread(self._jobs.get, job_id)
        await asyncio.to_thread(self._viewers.viewed, job_id)
        if job.state is State.FAILED:
            raise job.failure()
        if job.state is State.CANCELLED:
            earlier = Order.of(await asyncio.to_thread(self._jobs.order, job_id))
            if job.replaced_by or (await self._begin(earlier.asset, earlier.recipe.wanted, viewer=True)).job != job_id:
                raise NotFound("The source of the video has changed.", hint="Ask for the playlist again.")
            return State.QUEUED
        if job.state is State.SUCCEEDED or job.segments_total is None or segment is None:
            return job.state
        if segment >= job.segments_total:
            raise NotFound(f"The video has {job.segments_total} segments.", hint="Ask for the playlist again.")
        ahead = RUNG_AHEAD_SEGMENTS if group else AHEAD_SEGMENTS
        numbers = range(segment, min(segment + 1 + ahead, job.segments_total))
        now, following = await asyncio.to_thread(self._viewers.take_seek, job_id, numbers)
        if now or following:
            order = Order.of(await asyncio.to_thread(self._jobs.order, job_id))
            if now:
                await _queued(dispatch.SEEK, order, f"seek:{segment}", segment)
            if following:
                await _queued(dispatch.AHEAD, order, f"ahead:{segment + 1}", segment + 1, numbers.stop)
        return job.state

    async def _start_rung(self, video: str, revision: str, group: str) -> None:
        """Claims the job of a rung and queues its first task, unless it is active, or the rung is whole."""
        (state,) = await asyncio.to_thread(self._jobs.states, [job_id(revision, group)])
        if state in (State.QUEUED, State.RUNNING):
            return
        order = await self._in_thread(self._conversions.rung, video, revision, group, request_id=request_id.current())
        if order:
            await self._queue_plan(order)

    async def remove_rung(self, video: str, job_id: str) -> Job:
        """Removes a rung from its ladder: it is promised again. Returns its job when that is done.

        Raises NotFound where the video has no such rung, JobActive while a task of its job does not stop.
        """
        revision, group = revision_and_group(job_id)
        with suppress(JobNotFound):
            job = await asyncio.to_thread(self._jobs.get, job_id)
            await asyncio.to_thread(self._jobs.cancel, job_id, job.epoch)
            for _ in range(STOP_TRIES):
                if not job.running:
                    break
                await asyncio.sleep(STOP_SECONDS)
                job = await asyncio.to_thread(self._jobs.get, job_id)
            else:
                raise JobActive("A task of the job has not stopped yet.", hint="Try again in a few seconds.")
        removal = await self._in_thread(self._conversions.rung_removal, video, revision, group)
        await _queued(dispatch.REMOVE_RUNG, removal, "remove")
        return await self._await(job_id, planned_is_enough=False, epoch=removal.epoch)

    async def cancel(self, job_id: str) -> Job:
        """Cancels an active job; its output is removed when its last task has stopped. Raises JobEnded."""
        job = await asyncio.to_thread(self._jobs.get, job_id)
        order = await asyncio.to_thread(self._jobs.order, job_id)
        if job.state.is_final or not await asyncio.to_thread(self._jobs.cancel, job_id, job.epoch):
            raise JobEnded(f"The job has ended: {job.state.value}.")
        await _queued(dispatch.DISCARD, Order.of(order), "discard")
        return await asyncio.to_thread(self._jobs.get, job_id)

    async def retry(self, job_id: str) -> Job:
        """Restarts an ended job; existing segments are kept. Raises JobActive."""
        job = await asyncio.to_thread(self._jobs.get, job_id)
        if not job.state.is_final:
            raise JobActive(f"The job is {job.state.value}.")
        return await self._resumed(job, Mode.RETRY, None)

    async def prioritise(self, job_id: str, priority: Priority) -> Job:
        """Changes the priority of a job's remaining tasks. Raises JobEnded."""
        job = await asyncio.to_thread(self._jobs.get, job_id)
        if job.state.is_final:
            raise JobEnded(f"The job has ended: {job.state.value}.")
        # Queued tasks are in another queue: the job gets a new leader, and its old tasks are dropped.
        return job if job.priority is priority else await self._resumed(job, Mode.REVIVE, priority)

    async def _resumed(self, job: Job, mode: Mode, priority: Priority | None) -> Job:
        order = Order.of(await asyncio.to_thread(self._jobs.order, job.id))
        resume = self._conversions.resume
        await self._queue_plan(await asyncio.to_thread(resume, order, mode, priority=priority))
        return await asyncio.to_thread(self._jobs.get, job.id)


async def _queued(task: str, order: Order, name: str, *arguments: Any) -> None:
    """Raises RedisUnavailable when the task cannot be queued."""
    try:
        await asyncio.wait_for(asyncio.to_thread(dispatch.queue, task, order, name, *arguments), QUEUE_SECONDS)
    except (KombuError, asyncio.TimeoutError) as error:
        raise RedisUnavailable.of(error, "The conversion could not be queued") from error
