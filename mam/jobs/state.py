"""The state of jobs in Redis. The object store is the truth; this is who is doing what, and how far.

A job is a revision. It has one leader at a time: whoever claimed it last, known by its epoch. Whatever an earlier
leader's tasks report is refused, so a paused worker cannot meddle with its successor.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import redis

from mam import stored
from mam.errors import JobNotFound, MamError
from mam.events import publish, script
from mam.jobs import lua
from mam.jobs.job import Begun, Job, Picture, State, parse, running_tasks
from mam.jobs.queues import Priority

PREFIX = "mam:job:"
NAME_PREFIX = "mam:name:"
IDEMPOTENCY_PREFIX = "mam:idempotency:"
PICTURES_PREFIX = "mam:pictures:"
KEEP_SECONDS = 7 * 24 * 3600  # after the last change
FAILURE_SECONDS = 60  # a failure is given as the answer for that long before another attempt
NAME_SECONDS = 3600  # a name is held by its plan once that is written; until then by this
SEEK_SECONDS = 15  # a segment that was asked for is not asked for again before this
IDEMPOTENCY_SECONDS = 24 * 3600
PICTURES_SECONDS = 3600  # between two looks at whether a live video has pictures
MAX_ATTEMPTS = 4  # of one task without getting on: what ends its worker that often is not tried again
CURSOR = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,9})?:[0-9]{1,9}$")  # of a list: a moment, and how many of it were shown
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


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first. `cursor`: where the next page begins; None at the end."""

    jobs: list[Job]
    cursor: str | None


class Jobs:
    """Reads and changes jobs. Every change is one round trip and atomic."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._claim = script(client, lua.CLAIM)
        self._change_script = script(client, lua.CHANGE)
        self._attempt = script(client, lua.ATTEMPT)
        self._made = script(client, lua.MADE)
        self._ended = client.register_script(lua.ENDED)
        self._viewed = client.register_script(lua.VIEWED)
        self._todo = script(client, lua.TODO)
        self._give = script(client, lua.GIVE)
        self._attempt_picture = script(client, lua.ATTEMPT_PICTURE)
        self._pictured = script(client, lua.PICTURED)
        self._note_keyed = client.register_script(lua.NOTE_KEYED)
        self._name = client.register_script(lua.NAME)
        self._count = client.register_script(lua.COUNT)
        self._seek = client.register_script(lua.SEEK)
        self._ahead = client.register_script(lua.AHEAD)
        self._speed = client.register_script(lua.FLEET_SPEED)

    # claims

    def claim_name(self, name: str, holder: str) -> bool:
        """Whether the video name is `holder`'s: it was free, or is held by it already."""
        return bool(self._name(keys=[NAME_PREFIX + name], args=[holder, NAME_SECONDS]) == holder.encode())

    def claim(
        self, job: str, fields: Mapping[str, str], *, viewer: bool, callback: str = "", mode: Mode = Mode.ASK
    ) -> tuple[Claim, int]:
        """Takes the lead of a job that nobody is at work on, or finds out who is. Returns the epoch in force.

        `callback`: a URL that is told how the job goes, also by whoever leads it.
        """
        flat = [item for pair in fields.items() for item in pair]
        outcome, epoch = self._claim(
            keys=[PREFIX + job],
            args=[mode.value, time.time(), FAILURE_SECONDS, KEEP_SECONDS, int(viewer), callback, *flat],
        )
        return Claim(outcome.decode()), int(epoch)

    def keyed_at(self, job: str) -> float:
        """Seconds since 1970 at which a key asked for the job last; 0 when none did, or the job is forgotten."""
        return stored.number(self._client.hget(PREFIX + job, "keyed_at")) or 0.0

    def note_keyed(self, job: str, moment: float | None = None) -> None:
        """A key asks for a job that is known: now, or at a `moment`, which a later one stands against."""
        self._note_keyed(keys=[PREFIX + job], args=[moment or time.time()])

    def remember_request(self, key: str, fingerprint: str, job: str) -> None:
        """This request came with this idempotency key, unless another one did before."""
        self._client.set(IDEMPOTENCY_PREFIX + key, json.dumps([fingerprint, job]), nx=True, ex=IDEMPOTENCY_SECONDS)

    def earlier_request(self, key: str) -> tuple[str, str] | None:
        """(fingerprint, job) of the request that came with this idempotency key; None when there was none."""
        return stored.read(tuple[str, str], self._client.get(IDEMPOTENCY_PREFIX + key))

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
        index = lua.ACTIVE if states and not any(state.is_final for state in states) else lua.ALL
        index = f"{lua.ASSET}{bucket}/{key}" if key else index
        found: list[Job] = []
        offset_score, skipped = _parse_cursor(cursor)
        while True:
            rows: list[tuple[bytes, float]] = self._client.zrevrangebyscore(  # type: ignore[assignment]
                index, offset_score, "-inf", start=skipped, num=PAGE, withscores=True
            )
            jobs = self._read([stored.text(row[0]) or "" for row in rows])
            self._forget(index, [row[0] for row, job in zip(rows, jobs, strict=True) if job is None])
            for at, job in enumerate(jobs):
                if job and (not states or job.state in states) and bucket in ("", job.asset_bucket):
                    if len(found) == limit:
                        return Page(found, _cursor_before(rows, at, offset_score, skipped))
                    found.append(job)
            if len(rows) < PAGE:
                return Page(found, None)
            offset_score, skipped = _next_round(rows, offset_score, skipped)

    def _forget(self, index: str, ids: Sequence[bytes]) -> None:
        """Takes those out of a list whose hash has expired. One that cannot be read stays."""
        if not ids:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for job in ids:
                pipe.exists(PREFIX.encode() + job)
            expired = [job for job, exists in zip(ids, pipe.execute(), strict=True) if not exists]
        if expired:
            self._client.zrem(index, *expired)

    def active(self) -> int:
        """How many jobs have not ended."""
        return int(self._client.zcard(lua.ACTIVE))

    def counts(self) -> dict[str, int]:
        """How many jobs are queued and running."""
        with self._client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.zcard(lua.QUEUED)
            pipe.zcard(lua.ACTIVE)
            queued, active = pipe.execute()
        return {State.QUEUED.value: queued, State.RUNNING.value: max(active - queued, 0)}

    def standing(self, newest: int) -> tuple[list[str], list[str], list[str]]:
        """Ids of the jobs that have not ended; of those that nobody began, in their order; and of the newest."""
        with self._client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.zrange(lua.ACTIVE, 0, -1)
            pipe.zrange(lua.QUEUED, 0, -1)
            pipe.zrevrange(lua.ALL, 0, newest - 1)
            active, queued, last = map(stored.texts, pipe.execute())
        return active, queued, last

    def begun(self) -> list[Begun]:
        """The jobs that were begun and have not ended, in short."""
        active, queued, _ = self.standing(1)
        return self._in_short({*active}.difference(queued))

    def picturing(self) -> list[Begun]:
        """The jobs whose pictures somebody is at, ended ones too."""
        names: set[Any] = self._client.smembers(lua.PICTURING)
        return self._in_short(stored.texts(names))

    def _in_short(self, jobs: Iterable[str]) -> list[Begun]:
        ids = sorted(jobs)
        with self._client.pipeline(transaction=False) as pipe:
            for job in ids:
                pipe.hmget(PREFIX + job, ["video", "updated_at", "trouble"])
                pipe.hgetall(f"{PREFIX}{job}:running")
            rows = stored.answers(pipe.execute(raise_on_error=False))
        return [
            Begun(
                id=job,
                video=stored.text(fields[0]) or "",
                updated_at=updated_at,
                running=running_tasks(stored.mapping(running), {}),
                trouble=stored.text(fields[2]),
            )
            for job, fields, running in zip(ids, rows[::2], rows[1::2], strict=True)
            if fields and (updated_at := stored.number(fields[1])) is not None  # else its hash has expired
        ]

    def fleet_speed(self) -> float:
        """Seconds of media that all workers together made in a second, over the last ten."""
        return stored.number(self._speed()) or 0.0

    def silent(self, seconds: float) -> list[Job]:
        """Jobs that have not ended and gave no sign of life for so long."""
        active: list[bytes] = self._client.zrange(lua.ACTIVE, 0, -1)  # type: ignore[assignment]
        ids = stored.texts(active)
        before = time.time() - seconds
        return [job for job in self._read(ids) if job and not job.state.is_final and job.updated_at < before]

    def states(self, jobs: Sequence[str]) -> list[State | None]:
        """The state of each job; None for one that Redis knows nothing of, or nothing that can be read."""
        with self._client.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hget(PREFIX + job, "state")
            found = stored.answers(pipe.execute(raise_on_error=False))
        return [State.read(stored.text(state)) for state in found]

    def is_made(self, job: str, numbers: Iterable[int]) -> list[bool]:
        """For each segment, whether it is known to exist."""
        with self._client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.getbit(_made_key(job), number)
            return [bool(bit) for bit in pipe.execute()]

    def made_segments(self, job: str, total: int) -> list[bool]:
        """For each of the plan's segments, whether it is known to exist: one read of all their bits."""
        found = self._client.getrange(_made_key(job), 0, (total + 7) // 8 - 1)
        bits = found if isinstance(found, bytes) else b""
        return [number < 8 * len(bits) and bool(bits[number >> 3] & 0x80 >> (number & 7)) for number in range(total)]

    def order(self, job: str) -> dict[str, Any]:
        """What the leader's tasks go by. Raises JobNotFound."""
        raw, epoch = self._client.hmget(PREFIX + job, ["order", "epoch"])
        order, led = stored.read(dict[str, Any], raw), stored.whole(epoch)
        if order is None or led is None:
            raise JobNotFound(f"No job has the id {job!r}.")
        return {**order, "epoch": led}

    def priority(self, job: str) -> Priority:
        return Priority.read(stored.text(self._client.hget(PREFIX + job, "priority")))

    def is_current(self, job: str, epoch: int) -> bool:
        """Whether the job is still this epoch's to work on."""
        state, now = self._client.hmget(PREFIX + job, ["state", "epoch"])
        return state in (b"queued", b"running") and now == str(epoch).encode()

    # pictures

    def keeps(self, job: str, epoch: int) -> bool:
        """Whether the job's revision is to have pictures: it is this epoch's, or has succeeded, or is forgotten."""
        state, now = self._client.hmget(PREFIX + job, ["state", "epoch"])
        return state in (None, b"succeeded") or (state in (b"queued", b"running") and now == str(epoch).encode())

    def attempt_picture(self, job: str, epoch: int, task: str, worker: str, *, parent: str = "") -> int:
        """Counts a start of a task that makes pictures."""
        arguments: list[str | float] = [epoch, time.time(), KEEP_SECONDS, task, worker, parent]
        return int(self._attempt_picture(keys=[PREFIX + job], args=arguments))

    def pictured(self, job: str, epoch: int, picture: Picture) -> bool:
        """The picture is there. False when nobody is to know, or the job is not known any more."""
        return bool(self._pictured(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, picture.value]))

    def take_pictures(self, job: str) -> bool:
        """Whether to look for the pictures of a video that is live: once in a while is enough."""
        return bool(self._client.set(PICTURES_PREFIX + job, "1", nx=True, ex=PICTURES_SECONDS))

    # viewers

    def take_seek(self, job: str, numbers: Sequence[int]) -> tuple[bool, bool]:
        """(whether the first of these segments is to be made now, whether any of the others is to follow).

        What is asked for counts as on its way for a while, and is not asked for twice.
        """
        keys = [f"{PREFIX}{job}:seek:{number}" for number in numbers]
        now, following = self._seek(keys=keys, args=[SEEK_SECONDS])
        return bool(now), bool(following)

    def take_ahead(self, job: str, numbers: Sequence[int]) -> list[int]:
        """Those of the segments that nobody is at: the caller makes them now, and whoever asks for them waits."""
        keys = [f"{PREFIX}{job}:seek:{number}" for number in numbers]
        free = self._ahead(keys=keys, args=[SEEK_SECONDS])
        return [number for number, is_free in zip(numbers, free, strict=True) if is_free]

    def drop_seek(self, job: str, numbers: Sequence[int]) -> None:
        """These segments are not on their way after all: whoever waits for one may ask again at once."""
        if numbers:
            self._client.delete(*(f"{PREFIX}{job}:seek:{number}" for number in numbers))
            publish(self._client, job, "dropped", segments=list(numbers))

    def viewed(self, job: str) -> None:
        """Somebody watches. Nothing comes to life by it that has expired."""
        self._viewed(keys=[PREFIX + job], args=[time.time()])

    def is_idle(self, job: str, minutes: float) -> bool:
        """Whether only viewers asked for the job, and none has watched for so long."""
        fields = self._client.hmget(PREFIX + job, ["for_viewers", "viewed_at", "created_at"])
        for_viewers, viewed, created = (stored.number(value) or 0.0 for value in fields)
        return bool(for_viewers) and time.time() - max(viewed, created) > 60 * minutes

    # what workers report

    def attempt(self, job: str, epoch: int, task: str, worker: str, *, parent: str = "") -> int | None:
        """Counts a start of `task` since it last got on; None when the job is no longer this epoch's to work on.

        `parent`: what the worker is called whose process is at it.
        """
        count = self._attempt(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, task, worker, parent])
        return None if count < 0 else int(count)

    def ended(self, job: str, task: str) -> None:
        """The task has ended, well or not: it did not take its worker with it."""
        self._ended(keys=[PREFIX + job], args=[task])

    def planned(self, job: str, epoch: int, *, segments: int, duration: float, streams: str, notes: str = "") -> bool:
        """The plan stands (`streams`: JSON of what becomes of each; `notes`: JSON of the plan's, or nothing).

        False when the job is no longer this epoch's.
        """
        length = f"{duration:.3f}"
        return self._change(
            job, epoch, "planned", segments=str(segments), duration=length, streams=streams, notes=notes
        )

    def made(self, job: str, epoch: int, segments: Mapping[int, float], *, task: str, profile: str, host: str) -> bool:
        """These segments exist, so many seconds each, made by a task on the machine `host` just now.

        True for the one call that completes the job: whoever gets it starts the commit.
        """
        return self._report(job, epoch, segments, task, "1", profile, host)

    def found(self, job: str, epoch: int, segments: Mapping[int, float]) -> bool:
        """These segments exist: an earlier leader made them. True when nothing is missing."""
        return self._report(job, epoch, segments, "plan", "0", "", "")

    def _report(self, job: str, epoch: int, segments: Mapping[int, float], *labels: str) -> bool:
        flat = [item for number, seconds in segments.items() for item in (number, f"{seconds:.6f}")]
        return bool(self._made(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, *labels, *flat]) == 1)

    def divide(self, job: str, epoch: int, chunks: Sequence[int]) -> None:
        """These chunks are to be made; `next_chunks` gives them out."""
        if chunks:
            self._todo(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, *chunks])

    def next_chunks(self, job: str, epoch: int, by: str, window: int) -> list[int]:
        """The chunks that the caller is to queue now, so that `window` of the job are queued or under way.

        `by`: the number of the chunk that the caller has made, or `plan`. Asked again, the answer is the same: the
        caller may have been killed before it queued them.
        """
        found = self._give(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, by, window])
        return [number for each in found if (number := stored.whole(each)) is not None]

    def encoding(self, job: str, epoch: int, command: str) -> None:
        """An ffmpeg was started for it."""
        self._change(job, epoch, "", command=command, said="[]")

    def said(self, job: str, epoch: int, lines: Sequence[str]) -> None:
        """The last lines of what its last ffmpeg said."""
        self._change(job, epoch, "", said=json.dumps(list(lines)))

    def troubled(self, job: str, epoch: int, detail: str) -> None:
        """A task of it is to be tried again, for this reason."""
        self._change(job, epoch, "", trouble=detail)

    def touch(self, job: str, epoch: int) -> bool:
        """A sign of life. False when the job is no longer this epoch's: stop working."""
        return self._change(job, epoch, "")

    def incomplete(self, job: str, epoch: int, missing: Sequence[int]) -> None:
        """The commit found segments missing that were reported: they are to be made again."""
        with self._client.pipeline(transaction=True) as pipe:
            for number in missing:
                pipe.setbit(_made_key(job), number, 0)
            pipe.expire(_made_key(job), KEEP_SECONDS)
            pipe.hdel(PREFIX + job, "finalizing")
            pipe.execute()
        self.touch(job, epoch)

    def count(self, name: str, *labels: str, by: float = 1, host: str = "") -> None:
        """Adds to a counter that metrics show. `host`: the machine whose counter it is; '' for the system's."""
        counter = "|".join((name, *labels))
        if host:
            self._count(args=[host, counter, by])
        else:
            self._client.hincrbyfloat(lua.COUNTERS, counter, by)

    def counters(self) -> dict[tuple[str, ...], float]:
        """All counters: (name, label, ...) to their value; the last label of a machine's is that machine."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(lua.HOSTS, "-inf", time.time() - lua.HOST_SECONDS)
            pipe.zrange(lua.HOSTS, 0, -1)
            pipe.hgetall(lua.COUNTERS)
            _, names, system = stored.answers(pipe.execute(raise_on_error=False))
        hosts = stored.texts(names or ())
        with self._client.pipeline(transaction=False) as pipe:
            for host in hosts:
                pipe.hgetall(lua.HOST_COUNTERS + host)
            by_host = zip(hosts, stored.answers(pipe.execute(raise_on_error=False)), strict=True)
        found = _amounts(system)
        for host, counters in by_host:
            found |= {(*name, host): amount for name, amount in _amounts(counters).items()}
        return found

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
        return stored.text(self._client.hget(PREFIX + job, "replaced_by"))

    def forget_old(self) -> None:
        """Drops what expired long ago from the list of all jobs, and what earlier versions counted by process."""
        self._client.zremrangebyscore(lua.ALL, "-inf", time.time() - 2 * KEEP_SECONDS)
        counters: list[bytes] = self._client.hkeys(lua.COUNTERS)  # type: ignore[assignment]
        old = [name for name in counters if (stored.text(name) or "").partition("|")[0] in lua.BY_HOST]
        if old:
            self._client.hdel(lua.COUNTERS, *old)

    def _end(self, job: str, epoch: int, state: State, **fields: str) -> bool:
        return self._change(job, epoch, state.value, state=state.value, finished_at=str(time.time()), **fields)

    def _change(self, job: str, epoch: int, event: str, **fields: str) -> bool:
        flat = [item for pair in fields.items() for item in pair]
        return bool(self._change_script(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, event, *flat]))

    def _read(self, jobs: Sequence[str]) -> list[Job | None]:
        """The jobs in as many places; None for those that there are not."""
        if not jobs:
            return []
        with self._client.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hgetall(PREFIX + job)
                pipe.bitcount(_made_key(job))
                pipe.hgetall(f"{PREFIX}{job}:attempts")
                pipe.hgetall(f"{PREFIX}{job}:running")
                pipe.zrank(lua.QUEUED, job)
            rows = stored.answers(pipe.execute(raise_on_error=False))
        return [_job(job, *rows[5 * at : 5 * at + 5]) for at, job in enumerate(jobs)]


def _amounts(raw: Any) -> dict[tuple[str, ...], float]:
    """Counters as they lie in a hash: (name, label, ...) to their value."""
    found = {name: stored.number(value, most=sys.float_info.max) for name, value in stored.mapping(raw).items()}
    return {(*name.split("|"),): amount for name, amount in found.items() if amount is not None}


def _made_key(job: str) -> str:
    return f"{PREFIX}{job}:made"


def _job(
    job: str,
    raw: Any,
    done: int | None,
    attempts: Any,
    running: Any,
    position: int | None,
) -> Job | None:
    counts = ((name, stored.whole(count)) for name, count in stored.mapping(attempts).items())
    return parse(
        job,
        stored.mapping(raw),
        done=done or 0,
        attempts={name: count for name, count in counts if count is not None},
        running=stored.mapping(running),
        position=position,
    )


def _parse_cursor(cursor: str | None) -> tuple[str, int]:
    score, _, skipped = (cursor or "+inf:0").partition(":")
    return score, int(skipped or 0)


def _cursor_before(rows: Sequence[tuple[bytes, float]], at: int, score: str, skipped: int) -> str:
    """The cursor of a page that begins with row `at`."""
    here = rows[at][1]
    same = sum(1 for _, other in rows[:at] if other == here)
    before = skipped if _is_score(score, here) else 0
    return f"{here!r}:{same + before}"


def _next_round(rows: Sequence[tuple[bytes, float]], score: str, skipped: int) -> tuple[str, int]:
    here = rows[-1][1]
    same = sum(1 for _, other in rows if other == here)
    return repr(here), same + (skipped if _is_score(score, here) else 0)


def _is_score(score: str, value: float) -> bool:
    return score != "+inf" and float(score) == value
