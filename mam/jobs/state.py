"""The state of jobs in Redis: the leader of each, and how it ended. The object store is the truth.

A job is a revision. It has one leader at a time: the one that claimed it last, known by its epoch. Reports of an
earlier leader's tasks are refused, so a paused worker cannot interfere with its successor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import redis

from mam import stored
from mam.errors import JobNotFound, MamError
from mam.events import script
from mam.jobs import keys, lua
from mam.jobs.change import Change
from mam.jobs.job import ActiveJob, Job, State, parse, running_tasks
from mam.jobs.paging import Page, Position, Row
from mam.jobs.queues import Priority
from mam.jobs.rungs import with_renditions

FAILURE_SECONDS = 60  # A failure is the answer to further requests for this long, before another attempt.
NAME_SECONDS = 3600  # A claimed name is held this long: until the plan is written, which holds it from then on.
IDEMPOTENCY_SECONDS = 24 * 3600  # An idempotency key is remembered this long.
PICTURES_SECONDS = 3600  # The pictures of a live video are checked at most this often.
PAGE = 200  # A list of jobs is read in steps of this many.


class Claim(str, Enum):
    """The outcome of claiming a job: the caller leads it, joins its leader, or finds it done or failed."""

    LEAD = "lead"
    JOIN = "join"
    DONE = "done"
    FAILED = "failed"


class Mode(str, Enum):
    """How a job is claimed. `anew`: even if it has succeeded; `revive`: resumes a lost job; `retry`: starts the job
    again, whatever its state."""

    ASK = "ask"
    ANEW = "anew"
    RETRY = "retry"
    REVIVE = "revive"


class Jobs:
    """Reads and changes jobs. Every change is one round trip and atomic."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._claim = script(client, lua.CLAIM)
        self._change = Change(client)
        self._note_keyed = client.register_script(lua.NOTE_KEYED)
        self._name = client.register_script(lua.NAME)

    # claims

    def claim_name(self, name: str, holder: str) -> bool:
        """Claims a video name for the asset `holder`. False when another asset holds it."""
        return bool(self._name(keys=[keys.NAME_PREFIX + name], args=[holder, NAME_SECONDS]) == holder.encode())

    def claim(
        self, job: str, fields: Mapping[str, str], *, viewer: bool, callback: str = "", mode: Mode = Mode.ASK
    ) -> tuple[Claim, int]:
        """Claims a job that has no leader, or finds its leader. Returns the current epoch.

        `callback`: a webhook URL for the job, whichever leader runs it.
        """
        flat = [item for pair in fields.items() for item in pair]
        outcome, epoch = self._claim(
            keys=[keys.PREFIX + job],
            args=[mode.value, time.time(), FAILURE_SECONDS, keys.KEEP_SECONDS, int(viewer), callback, *flat],
        )
        return Claim(outcome.decode()), int(epoch)

    def keyed_at(self, job: str) -> float:
        """Unix seconds of the last request for the job with an API key; 0 where none is known."""
        return stored.number(self._client.hget(keys.PREFIX + job, "keyed_at")) or 0.0

    def note_keyed(self, job: str, moment: float | None = None) -> None:
        """Records a request with an API key for a known job: now or at `moment`; a later recorded one stays."""
        self._note_keyed(keys=[keys.PREFIX + job], args=[moment or time.time()])

    def remember_request(self, key: str, fingerprint: str, job: str) -> None:
        """Records the request of an idempotency key, unless the key has one already."""
        self._client.set(keys.IDEMPOTENCY_PREFIX + key, json.dumps([fingerprint, job]), nx=True, ex=IDEMPOTENCY_SECONDS)

    def earlier_request(self, key: str) -> tuple[str, str] | None:
        """(fingerprint, job) of the request with this idempotency key; None when there was none."""
        return stored.read(tuple[str, str], self._client.get(keys.IDEMPOTENCY_PREFIX + key))

    # reading

    def get(self, job: str) -> Job:
        """Raises JobNotFound."""
        record = self._read([job])[0]
        if record is None:
            raise JobNotFound(f"No job has the id {job!r}.")
        return record

    def find(self, jobs: Sequence[str]) -> list[Job | None]:
        """The jobs of these ids, in order; None for an unknown one."""
        return [job for start in range(0, len(jobs), PAGE) for job in self._read(jobs[start : start + PAGE])]

    def page(
        self,
        *,
        states: Sequence[State] = (),
        bucket: str = "",
        key: str = "",
        limit: int = 50,
        cursor: str | None = None,
        shown: Callable[[str], bool] = lambda source: True,
    ) -> Page:
        """A page of jobs by creation time, newest first; only one asset's jobs where `bucket` and `key` are given.

        `cursor`: that of the previous page. `shown`: whether jobs of an asset, `bucket/key`, are listed.
        """
        index = keys.ACTIVE if states and not any(state.is_final for state in states) else keys.ALL
        index = f"{keys.ASSET}{bucket}/{key}" if key else index
        matches: list[Job] = []
        position = Position.of(cursor)
        while True:
            rows: list[Row] = self._client.zrevrangebyscore(  # type: ignore[assignment]
                index, position.score, "-inf", start=position.skipped, num=PAGE, withscores=True
            )
            jobs = self._read([stored.text(row[0]) or "" for row in rows])
            self._forget(index, [row[0] for row, job in zip(rows, jobs, strict=True) if job is None])
            for number, job in enumerate(jobs):
                if (
                    job
                    and (not states or job.state in states)
                    and bucket in ("", job.asset_bucket)
                    and shown(f"{job.asset_bucket}/{job.asset_object}")
                ):
                    if len(matches) == limit:
                        return Page(matches, position.before(rows, number))
                    matches.append(job)
            if len(rows) < PAGE:
                return Page(matches, None)
            position = position.after(rows)

    def _forget(self, index: str, ids: Sequence[bytes]) -> None:
        """Removes from a list the ids of expired jobs. A job that cannot be read stays."""
        if not ids:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for job in ids:
                pipe.exists(keys.PREFIX.encode() + job)
            expired = [job for job, exists in zip(ids, pipe.execute(), strict=True) if not exists]
        if expired:
            self._client.zrem(index, *expired)

    def active(self) -> int:
        """The number of jobs that have not ended."""
        return int(self._client.zcard(keys.ACTIVE))

    def active_for_viewers(self) -> int:
        """The number of jobs that have not ended and that no request with an API key asked for."""
        ids = stored.texts(self._client.zrange(keys.ACTIVE, 0, -1))
        with self._client.pipeline(transaction=False) as pipe:
            for job in ids:
                pipe.hget(keys.PREFIX + job, "for_viewers")
            return sum(value == b"1" for value in pipe.execute(raise_on_error=False))

    def counts(self) -> dict[str, int]:
        """The numbers of queued and of running jobs."""
        with self._client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.zcard(keys.QUEUED)
            pipe.zcard(keys.ACTIVE)
            queued, active = pipe.execute()
        return {State.QUEUED.value: queued, State.RUNNING.value: max(active - queued, 0)}

    def overview(self, newest: int) -> tuple[list[str], list[str], list[str]]:
        """(ids of the active jobs, of the queued jobs in their order, of the `newest` last created jobs)."""
        with self._client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.zrange(keys.ACTIVE, 0, -1)
            pipe.zrange(keys.QUEUED, 0, -1)
            pipe.zrevrange(keys.ALL, 0, newest - 1)
            active, queued, last = map(stored.texts, pipe.execute())
        return active, queued, last

    def started(self) -> list[ActiveJob]:
        """The jobs that have started and not ended, in short."""
        active, queued, _ = self.overview(1)
        return self._in_short({*active}.difference(queued))

    def picturing(self) -> list[ActiveJob]:
        """The jobs whose pictures a task is making; they may have ended."""
        names: set[Any] = self._client.smembers(keys.PICTURING)
        return self._in_short(stored.texts(names))

    def _in_short(self, jobs: Iterable[str]) -> list[ActiveJob]:
        ids = sorted(jobs)
        with self._client.pipeline(transaction=False) as pipe:
            for job in ids:
                pipe.hmget(keys.PREFIX + job, ["video", "updated_at", "trouble"])
                pipe.hgetall(keys.running_key(job))
            rows = stored.answers(pipe.execute(raise_on_error=False))
        return [
            ActiveJob(
                id=job,
                video=stored.text(fields[0]) or "",
                updated_at=updated_at,
                running=running_tasks(stored.mapping(running), {}),
                trouble=stored.text(fields[2]),
            )
            for job, fields, running in zip(ids, rows[::2], rows[1::2], strict=True)
            if fields and (updated_at := stored.number(fields[1])) is not None  # else its hash has expired
        ]

    def silent(self, seconds: float) -> list[Job]:
        """The active jobs without a sign of life for that many seconds."""
        active: list[bytes] = self._client.zrange(keys.ACTIVE, 0, -1)  # type: ignore[assignment]
        ids = stored.texts(active)
        limit = time.time() - seconds
        return [job for job in self._read(ids) if job and not job.state.is_final and job.updated_at < limit]

    def states(self, jobs: Sequence[str]) -> list[State | None]:
        """The state of each job; None for one that is unknown or cannot be read."""
        with self._client.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hget(keys.PREFIX + job, "state")
            replies = stored.answers(pipe.execute(raise_on_error=False))
        return [State.read(stored.text(state)) for state in replies]

    def order(self, job: str) -> dict[str, Any]:
        """The fields of the current leader's order. Raises JobNotFound."""
        raw_order, raw_epoch = self._client.hmget(keys.PREFIX + job, ["order", "epoch"])
        order, epoch = stored.read(dict[str, Any], raw_order), stored.whole(raw_epoch)
        if order is None or epoch is None:
            raise JobNotFound(f"No job has the id {job!r}.")
        return {**order, "epoch": epoch}

    def priority(self, job: str) -> Priority:
        return Priority.read(stored.text(self._client.hget(keys.PREFIX + job, "priority")))

    def is_current(self, job: str, epoch: int) -> bool:
        """Whether the job is active and belongs to this epoch."""
        state, current = self._client.hmget(keys.PREFIX + job, ["state", "epoch"])
        return state in (b"queued", b"running") and current == str(epoch).encode()

    def keeps(self, job: str, epoch: int) -> bool:
        """Whether pictures of the job's revision are wanted: the job is current, has succeeded, or is forgotten."""
        state, current = self._client.hmget(keys.PREFIX + job, ["state", "epoch"])
        return state in (None, b"succeeded") or (state in (b"queued", b"running") and current == str(epoch).encode())

    def take_pictures(self, job: str) -> bool:
        """Whether the caller checks the pictures of a live video: True once every PICTURES_SECONDS."""
        return bool(self._client.set(keys.PICTURES_PREFIX + job, "1", nx=True, ex=PICTURES_SECONDS))

    # ending

    def succeed(self, job: str, epoch: int) -> bool:
        return self._end(job, epoch, State.SUCCEEDED)

    def fail(self, job: str, epoch: int, error: MamError) -> bool:
        """Ends a job with an error, of which everything that a client needs is recorded."""
        record = {"code": error.code, "message": error.detail, "hint": error.hint, "title": error.title,
                  "status": error.status}  # fmt: skip
        return self._end(job, epoch, State.FAILED, error=json.dumps(record))

    def cancel(self, job: str, epoch: int) -> bool:
        return self._end(job, epoch, State.CANCELLED)

    def replace(self, job: str, epoch: int, successor: str) -> bool:
        """Cancels a job in favour of a successor: the source has changed, or a copy cannot be decoded."""
        return self._end(job, epoch, State.CANCELLED, replaced_by=successor)

    def replaced(self, job: str) -> str | None:
        """The successor of a replaced job."""
        return stored.text(self._client.hget(keys.PREFIX + job, "replaced_by"))

    def forget_old(self) -> None:
        """Drops long expired jobs from the list of all jobs."""
        self._client.zremrangebyscore(keys.ALL, "-inf", time.time() - 2 * keys.KEEP_SECONDS)

    def _end(self, job: str, epoch: int, state: State, **fields: str) -> bool:
        return self._change(job, epoch, state.value, state=state.value, finished_at=str(time.time()), **fields)

    def _read(self, jobs: Sequence[str]) -> list[Job | None]:
        """The jobs of these ids, in order; None for an unknown one."""
        if not jobs:
            return []
        with self._client.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hgetall(keys.PREFIX + job)
                pipe.bitcount(keys.made_key(job))
                pipe.hgetall(keys.attempts_key(job))
                pipe.hgetall(keys.running_key(job))
                pipe.zrank(keys.QUEUED, job)
            rows = stored.answers(pipe.execute(raise_on_error=False))
        found = [_job(job, *rows[5 * number : 5 * number + 5]) for number, job in enumerate(jobs)]
        return with_renditions(self._client, found)


def _job(job: str, raw: Any, done: int | None, attempts: Any, running: Any, position: int | None) -> Job | None:
    counts = ((name, stored.whole(count)) for name, count in stored.mapping(attempts).items())
    return parse(
        job,
        stored.mapping(raw),
        done=done or 0,
        attempts={name: count for name, count in counts if count is not None},
        running=stored.mapping(running),
        position=position,
    )
