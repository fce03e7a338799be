"""A job as a value: its state, how far it is, and what can be told from that."""

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

FEW_SEGMENTS, FEW_SECONDS = 2, 3.0  # made since the start: fewer say nothing of how long the rest will take
SILENT_LEASES = 2  # without a sign of life for so long, a job is looked for among the tasks, and people are told


class State(str, Enum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @classmethod
    def read(cls, name: str | None) -> State | None:
        """None for what is none."""
        return next((state for state in cls if state.value == name), None)

    @property
    def is_final(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Picture(str, Enum):
    """What is made of a video besides its stream."""

    POSTER = "poster"
    STORYBOARD = "storyboard"


@dataclass(frozen=True, slots=True)
class _Running:
    """What the scripts write of a task that a worker is at."""

    worker: str
    since: stored.Moment
    parent: str = ""


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task of a job that a worker is at. `since`: Unix seconds. `attempt`: starts since it last got on.

    `worker`: the process that runs it; `parent`: the Celery node name of its worker.
    """

    name: str
    worker: str
    since: float
    attempt: int
    parent: str = ""


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that a worker runs, or ought to run, in short. `updated_at`: Unix seconds of its last sign of life."""

    id: str
    video: str
    updated_at: float
    running: tuple[RunningTask, ...]
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment. Times are Unix seconds; `duration` and `media_made` are seconds of media.

    `asset_version`: of the object that is converted; '' where it is unknown.
    `position`: how many queued jobs are begun before it, and itself. `streams`: of the source, with what
    becomes of each. `command` and `said`: of the last ffmpeg.
    `trouble`: why a task of it is to be tried again; None once it gets on. `pictures`: those that are there.
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

    @property
    def percent(self) -> float:
        if self.state is State.SUCCEEDED:
            return 100.0
        return round(100 * self.segments_done / self.segments_total, 1) if self.segments_total else 0.0

    @property
    def speed(self) -> float | None:
        """Seconds of media made in a second: of late while it runs, of the whole once it has ended."""
        if self.started_at is None or not self.media_made:
            return None
        if self.state is State.RUNNING and self.recent_speed is not None:
            return self.recent_speed
        return self.media_made / max((self.finished_at or time.time()) - self.started_at, 0.001)

    @property
    def eta(self) -> float | None:
        """Seconds until it is done, at its present speed; None while that cannot be told.

        While no worker runs it, other jobs decide when it goes on; and of the first moments nothing follows.
        """
        if self.state is not State.RUNNING or not self.running or self.duration is None or not self.speed:
            return None
        since = time.time() - (self.started_at or 0.0)
        if self.segments_done < FEW_SEGMENTS or since < FEW_SECONDS:
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


def running_tasks(found: Mapping[str, str], attempts: Mapping[str, int]) -> tuple[RunningTask, ...]:
    """Who is at which task, by its name. `found`: as the scripts wrote it; what cannot be read is left out."""
    tasks = ((name, stored.read(_Running, text)) for name, text in sorted(found.items()))
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
    """A job from what Redis holds of it: its hash and what lies beside. None without a state and an epoch.

    Any other field that cannot be read is as one that is not there.
    """

    def number(name: str) -> float | None:
        return stored.number(fields.get(name))

    state, epoch = State.read(fields.get("state")), stored.whole(fields.get("epoch"))
    if state is None or epoch is None:
        return None
    return Job(
        id=job,
        state=state,
        epoch=epoch,
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
        command=fields.get("command"),
        said=tuple(stored.read(list[str], fields.get("said")) or ()),
        created_at=number("created_at") or 0.0,
        updated_at=number("updated_at") or 0.0,
        started_at=number("started_at"),
        finished_at=number("finished_at"),
        trouble=fields.get("trouble"),
        error=stored.read(dict[str, Any], fields.get("error")),
        replaced_by=fields.get("replaced_by"),
        pictures=frozenset(known for known in Picture if known.value in fields.get("pictures", "").split()),
    )
