"""The routes of the transcoding service: conversions, jobs, the fleet, and their events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from mam.credentials.scopes import Caller, Scope
from mam.errors import InvalidRequest, JobNotFound
from mam.http import audit, problems
from mam.http.auth import Asking, require_key
from mam.http.routing import Route
from mam.http.streams import KEEPALIVE, MEDIA_TYPE, EventStream, event
from mam.jobs.job import Job, State
from mam.jobs.paging import CURSOR
from mam.jobs.previews import PlanView
from mam.naming import JOB, MAX_KEY_BYTES
from mam.transcoding import views
from mam.transcoding.services import Provided, TranscodingServices
from mam.transcoding.views import Accepted, BriefJobView, JobView, Transcoded

MAX_PAGE = 500

Brief = Annotated[bool, Query(description="true: jobs without `streams`, `command` and `ffmpeg_log`.")]
JobId = Annotated[str, Path(pattern=f"^{JOB.pattern}$", examples=["1f0c9a7be2d4"])]

router = APIRouter(route_class=Route)
reads, converts, deletes = require_key(Scope.READ), require_key(Scope.CONVERT), require_key(Scope.DELETE)


@router.post(
    "/transcode",
    summary="Convert an asset",
    description="Answers when the video is live, at once if it is already; with `wait: false` as soon as the plan "
    "is written. A request for an asset that is being converted joins its job. The same `Idempotency-Key` means the "
    "same job for a day.",
    response_model=Transcoded | Accepted,
    responses={
        202: {"model": Accepted, "description": "Being converted"},
        **problems.responses(400, 403, 404, 409, 422, 429, 503),
    },
    dependencies=[converts, audit.entry("convert")],
    tags=["conversion"],
)
async def transcode(
    request: views.TranscodeRequest,
    services: Provided,
    caller: Asking,
    connection: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Any:
    audit.about(connection, request.source)
    caller.check_source(request.source)
    result = await services.transcoding.transcode(request, idempotency_key)
    if isinstance(result, Accepted):
        response.status_code = 202
        response.headers["Location"] = f"/jobs/{result.job}"
    return result


@router.post(
    "/plan",
    summary="What a conversion would do, and why",
    description="Reads the asset and converts nothing. The plan names the outcome of each stream, the renditions, "
    "the size and duration, and the ffmpeg command.",
    dependencies=[reads],
    responses=problems.responses(400, 403, 404, 422, 503),
    tags=["conversion"],
)
async def plan(request: views.AssetRequest, services: Provided, caller: Asking) -> PlanView:
    caller.check_source(request.source)
    return await services.transcoding.plan(request)


@router.get(
    "/fleet",
    summary="Workers and queues",
    description="Workers with their tasks, queues, speed, and `notes`: why conversions do not progress, and what "
    "to do about it. It also answers while Redis or the store is away: a note says so.",
    dependencies=[reads],
    responses=problems.responses(403),
    tags=["operations"],
)
async def show_fleet(services: Provided, caller: Asking) -> views.FleetView:
    caller.check_all()
    return await services.fleet.view()


@router.get(
    "/events",
    summary="All jobs and the fleet, as server-sent events",
    description="The stream begins with every active job and the fifty newest ended ones, as `event: job` in the form "
    "of /jobs/{id}, and the fleet, as `event: fleet` in the form of /fleet. Each follows again after every change: a "
    "job at most four times a second, the fleet once; the last state always comes. A comment is sent after 15 seconds "
    "without an event. A client requests a stream that ended again, and gets everything from the beginning.",
    dependencies=[reads],
    response_class=EventStream,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "`event: job` and `event: fleet`"},
        **problems.responses(403),
    },
    tags=["operations"],
)
async def all_events(services: Provided, caller: Asking, brief: Brief = False) -> EventStream:
    caller.check_all()
    over = asyncio.Event()
    return EventStream(services.feed.listen(over, brief=brief), until=[over.wait, services.stopping.wait])


@router.get(
    "/jobs",
    summary="Jobs, newest first",
    dependencies=[reads],
    responses=problems.responses(403, 422, 503),
    tags=["jobs"],
)
async def jobs(
    services: Provided,
    caller: Asking,
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
        services.jobs.page, states=state or (), bucket=bucket, key=object, limit=limit, cursor=cursor,
        shown=caller.covers,
    )  # fmt: skip
    if brief:
        return views.BriefJobList(jobs=[BriefJobView.of(job) for job in page.jobs], next_cursor=page.cursor)
    return views.JobList(jobs=[JobView.of(job) for job in page.jobs], next_cursor=page.cursor)


@router.get(
    "/jobs/{job_id}",
    summary="State and progress of a conversion",
    dependencies=[reads],
    responses=problems.responses(403, 404, 503),
    tags=["jobs"],
)
async def job(job_id: JobId, services: Provided, caller: Asking) -> JobView:
    return JobView.of(await _own_job(job_id, services, caller))


@router.get(
    "/jobs/{job_id}/events",
    summary="The job after each change, as server-sent events, until it has ended",
    dependencies=[reads],
    response_class=EventStream,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "`event: job`, `data:` in the form of /jobs/{id}"},
        **problems.responses(403, 404, 503),
    },
    tags=["jobs"],
)
async def events(job_id: JobId, services: Provided, caller: Asking) -> EventStream:
    await _own_job(job_id, services, caller)  # an unknown job is an error response, not a stream

    async def stream() -> AsyncGenerator[bytes, None]:
        async for job in services.transcoding.events(job_id):
            yield event("job", JobView.of(job).model_dump_json()) if job else KEEPALIVE

    return EventStream(stream(), until=[services.stopping.wait])


@router.get(
    "/jobs/{job_id}/chunks",
    summary="Progress of a job by chunk",
    description="The chunks of the plan, each with its existing segments and the worker that makes it; and the "
    "playable ranges. Empty before the job is planned.",
    dependencies=[reads],
    responses=problems.responses(403, 404, 503),
    tags=["jobs"],
)
async def chunks(job_id: JobId, services: Provided, caller: Asking) -> views.ChunksView:
    await _check_own(job_id, services, caller)
    return await asyncio.to_thread(services.chunks.view, job_id)


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel a conversion, queued or running",
    dependencies=[converts, audit.entry("cancel job")],
    responses=problems.responses(403, 404, 409, 503),
    tags=["jobs"],
)
async def cancel(job_id: JobId, services: Provided, caller: Asking) -> JobView:
    await _check_own(job_id, services, caller)
    return JobView.of(await services.transcoding.cancel(job_id))


@router.delete(
    "/jobs/{job_id}/segments",
    summary="Take a rung out of its ladder",
    description="The rung is promised again, and made when a player asks for it. Its job has the id "
    "`<revision>-<rung>`; an active one is cancelled.",
    dependencies=[deletes, audit.entry("remove rung")],
    responses=problems.responses(403, 404, 409, 422, 503),
    tags=["jobs"],
)
async def remove_rung(
    job_id: JobId,
    services: Provided,
    caller: Asking,
    video: Annotated[str, Query(min_length=1, max_length=MAX_KEY_BYTES, description="The video's name.")],
) -> JobView:
    await _check_own(job_id, services, caller)
    return JobView.of(await services.transcoding.remove_rung(video, job_id))


@router.post(
    "/jobs/{job_id}/retry",
    summary="Restart a job that has ended",
    status_code=202,
    dependencies=[converts, audit.entry("retry job")],
    responses=problems.responses(403, 404, 409, 503),
    tags=["jobs"],
)
async def retry(job_id: JobId, services: Provided, caller: Asking) -> JobView:
    await _check_own(job_id, services, caller)
    return JobView.of(await services.transcoding.retry(job_id))


@router.patch(
    "/jobs/{job_id}",
    summary="Change a job's priority",
    dependencies=[converts, audit.entry("change priority")],
    responses=problems.responses(403, 404, 409, 422, 503),
    tags=["jobs"],
)
async def change(job_id: JobId, request: views.JobChange, services: Provided, caller: Asking) -> JobView:
    await _check_own(job_id, services, caller)
    return JobView.of(await services.transcoding.prioritise(job_id, request.priority))


@router.post(
    "/jobs/{job_id}/seek",
    summary="Make a segment next: a viewer waits for it",
    dependencies=[converts],
    responses=problems.responses(403, 404, 422, 503),
    tags=["conversion"],
)
async def seek(job_id: JobId, request: views.SeekRequest, services: Provided, caller: Asking) -> views.SeekAnswer:
    await _check_own(job_id, services, caller)
    return views.SeekAnswer(state=await services.transcoding.seek(job_id, request.segment, request.video))


async def _own_job(job_id: str, services: TranscodingServices, caller: Caller) -> Job:
    """A job of an asset that the client may see. Raises JobNotFound."""
    job = await asyncio.to_thread(services.jobs.get, job_id)
    if not caller.covers(f"{job.asset_bucket}/{job.asset_object}"):
        raise JobNotFound(f"No job has the id {job_id!r}.")
    return job


async def _check_own(job_id: str, services: TranscodingServices, caller: Caller) -> None:
    """Raises JobNotFound where the client may not see the job."""
    if caller.is_restricted:
        await _own_job(job_id, services, caller)
