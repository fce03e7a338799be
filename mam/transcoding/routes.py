"""The routes of the transcoding service: conversions, jobs, the fleet, and what happens to them as events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from mam.errors import InvalidRequest
from mam.http import journal, problems
from mam.http.auth import require_api_key
from mam.http.routing import Route
from mam.http.streams import KEEPALIVE, MEDIA_TYPE, EventStream, event
from mam.jobs.job import State
from mam.jobs.paging import CURSOR
from mam.jobs.previews import PlanView
from mam.naming import MAX_KEY_BYTES, REVISION
from mam.transcoding import views
from mam.transcoding.services import Provided
from mam.transcoding.views import Accepted, BriefJobView, JobView, Transcoded

MAX_PAGE = 500

Brief = Annotated[bool, Query(description="true: jobs without `streams`, `command` and `ffmpeg_log`.")]
JobId = Annotated[str, Path(pattern=f"^{REVISION.pattern}$", examples=["1f0c9a7be2d4"])]

router = APIRouter(route_class=Route, dependencies=[require_api_key])


@router.post(
    "/transcode",
    summary="Convert an asset",
    description="Answers when the video is live, at once if it is already; with `wait: false` as soon as the plan "
    "is written. A request for what is being converted joins the conversion. The same `Idempotency-Key` means the "
    "same job for a day.",
    response_model=Transcoded | Accepted,
    responses={
        202: {"model": Accepted, "description": "Being converted"},
        **problems.responses(400, 403, 404, 409, 422, 429, 503),
    },
    tags=["conversion"],
)
async def transcode(
    order: views.TranscodeRequest,
    services: Provided,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Any:
    answer = await services.transcoding.transcode(order, idempotency_key)
    if isinstance(answer, Accepted):
        response.status_code = 202
        response.headers["Location"] = f"/jobs/{answer.job}"
    return answer


@router.post(
    "/plan",
    summary="What a conversion would do, and why",
    description="Looks at the asset and converts nothing: each stream with what becomes of it, the renditions, "
    "how much and how long it would be, and the ffmpeg that would run.",
    responses=problems.responses(400, 403, 404, 422, 503),
    tags=["conversion"],
)
async def plan(wanted: views.AssetRequest, services: Provided) -> PlanView:
    return await services.transcoding.plan(wanted)


@router.get(
    "/fleet",
    summary="Workers, and what waits",
    description="Workers with their tasks, queues, speed, and `notes`: why something does not move, and what "
    "to do about it. Answers also while Redis or the store is away: a note says so.",
    responses=problems.responses(403),
    tags=["operations"],
)
async def show_fleet(services: Provided) -> views.FleetView:
    return await services.glance.view()


@router.get(
    "/events",
    summary="All that happens, as server-sent events",
    description="At first every job that has not ended and the fifty newest that have, as `event: job` with what "
    "/jobs/{id} answers, and the fleet, as `event: fleet` with what /fleet answers. Then each whenever it has "
    "changed: a job at most four times a second, the fleet once; the last state always comes. A comment every "
    "15 seconds when there is nothing. A stream that ends is asked for anew, and begins with everything again.",
    response_class=EventStream,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "`event: job` and `event: fleet`"},
        **problems.responses(403),
    },
    tags=["operations"],
)
async def all_events(services: Provided, brief: Brief = False) -> EventStream:
    over = asyncio.Event()
    return EventStream(services.feed.listen(over, brief=brief), over=[over.wait, services.stopping.wait])


@router.get(
    "/jobs",
    summary="Jobs, newest first",
    responses=problems.responses(403, 422, 503),
    tags=["jobs"],
)
async def jobs(
    services: Provided,
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
        services.jobs.page, states=state or (), bucket=bucket, key=object, limit=limit, cursor=cursor
    )
    if brief:
        return views.BriefJobList(jobs=[BriefJobView.of(job) for job in page.jobs], next_cursor=page.cursor)
    return views.JobList(jobs=[JobView.of(job) for job in page.jobs], next_cursor=page.cursor)


@router.get(
    "/jobs/{job_id}",
    summary="State and progress of a conversion",
    responses=problems.responses(403, 404, 503),
    tags=["jobs"],
)
async def job(job_id: JobId, services: Provided) -> JobView:
    return JobView.of(await asyncio.to_thread(services.jobs.get, job_id))


@router.get(
    "/jobs/{job_id}/events",
    summary="The same whenever it changes, as server-sent events, until it has ended",
    response_class=EventStream,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "`event: job`, `data:` as /jobs/{id} has it"},
        **problems.responses(403, 404, 503),
    },
    tags=["jobs"],
)
async def events(job_id: JobId, services: Provided) -> EventStream:
    await asyncio.to_thread(services.jobs.get, job_id)  # not found is an answer, not the end of a stream

    async def stream() -> AsyncGenerator[bytes, None]:
        async for found in services.transcoding.events(job_id):
            yield event("job", JobView.of(found).model_dump_json()) if found else KEEPALIVE

    return EventStream(stream(), over=[services.stopping.wait])


@router.get(
    "/jobs/{job_id}/chunks",
    summary="How far a job is, part by part",
    description="The chunks of its plan, each with its existing segments and the worker that makes it; and the ranges "
    "that can be played. Empty before the job is planned.",
    responses=problems.responses(403, 404, 503),
    tags=["jobs"],
)
async def chunks(job_id: JobId, services: Provided) -> views.ChunksView:
    return await asyncio.to_thread(services.layouts.view, job_id)


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel a conversion, queued or running",
    dependencies=[journal.entry("cancel job")],
    responses=problems.responses(403, 404, 409, 503),
    tags=["jobs"],
)
async def cancel(job_id: JobId, services: Provided) -> JobView:
    return JobView.of(await services.transcoding.cancel(job_id))


@router.post(
    "/jobs/{job_id}/retry",
    summary="Restart a job that has ended",
    status_code=202,
    dependencies=[journal.entry("retry job")],
    responses=problems.responses(403, 404, 409, 503),
    tags=["jobs"],
)
async def retry(job_id: JobId, services: Provided) -> JobView:
    return JobView.of(await services.transcoding.retry(job_id))


@router.patch(
    "/jobs/{job_id}",
    summary="Change a job's priority",
    dependencies=[journal.entry("change priority")],
    responses=problems.responses(403, 404, 409, 422, 503),
    tags=["jobs"],
)
async def change(job_id: JobId, wanted: views.JobChange, services: Provided) -> JobView:
    return JobView.of(await services.transcoding.prioritise(job_id, wanted.priority))


@router.post(
    "/jobs/{job_id}/seek",
    summary="Make a segment next: a viewer waits for it",
    responses=problems.responses(403, 404, 422, 503),
    tags=["conversion"],
)
async def seek(job_id: JobId, wanted: views.SeekRequest, services: Provided) -> views.SeekAnswer:
    return views.SeekAnswer(state=await services.transcoding.seek(job_id, wanted.segment))
