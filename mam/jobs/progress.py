"""The progress of jobs in Redis: what workers report, and which segments exist."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence

import redis

from mam import stored
from mam.events import publish, script
from mam.jobs import lua
from mam.jobs.change import Change
from mam.jobs.job import Picture
from mam.jobs.keys import KEEP_SECONDS, PREFIX, made_key

MAX_ATTEMPTS = 4  # A task that ends its worker this often without progress is not tried again.


class Progress:
    """Workers' reports, accepted while the job belongs to their epoch. Every report is one round trip and atomic."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._change = Change(client)
        self._attempt = script(client, lua.ATTEMPT)
        self._attempt_picture = script(client, lua.ATTEMPT_PICTURE)
        self._ended = client.register_script(lua.ENDED)
        self._made = script(client, lua.MADE)
        self._todo = script(client, lua.TODO)
        self._give = script(client, lua.GIVE)
        self._pictured = script(client, lua.PICTURED)

    # tasks

    def attempt(self, job: str, epoch: int, task: str, worker: str, *, parent: str = "") -> int | None:
        """Counts a start of `task` since its last progress; None when the job no longer belongs to this epoch.

        `parent`: the Celery node name of the worker whose process runs it.
        """
        count = self._attempt(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, task, worker, parent])
        return None if count < 0 else int(count)

    def attempt_picture(self, job: str, epoch: int, task: str, worker: str, *, parent: str = "") -> int:
        """Counts a start of a task that makes pictures."""
        arguments: list[str | float] = [epoch, time.time(), KEEP_SECONDS, task, worker, parent]
        return int(self._attempt_picture(keys=[PREFIX + job], args=arguments))

    def ended(self, job: str, task: str) -> None:
        """Records that the task has ended, successfully or not, without ending its worker."""
        self._ended(keys=[PREFIX + job], args=[task])

    def encoding(self, job: str, epoch: int, command: str) -> None:
        """Records the command line of an ffmpeg that was started for the job."""
        self._change(job, epoch, command=command, said="[]")

    def said(self, job: str, epoch: int, lines: Sequence[str]) -> None:
        """Records the last lines that the job's last ffmpeg wrote."""
        self._change(job, epoch, said=json.dumps(list(lines)))

    def troubled(self, job: str, epoch: int, detail: str) -> None:
        """Records why a task of the job is retried."""
        self._change(job, epoch, trouble=detail)

    def touch(self, job: str, epoch: int) -> bool:
        """A sign of life. False when the job no longer belongs to this epoch: the caller must stop."""
        return self._change(job, epoch)

    # chunks and segments

    def planned(
        self,
        job: str,
        epoch: int,
        *,
        segments: int,
        duration: float,
        streams: str,
        notes: str = "",
        ladder: Sequence[str] = (),
    ) -> bool:
        """Records that the plan is written. `streams`, `notes`: JSON of those of the plan. `ladder`: the names of a
        ladder's renditions with a picture.

        False when the job no longer belongs to this epoch.
        """
        length = f"{duration:.3f}"
        return self._change(
            job, epoch, "planned", segments=str(segments), duration=length, streams=streams, notes=notes,
            ladder=" ".join(ladder),
        )  # fmt: skip

    def divide(self, job: str, epoch: int, chunks: Sequence[int]) -> bool:
        """Records the chunks to be made; `next_chunks` hands them out. False where they are recorded already."""
        return bool(chunks and self._todo(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, *chunks]))

    def next_chunks(self, job: str, epoch: int, done: str, window: int) -> list[int]:
        """The chunks that the caller must queue now, so that `window` chunks of the job are queued or running.

        `done`: the number of the chunk that the caller has made, or `plan`. A repeated call returns the same chunks:
        the caller may have been killed before it queued them.
        """
        numbers = self._give(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, done, window])
        return [number for value in numbers if (number := stored.whole(value)) is not None]

    def made(self, job: str, epoch: int, segments: Mapping[int, float], *, task: str, profile: str, host: str) -> bool:
        """Records segments that a task on the machine `host` just made. `segments`: their numbers and durations.

        True for the one call that completes the job: that caller queues the commit.
        """
        return self._report(job, epoch, segments, task, "1", profile, host)

    def found(self, job: str, epoch: int, segments: Mapping[int, float]) -> bool:
        """Records segments that an earlier leader made. True when none is missing."""
        return self._report(job, epoch, segments, "plan", "0", "", "")

    def initialized(self, job: str, files: Sequence[str]) -> None:
        """Publishes that initialization sections of the job exist. `files`: their names below the revision."""
        publish(self._client, job, "initialized", files=list(files))

    def incomplete(self, job: str, epoch: int, missing: Sequence[int]) -> None:
        """Takes back reported segments that the commit found missing: they must be made again."""
        with self._client.pipeline(transaction=True) as pipe:
            for number in missing:
                pipe.setbit(made_key(job), number, 0)
            pipe.expire(made_key(job), KEEP_SECONDS)
            pipe.hdel(PREFIX + job, "finalizing")
            pipe.execute()
        self.touch(job, epoch)

    def pictured(self, job: str, epoch: int, picture: Picture) -> bool:
        """Records that the picture exists. False when the job is unknown by now, or may not announce it."""
        return bool(self._pictured(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, picture.value]))

    def is_made(self, job: str, numbers: Iterable[int]) -> list[bool]:
        """Whether each of the segments is known to exist."""
        with self._client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.getbit(made_key(job), number)
            return [bool(bit) for bit in pipe.execute()]

    def made_segments(self, job: str, total: int) -> list[bool]:
        """Whether each of the plan's `total` segments is known to exist: one read of all their bits."""
        reply = self._client.getrange(made_key(job), 0, (total + 7) // 8 - 1)
        bits = reply if isinstance(reply, bytes) else b""
        return [number < 8 * len(bits) and bool(bits[number >> 3] & 0x80 >> (number & 7)) for number in range(total)]

    def _report(self, job: str, epoch: int, segments: Mapping[int, float], *labels: str) -> bool:
        flat = [item for number, seconds in segments.items() for item in (number, f"{seconds:.6f}")]
        return bool(self._made(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, *labels, *flat]) == 1)
