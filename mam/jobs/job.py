"""A job as a value: its state and progress, and what follows from them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mam import stored
from mam.errors import ConversionFailed
from mam.hls.recipe import Format
from mam.jobs.queues import Priority

FEW_SEGMENTS, FEW_SECONDS = 2, 3.0  # The remaining time is not estimated before a job has made and run this much.
SILENT_LEASES = 2  # A job without a sign of life for this many leases is reported, and its tasks are looked for.


class State(str, Enum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @classmethod
    def read(cls, name: str | None) -> State | None:
        """The state of that name; None where there is none."""
        return next((state for state in cls if state.value == name), None)

    @property
    def is_final(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Picture(str, Enum):
    """The pictures that are made of a video."""

    POSTER = "poster"
    STORYBOARD = "storyboard"


class Making(str, Enum):
    """The state of a ladder's rendition. A promised one is made when a player requests it."""

    PROMISED = "promised"
    MAKING = "making"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class RenditionState:
    """A picture of a ladder. `percent`: the part of its segments that exists."""

    name: str
    state: Making
    percent: float


@dataclass(frozen=True, slots=True)
class _Running:
    """The record of a running task, as the scripts write it."""

    worker: str
    since: stored.Moment
    parent: str = ""


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A running task of a job. `since`: Unix seconds. `attempt`: its starts since its last progress.

    `worker`: the process that runs it; `parent`: the Celery node name of its worker.
    """

    name: str
    worker: str
    since: float
    attempt: int
    parent: str = ""


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """An active job in short. `updated_at`: Unix seconds of its last sign of life."""

    id: str
    video: str
    updated_at: float
    running: tuple[RunningTask, ...]
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment. Times are Unix seconds; `duration` and `media_made` are seconds of media.

    `asset_version`: the version of the converted object; '' where it is unknown. `position`: its place among the
    queued jobs, from 1. `streams`: the source's streams, with the outcome of each. `command`, `said`: the command line
    and the last lines of the last ffmpeg. `trouble`: why a task of it is retried; None after the next progress.
    `pictures`: those that exist. `ladder`: the names of a ladder's renditions with a picture, that of the base first;
    `renditions`: their states. Both are empty for any other job.
    """

    id: str
    state: State
    epoch: int
    video: str
    asset_bucket: str
    asset_object: str
    asset_version: str
    profile: str
    format: str
    audio_language: str
    priority: Priority
    playable: bool
    segments_done: int
    segments_total: int | None
    duration: float | None
    media_made: float
    recent_speed: float | None
    position: int | None
    attempts: int
    running: tuple[RunningTask, ...]
    streams: tuple[dict[str, Any], ...]
    command: str | None
    said: tuple[str, ...]
    created_at: float
    updated_at: float
    started_at: float | None
    finished_at: float | None
    trouble: str | None
    error: dict[str, Any] | None
    replaced_by: str | None
    pictures: frozenset[Picture]
    request_id: str = ""
    ladder: tuple[str, ...] = ()
    renditions: tuple[RenditionState, ...] = ()

    @property
    def percent(self) -> float:
        return 100.0 if self.state is State.SUCCEEDED else percentage(self.segments_done, self.segments_total)

    @property
    def speed(self) -> float | None:
        """Seconds of media made per second: the recent rate while the job runs, else that of the whole job."""
        if self.started_at is None or not self.media_made:
            return None
        if self.state is State.RUNNING and self.recent_speed is not None:
            return self.recent_speed
        return self.media_made / max((self.finished_at or time.time()) - self.started_at, 0.001)

    @property
    def eta(self) -> float | None:
        """Seconds until the job is done, at its current speed; None while there is no estimate.

        There is none while no worker runs the job, since other jobs decide when it continues, nor in its first moments.
        """
        if self.state is not State.RUNNING or not self.running or self.duration is None or not self.speed:
            return None
        elapsed = time.time() - (self.started_at or 0.0)
        if self.segments_done < FEW_SEGMENTS or elapsed < FEW_SECONDS:
            return None
        return max(self.duration - self.media_made, 0.0) / self.speed

    def failure(self) -> ConversionFailed:
        """The recorded failure as an error to be raised."""
        error = self.error or {}
        status = error.get("status")
        return ConversionFailed(
            str(error.get("message", "The conversion failed.")),
            status=status if isinstance(status, int) and 400 <= status <= 599 else 500,
            code=str(error.get("code", "internal_error")),
            title=str(error.get("title", "The conversion failed")),
            hint=str(error.get("hint", "Send the request again.")),
        )


def percentage(done: int, total: int | None) -> float:
    return round(100 * done / total, 1) if total else 0.0


def running_tasks(records: Mapping[str, str], attempts: Mapping[str, int]) -> tuple[RunningTask, ...]:
    """The running tasks, by name. `records`: as the scripts wrote them; unreadable ones are left out."""
    tasks = ((name, stored.read(_Running, text)) for name, text in sorted(records.items()))
    return tuple(
        RunningTask(name, task.worker, task.since, attempts.get(name, 1), task.parent) for name, task in tasks if task
    )


def parse(
    job: str,
    fields: dict[str, str],
    *,
    done: int,
    attempts: dict[str, int],
    running: dict[str, str],
    position: int | None,
) -> Job | None:
    """A job from its hash and the keys beside it in Redis. None without a state and an epoch.

    Any other field that cannot be read counts as missing.
    """

    def number(name: str) -> float | None:
        return stored.number(fields.get(name))

    state, epoch = State.read(fields.get("state")), stored.whole(fields.get("epoch"))
    if state is None or epoch is None:
        return None
    return Job(
        id=job, state=state, epoch=epoch,
        video=fields.get("video", ""),
        asset_bucket=fields.get("bucket", ""),
        asset_object=fields.get("key", ""),
        asset_version=fields.get("version", ""),
        profile=fields.get("profile", ""),
        format=fields.get("format", Format.TS.value),
        audio_language=fields.get("audio_language", ""),
        priority=Priority.read(fields.get("priority")),
        playable=fields.get("playable") == "1",
        segments_done=done,
        segments_total=stored.whole(fields.get("segments")),
        duration=number("duration"),
        media_made=number("media_made") or 0.0,
        recent_speed=number("speed"),
        position=None if position is None else position + 1,
        attempts=max(attempts.values(), default=1 if "started_at" in fields else 0),
        running=running_tasks(running, attempts),
        streams=tuple(stored.read(list[dict[str, Any]], fields.get("streams")) or ()),
        created_at=number("created_at") or 0.0,
        updated_at=number("updated_at") or 0.0,
        started_at=number("started_at"),
        finished_at=number("finished_at"),
        **_messages(fields),
        pictures=frozenset(picture for picture in Picture if picture.value in fields.get("pictures", "").split()),
        request_id=fields.get("request", ""),
        ladder=tuple(fields.get("ladder", "").split()),
    )  # fmt: skip


def _messages(fields: dict[str, str]) -> dict[str, Any]:
    """What is known of the last ffmpeg and of failures."""
    return {
        "command": fields.get("command"),
        "said": tuple(stored.read(list[str], fields.get("said")) or ()),
        "trouble": fields.get("trouble"),
        "error": stored.read(dict[str, Any], fields.get("error")),
        "replaced_by": fields.get("replaced_by"),
    }
