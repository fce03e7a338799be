"""The state of jobs in Redis: who leads each, and how it ended. The object store is the truth.

A job is a revision. It has one leader at a time: the one that claimed it last, known by its epoch. Whatever an earlier
leader's tasks report is refused, so a paused worker cannot meddle with its successor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
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

FAILURE_SECONDS = 60  # a failure is given as the answer for that long before another attempt
NAME_SECONDS = 3600  # a name is held by its plan once that is written; until then by this
IDEMPOTENCY_SECONDS = 24 * 3600
PICTURES_SECONDS = 3600  # between two looks at whether a live video has pictures
PAGE = 200  # jobs that are looked at in one round trip when they are listed


class Claim(str, Enum):
    LEAD = "lead"
    JOIN = "join"
    DONE = "done"
    FAILED = "failed"


class Mode(str, Enum):
    """How a job is claimed. `anew`: though it has succeeded; `revive`: goes on with what was lost; `retry`: begins
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
        """Whether the video name is `holder`'s: it was free, or is held by it already."""
        return bool(self._name(keys=[keys.NAME_PREFIX + name], args=[holder, NAME_SECONDS]) == holder.encode())

    def claim(
        self, job: str, fields: Mapping[str, str], *, viewer: bool, callback: str = "", mode: Mode = Mode.ASK
    ) -> tuple[Claim, int]:
        """Claims a job that has no leader, or finds its leader. Returns the epoch in force.

        `callback`: a URL that is told how the job goes, whichever leader runs it.
        """
        flat = [item for pair in fields.items() for item in pair]
        outcome, epoch = self._claim(
            keys=[keys.PREFIX + job],
            args=[mode.value, time.time(), FAILURE_SECONDS, keys.KEEP_SECONDS, int(viewer), callback, *flat],
        )
        return Claim(outcome.decode()), int(epoch)

    def keyed_at(self, job: str) -> float:
        """Seconds since 1970 at which a key asked for the job last; 0 when none did, or the job is forgotten."""
        return stored.number(self._client.hget(keys.PREFIX + job, "keyed_at")) or 0.0

    def note_keyed(self, job: str, moment: float | None = None) -> None:
        """A key asks for a job that is known: now, or at a `moment`, which a later one stands against."""
        self._note_keyed(keys=[keys.PREFIX + job], args=[moment or time.time()])

    def remember_request(self, key: str, fingerprint: str, job: str) -> None:
        """This request came with this idempotency key, unless another one did before."""
        self._client.set(keys.IDEMPOTENCY_PREFIX + key, json.dumps([fingerprint, job]), nx=True, ex=IDEMPOTENCY_SECONDS)

    def earlier_request(self, key: str) -> tuple[str, str] | None:
        """(fingerprint, job) of the request that came with this idempotency key; None when there was none."""
        return stored.read(tuple[str, str], self._client.get(keys.IDEMPOTENCY_PREFIX + key))

    # what is known

    def get(self, job: str) -> Job:
        """Raises JobNotFound."""
        found = self._read([job])[0]
        if found is None:
            raise JobNotFound(f"No job has the id {job!r}.")
        return found

    def find(self, jobs: Sequence[str]) -> list[Job | None]:
        """The jobs in as many places; None for those that there are not."""
        return [job for start in range(0, len(jobs), PAGE) for job in self._read(jobs[start : start + PAGE])]

    def page(
        self,
        *,
        states: Sequence[State] = (),
        bucket: str = "",
        key: str = "",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Jobs by the moment of their creation, newest first; those of one asset where its `key` is given too.

        `cursor`: of the page before.
        """
        index = keys.ACTIVE if states and not any(state.is_final for state in states) else keys.ALL
        index = f"{keys.ASSET}{bucket}/{key}" if key else index
        found: list[Job] = []
        position = Position.of(cursor)
        while True:
            rows: list[Row] = self._client.zrevrangebyscore(  # type: ignore[assignment]
                index, position.score, "-inf", start=position.skipped, num=PAGE, withscores=True
            )
            jobs = self._read([stored.text(row[0]) or "" for row in rows])
            self._forget(index, [row[0] for row, job in zip(rows, jobs, strict=True) if job is None])
            for at, job in enumerate(jobs):
                if job and (not states or job.state in states) and bucket in ("", job.asset_bucket):
                    if len(found) == limit:
                        return Page(found, position.before(rows, at))
                    found.append(job)
            if len(rows) < PAGE:
                return Page(found, None)
            position = position.after(rows)

    def _forget(self, index: str, ids: Sequence[bytes]) -> None:
        """Takes those out of a list whose hash has expired. One that cannot be read stays."""
        if not ids:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for job in ids:
                pipe.exists(keys.PREFIX.encode() + job)
            expired = [job for job, exists in zip(ids, pipe.execute(), strict=True) if not exists]
        if expired:
            self._client.zrem(index, *expired)

    def active(self) -> int:
        """How many jobs have not ended."""
        return int(self._client.zcard(keys.ACTIVE))

    def counts(self) -> dict[str, int]:
        """How many jobs are queued and running."""
        with self._client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.zcard(keys.QUEUED)
            pipe.zcard(keys.ACTIVE)
            queued, active = pipe.execute()
        return {State.QUEUED.value: queued, State.RUNNING.value: max(active - queued, 0)}

    def standing(self, newest: int) -> tuple[list[str], list[str], list[str]]:
        """(ids of the active jobs, of the queued jobs in their order, of the newest jobs)."""
        with self._client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.zrange(keys.ACTIVE, 0, -1)
            pipe.zrange(keys.QUEUED, 0, -1)
            pipe.zrevrange(keys.ALL, 0, newest - 1)
            active, queued, last = map(stored.texts, pipe.execute())
        return active, queued, last

    def begun(self) -> list[ActiveJob]:
        """The jobs that were begun and have not ended, in short."""
        active, queued, _ = self.standing(1)
        return self._in_short({*active}.difference(queued))

    def picturing(self) -> list[ActiveJob]:
        """The jobs whose pictures a task is making, ended jobs too."""
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
        """Jobs that have not ended and gave no sign of life for so long."""
        active: list[bytes] = self._client.zrange(keys.ACTIVE, 0, -1)  # type: ignore[assignment]
        ids = stored.texts(active)
        before = time.time() - seconds
        return [job for job in self._read(ids) if job and not job.state.is_final and job.updated_at < before]

    def states(self, jobs: Sequence[str]) -> list[State | None]:
        """The state of each job; None for one that Redis knows nothing of, or nothing that can be read."""
        with self._client.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hget(keys.PREFIX + job, "state")
            found = stored.answers(pipe.execute(raise_on_error=False))
        return [State.read(stored.text(state)) for state in found]

    def order(self, job: str) -> dict[str, Any]:
        """What the leader's tasks go by. Raises JobNotFound."""
        raw, epoch = self._client.hmget(keys.PREFIX + job, ["order", "epoch"])
        order, led = stored.read(dict[str, Any], raw), stored.whole(epoch)
        if order is None or led is None:
            raise JobNotFound(f"No job has the id {job!r}.")
        return {**order, "epoch": led}

    def priority(self, job: str) -> Priority:
        return Priority.read(stored.text(self._client.hget(keys.PREFIX + job, "priority")))

    def is_current(self, job: str, epoch: int) -> bool:
        """Whether the job is still this epoch's to work on."""
        state, now = self._client.hmget(keys.PREFIX + job, ["state", "epoch"])
        return state in (b"queued", b"running") and now == str(epoch).encode()

    def keeps(self, job: str, epoch: int) -> bool:
        """Whether the job's revision is to have pictures: it is this epoch's, or has succeeded, or is forgotten."""
        state, now = self._client.hmget(keys.PREFIX + job, ["state", "epoch"])
        return state in (None, b"succeeded") or (state in (b"queued", b"running") and now == str(epoch).encode())

    def take_pictures(self, job: str) -> bool:
        """Whether to look for the pictures of a video that is live: once in a while is enough."""
        return bool(self._client.set(keys.PICTURES_PREFIX + job, "1", nx=True, ex=PICTURES_SECONDS))

    # ends

    def succeed(self, job: str, epoch: int) -> bool:
        return self._end(job, epoch, State.SUCCEEDED)

    def fail(self, job: str, epoch: int, error: MamError) -> bool:
        """Records a failure, with everything a caller needs to know."""
        record = {"code": error.code, "message": error.detail, "hint": error.hint, "title": error.title,
                  "status": error.status}  # fmt: skip
        return self._end(job, epoch, State.FAILED, error=json.dumps(record))

    def cancel(self, job: str, epoch: int) -> bool:
        return self._end(job, epoch, State.CANCELLED)

    def replace(self, job: str, epoch: int, successor: str) -> bool:
        """Ends a job instead of which another one is begun: the source has changed, or a copy cannot be decoded."""
        return self._end(job, epoch, State.CANCELLED, replaced_by=successor)

    def replaced(self, job: str) -> str | None:
        """The job that was begun instead of this one."""
        return stored.text(self._client.hget(keys.PREFIX + job, "replaced_by"))

    def forget_old(self) -> None:
        """Drops what expired long ago from the list of all jobs."""
        self._client.zremrangebyscore(keys.ALL, "-inf", time.time() - 2 * keys.KEEP_SECONDS)

    def _end(self, job: str, epoch: int, state: State, **fields: str) -> bool:
        return self._change(job, epoch, state.value, state=state.value, finished_at=str(time.time()), **fields)

    def _read(self, jobs: Sequence[str]) -> list[Job | None]:
        """The jobs in as many places; None for those that there are not."""
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
        return [_job(job, *rows[5 * at : 5 * at + 5]) for at, job in enumerate(jobs)]


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
