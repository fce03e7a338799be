"""Plan previews: a worker makes the plan and returns it through Redis."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import redis
import redis.asyncio
from pydantic import BaseModel, Field

from mam import stored
from mam.errors import ConversionFailed, MamError, Unavailable
from mam.hls.plan import StreamInfo
from mam.hls.recipe import Format, Profile
from mam.hls.renditions import Rendition

PREFIX = "mam:preview:"
KEEP_SECONDS = 60  # An answer that no request fetches expires after this time.
LOOK_SECONDS = 1  # One blocking read of Redis lasts this long: less than the client's own timeout.
WAIT_SECONDS = 120  # A request waits this long: a source without an index must be read whole.


class RenditionView(BaseModel):
    """A media playlist of the planned stream."""

    name: str
    kind: str = Field(examples=["video", "audio", "subtitles"])
    codecs: str
    language: str
    title: str
    default: bool
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bandwidth: int = Field(description="Expected bits a second of the heaviest part.")
    average_bandwidth: int

    @classmethod
    def of(cls, rendition: Rendition) -> RenditionView:
        video, audio = rendition.video, rendition.audio
        return cls(
            name=rendition.name,
            kind="video" if video else "audio" if audio else "subtitles",
            codecs=",".join(track.codecs for track in rendition.tracks),
            language=rendition.language,
            title=rendition.title,
            default=rendition.default,
            width=video.width if video else None,
            height=video.height if video else None,
            frame_rate=round(video.frame_rate, 3) if video else None,
            sample_rate=audio.sample_rate if audio else None,
            channels=audio.channels if audio else None,
            bandwidth=rendition.bandwidth,
            average_bandwidth=rendition.average_bandwidth,
        )


class PlanView(BaseModel):
    """What a conversion would do, and why. Nothing was converted."""

    video: str
    revision: str = Field(description="Also the id that the job would have.")
    live: bool = Field(description="Whether this revision is live already.")
    profile: Profile
    format: Format
    duration_seconds: float
    source_bytes: int
    streams: list[StreamInfo] = Field(description="Each stream of the source, and what becomes of it.")
    notes: list[str] = Field(description="Faults of the source that are tolerated, and properties that are lost.")
    renditions: list[RenditionView]
    segments: int
    longest_segment_seconds: float
    tasks: int = Field(description="Parts that workers may make at the same time.")
    estimated_bytes: int
    estimated_seconds: float = Field(description="An estimate for one machine that is otherwise idle.")
    command: str | None = Field(description="The first ffmpeg that would be started; null where all is copied.")


@dataclass(frozen=True, slots=True)
class _Error:
    status: Annotated[int, Field(ge=400, le=599)]
    code: str
    title: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """A worker's answer: a plan or an error."""

    plan: PlanView | None = None
    error: _Error | None = None


class PreviewPending(Unavailable):
    code, title = "preview_pending", "The plan is not ready yet"
    hint = "Try again later: all workers may be busy, or the source has no index and must be read completely."


def new_id() -> str:
    return uuid.uuid4().hex


def answer(client: redis.Redis, request_id: str, outcome: PlanView | MamError) -> None:
    """Returns the outcome to the request that waits for it."""
    if isinstance(outcome, MamError):
        parts = ("status", "code", "title", "detail", "hint")
        body: dict[str, Any] = {"error": {part: getattr(outcome, part) for part in parts}}
    else:
        body = {"plan": outcome.model_dump(mode="json")}
    with client.pipeline(transaction=True) as pipe:
        pipe.rpush(PREFIX + request_id, json.dumps(body))
        pipe.expire(PREFIX + request_id, KEEP_SECONDS)
        pipe.execute()


async def wait_for(client: redis.asyncio.Redis, request_id: str) -> PlanView:
    """The worker's plan. Raises the error that planning failed with, PreviewPending, RedisError."""
    deadline = time.monotonic() + WAIT_SECONDS
    popped: Any = None
    while popped is None:
        if time.monotonic() > deadline:
            raise PreviewPending(f"No worker answered within {WAIT_SECONDS} s.")
        popped = await client.blpop([PREFIX + request_id], timeout=LOOK_SECONDS)
    reply = stored.read(_Answer, popped[1])
    if reply and reply.error:
        raise ConversionFailed(**asdict(reply.error))
    if reply is None or reply.plan is None:
        raise PreviewPending("The worker's answer cannot be read.", hint="Ask again.")
    return reply.plan
