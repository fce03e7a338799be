"""The JSON of the transcoding service: its requests, and jobs as clients see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import Self

from mam.errors import Failure
from mam.hls.plan import StreamInfo
from mam.hls.recipe import Format, Profile, Wanted
from mam.http.numbers import a_number
from mam.jobs.job import Job, Making, Picture, RenditionState, RunningTask, State
from mam.jobs.presence import Worker
from mam.jobs.queues import Priority, base
from mam.naming import BUCKET_SCHEMA, KEY_SCHEMA, MAX_KEY_BYTES, poster_path, revision_and_group, storyboard_path

MAX_SEGMENT = 99_999_999  # Segment names have at most eight digits.

DEPRECATED: dict[str, Any] = {"deprecated": True}  # These fields are removed with the next release.


class AssetRequest(BaseModel):
    """An asset, and the wanted output."""

    model_config = ConfigDict(extra="forbid")

    asset_bucket: str = Field(examples=["myvideos"], json_schema_extra=BUCKET_SCHEMA)
    asset_object: str = Field(examples=["sample.mp4"], json_schema_extra=KEY_SCHEMA)
    reencode: bool = Field(
        default=False, strict=True, description="false copies the streams; true makes H.264 and AAC."
    )
    profile: Profile | None = Field(
        default=None,
        description="Instead of `reencode`: `source` copies, `h264` encodes, `auto` copies playable streams and "
        "encodes the others, `ladder` adds smaller pictures that are made when a player requests them (always `fmp4`).",
    )
    format: Format = Field(default=Format.TS, description="The segment format; `fmp4` also carries HEVC and AV1.")
    audio_language: str = Field(
        default="",
        max_length=35,
        pattern=r"^([A-Za-z0-9]+(-[A-Za-z0-9]+)*)?$",
        description="The audio language to keep, as an RFC 5646 tag; without it all audio tracks become renditions.",
        examples=["en"],
    )

    @model_validator(mode="after")
    def _one_way(self) -> AssetRequest:
        if self.reencode and self.profile not in (None, Profile.H264):
            raise ValueError(f"profile {self.profile.value!r} contradicts reencode=true")
        if self.profile is Profile.LADDER and self.format is Format.TS and "format" in self.model_fields_set:
            raise ValueError("a ladder has segments of fragmented MP4 alone: leave out format")
        return self

    @property
    def source(self) -> str:
        """The asset, `bucket/key`."""
        return f"{self.asset_bucket}/{self.asset_object}"

    @property
    def wanted(self) -> Wanted:
        profile = self.profile or (Profile.H264 if self.reencode else Profile.SOURCE)
        fmt = Format.FMP4 if profile is Profile.LADDER else self.format
        return Wanted(profile, fmt, self.audio_language)


class TranscodeRequest(AssetRequest):
    """An asset to convert, and how."""

    wait: bool = Field(
        default=True, strict=True, description="false answers 202 with the job as soon as the plan is written."
    )
    viewer: bool = Field(
        default=False,
        strict=True,
        description="true: a viewer's request; the conversion may stop when no viewer watches (STOP_IDLE_MINUTES).",
    )
    client: str = Field(
        default="",
        max_length=64,
        pattern="^[0-9a-f]*$",
        description="With `viewer`: a digest of the viewer's place (VIEWER_CONVERSIONS_PER_HOUR).",
    )
    priority: Priority = Field(
        default=Priority.NORMAL, description="The priority among conversions; viewers always go first."
    )
    callback_url: str | None = Field(
        default=None,
        max_length=2048,
        description="Gets a POST when the video is playable, ready or failed (needs WEBHOOK_SECRET).",
        examples=["https://example.com/hooks/mam"],
    )


class Transcoded(BaseModel):
    status: Literal["success"] = "success"
    video: str = Field(examples=["sample"])


class Accepted(BaseModel):
    status: Literal["accepted"] = "accepted"
    video: str = Field(examples=["sample"])
    job: str = Field(examples=["1f0c9a7be2d4"])


class Progress(BaseModel):
    percent: float
    segments_done: int
    segments_total: int | None = Field(description="Known once the job is planned.")
    speed: float | None = Field(description="Seconds of media made per second.")
    eta_seconds: float | None
    queue_position: int | None = Field(description="1: the next job to start. Null once it has started.")


class TaskView(BaseModel):
    """A running task of a job."""

    name: str = Field(examples=["make:7"])
    worker: str = Field(examples=["worker-1:4711"])
    since: float = Field(description="Unix seconds.")
    attempt: int

    @classmethod
    def of(cls, task: RunningTask) -> TaskView:
        return cls(name=task.name, worker=task.worker, since=task.since, attempt=task.attempt)


class LadderRendition(BaseModel):
    """A rendition of a ladder."""

    name: str = Field(examples=["v540"])
    state: Making = Field(description="`promised`: made when a player requests it.")
    percent: float = Field(description="The part of its segments that exists.")

    @classmethod
    def of(cls, rendition: RenditionState) -> LadderRendition:
        return cls(name=rendition.name, state=rendition.state, percent=rendition.percent)


class BriefJobView(BaseModel):
    """A job in the form for lists, without its long fields."""

    id: str
    state: State
    playable: bool
    video: str
    asset_bucket: str
    asset_object: str
    asset_version: str = Field(description="The version of the converted object: its ETag, where the store gives one.")
    profile: str
    format: str
    rendition: str = Field(description="The rung of a ladder that the job makes; empty for everything else.")
    renditions: list[LadderRendition] = Field(
        description="Of a ladder's job: its renditions with a picture, of which others are made by jobs of their own."
    )
    audio_language: str = Field(description="The requested audio language; empty for all.")
    priority: Priority
    duration_seconds: float | None = Field(description="The video's duration; known once the job is planned.")
    progress: Progress
    attempts: int = Field(description="The highest number of starts of any task; 1 without failures.")
    running: list[TaskView]
    retry_reason: str | None = Field(
        description="Why the last task that failed is retried; null once it has succeeded."
    )
    trouble: str | None = Field(description="The old name of `retry_reason`.", json_schema_extra=DEPRECATED)
    error: Failure | None
    replaced_by: str | None = Field(
        description="The job that replaces this one: of the changed source, or encoding what cannot be copied."
    )
    poster: str | None = Field(description="The poster's path at the VoD service; null until it exists.")
    storyboard: str | None = Field(description="The path of the storyboard's WebVTT, likewise.")
    request_id: str = Field(description="The id of the request that began it, also in logs; empty where not known.")
    created_at: float = Field(description="Unix seconds.")
    started_at: float | None
    finished_at: float | None
    updated_at: float = Field(description="Unix seconds of the last sign of life.")

    @classmethod
    def of(cls, job: Job, **extra: Any) -> Self:
        return cls(
            id=job.id,
            state=job.state,
            playable=job.playable,
            video=job.video,
            asset_bucket=job.asset_bucket,
            asset_object=job.asset_object,
            asset_version=job.asset_version,
            profile=job.profile,
            format=job.format,
            rendition=revision_and_group(job.id)[1],
            renditions=[LadderRendition.of(rendition) for rendition in job.renditions],
            audio_language=job.audio_language,
            priority=job.priority,
            duration_seconds=job.duration,
            progress=Progress(
                percent=job.percent,
                segments_done=job.segments_done,
                segments_total=job.segments_total,
                speed=_rounded(job.speed),
                eta_seconds=_rounded(job.eta),
                queue_position=job.position,
            ),
            attempts=job.attempts,
            # The last task is recorded as running for a moment after the job has ended.
            running=[] if job.state.is_final else [TaskView.of(task) for task in job.running],
            retry_reason=job.trouble,
            trouble=job.trouble,
            error=Failure.of(job.error) if job.error else None,
            replaced_by=job.replaced_by,
            poster=poster_path(job.video, job.id) if Picture.POSTER in job.pictures else None,
            storyboard=storyboard_path(job.video, job.id) if Picture.STORYBOARD in job.pictures else None,
            request_id=job.request_id,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            updated_at=job.updated_at,
            **extra,
        )


class JobView(BriefJobView):
    """A job as clients see it."""

    streams: list[StreamInfo] = Field(
        description="Each stream of the source with its outcome; known once the job is planned."
    )
    command: str | None = Field(description="The command line of the job's last ffmpeg, for a shell.")
    ffmpeg_log: list[str] = Field(description="The last lines that this ffmpeg wrote.")
    said: list[str] = Field(description="The old name of `ffmpeg_log`.", json_schema_extra=DEPRECATED)

    @classmethod
    def of(cls, job: Job, **extra: Any) -> Self:
        streams = [StreamInfo(**stream) for stream in job.streams]
        lines = list(job.said)
        return super().of(job, streams=streams, command=job.command, ffmpeg_log=lines, said=lines, **extra)


class JobList(BaseModel):
    jobs: list[JobView]
    next_cursor: str | None = Field(description="The cursor of the next page; null on the last page.")


class BriefJobList(BaseModel):
    """A page of jobs with `brief=true`."""

    jobs: list[BriefJobView]
    next_cursor: str | None = Field(description="The cursor of the next page; null on the last page.")


class SeekRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rendition: str = Field(
        default="", max_length=200, description="Ignored: the id of the job says which renditions are made together."
    )
    segment: Annotated[int, Field(ge=0, le=MAX_SEGMENT), BeforeValidator(a_number)] | None = Field(
        examples=[417], description="null for the initialization section of a ladder's rung."
    )
    video: str = Field(default="", max_length=MAX_KEY_BYTES, description="The video's name, which starts a rung.")


class SeekAnswer(BaseModel):
    state: State


class JobChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    priority: Priority


ChunkState = Literal["made", "running", "waiting"]


class ChunkView(BaseModel):
    """Segments `first` to `last - 1` of a job: the work of one task."""

    first: int
    last: int = Field(description="The first segment of the next chunk.")
    start: float = Field(description="Seconds from the beginning of the video.")
    end: float
    state: ChunkState
    made: int = Field(description="The number of its segments that exist.")
    worker: str | None = Field(description="The worker that makes it.", examples=["worker-1:4711"])


class ChunksView(BaseModel):
    """The progress of a job by chunk. Empty before the job is planned."""

    segments: int = 0
    duration: float = Field(default=0.0, description="Seconds.")
    chunks: list[ChunkView] = []
    made: list[tuple[float, float]] = Field(default=[], description="The playable ranges, in seconds.")


class WorkerTaskView(BaseModel):
    """A running task of a worker."""

    job: str
    video: str
    name: str = Field(examples=["make:7"])
    since: float = Field(description="Unix seconds.")


class WorkerView(BaseModel):
    """A worker: one Celery process that runs `slots` tasks at a time."""

    name: str
    host: str
    slots: int
    queues: list[str]
    since: float = Field(description="Unix seconds.")
    tasks: list[WorkerTaskView] = Field(description="Its running tasks, the oldest first.")

    @classmethod
    def of(cls, worker: Worker, tasks: Iterable[WorkerTaskView]) -> WorkerView:
        return cls(
            name=worker.name, host=worker.host, slots=worker.slots, since=worker.since, tasks=list(tasks),
            queues=[queue for queue in worker.queues if queue == base(queue)],
        )  # fmt: skip


class NoteView(BaseModel):
    """Something that prevents conversions from progressing, and what to do about it."""

    code: str = Field(examples=["no_workers"], description="A stable code for programs.")
    message: str
    hint: str


class FleetView(BaseModel):
    """The workers and the queues."""

    workers: list[WorkerView]
    slots: int
    queues: dict[str, int] = Field(description="Waiting tasks by queue.")
    jobs: dict[str, int] = Field(description="Active jobs by state.")
    speed: float = Field(description="Seconds of media that all workers make per second, over the last ten seconds.")
    notes: list[NoteView] = Field(description="Why conversions do not progress; empty when all is well.")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def public(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    return JobView.of(job).model_dump(mode="json")
