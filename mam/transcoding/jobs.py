"""The state of jobs in Redis. The object store is the truth; this is who is doing what, and how far.

A job is a revision. It has one leader at a time: whoever claimed it last, known by its epoch. Whatever an earlier
leader's tasks report is refused, so a paused worker cannot meddle with its successor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import redis

from mam.errors import ConversionFailed, JobNotFound, MamError
from mam.events import publish

PREFIX = "mam:job:"
NAME_PREFIX = "mam:name:"
KEEP_SECONDS = 7 * 24 * 3600  # after the last change
LEASE_SECONDS = 120  # without any sign of life a job may be claimed anew
FAILURE_SECONDS = 60  # a failure is given as the answer for that long before another attempt
NAME_SECONDS = 3600  # a name is held by its plan once that is written; until then by this
SEEK_SECONDS = 15  # a segment that was asked for is not asked for again before this
MAX_ATTEMPTS = 3  # of one task: what ends its worker that often is not tried again

_CLAIM = """
local job, now = KEYS[1], tonumber(ARGV[1])
local state = redis.call('HGET', job, 'state')
local updated = tonumber(redis.call('HGET', job, 'updated_at') or '0')
if (state == 'queued' or state == 'running') and now - updated < tonumber(ARGV[2]) then
  if ARGV[5] == '0' then redis.call('HSET', job, 'for_viewers', '0') end
  return {'join', redis.call('HGET', job, 'epoch')}
end
if state == 'failed' and now - updated < tonumber(ARGV[3]) then
  return {'failed', redis.call('HGET', job, 'epoch')}
end
local epoch = redis.call('HINCRBY', job, 'epoch', 1)
redis.call('DEL', job .. ':made', job .. ':attempts')
redis.call('HDEL', job, 'error', 'started_at', 'finished_at', 'segments', 'finalizing', 'playable', 'viewed_at')
redis.call('HSET', job, 'state', 'queued', 'created_at', ARGV[1], 'updated_at', ARGV[1], 'for_viewers', ARGV[5])
for n = 6, #ARGV, 2 do redis.call('HSET', job, ARGV[n], ARGV[n + 1]) end
redis.call('EXPIRE', job, ARGV[4])
return {'lead', tostring(epoch)}
"""

# The epoch's guard stands before every change.
_UPDATE = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
for n = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

_ATTEMPT = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return -1 end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return -1 end
redis.call('HSET', KEYS[1], 'state', 'running', 'updated_at', ARGV[2])
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[2])
local count = redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
redis.call('EXPIRE', KEYS[2], ARGV[4])
return count
"""

_MADE = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return -1 end
for n = 4, #ARGV do redis.call('SETBIT', KEYS[2], ARGV[n], 1) end
redis.call('HSET', KEYS[1], 'updated_at', ARGV[2], 'playable', '1')
redis.call('EXPIRE', KEYS[2], ARGV[3])
local total = tonumber(redis.call('HGET', KEYS[1], 'segments') or '-1')
if redis.call('BITCOUNT', KEYS[2]) == total then return redis.call('HSETNX', KEYS[1], 'finalizing', '1') end
return 0
"""

_NAME = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""


class State(str, Enum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Claim(str, Enum):
    LEAD = "lead"
    JOIN = "join"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the API shows it. Times are Unix seconds."""

    id: str
    state: State
    epoch: int
    video: str
    asset_bucket: str
    asset_object: str
    profile: str
    playable: bool
    segments_done: int
    segments_total: int | None
    created_at: float
    updated_at: float
    started_at: float | None
    finished_at: float | None
    error: dict[str, Any] | None

    @property
    def percent(self) -> float:
        if self.state is State.SUCCEEDED:
            return 100.0
        return round(100 * self.segments_done / self.segments_total, 1) if self.segments_total else 0.0

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody is at work on it any more, though it has not ended."""
        return not self.state.is_final and time.time() - self.updated_at > LEASE_SECONDS

    def failure(self) -> ConversionFailed:
        """The recorded failure as an error to be raised."""
        error = self.error or {}
        return ConversionFailed(
            error.get("message", "The conversion failed."),
            status=error.get("status", 500),
            code=error.get("code", "internal_error"),
            title=error.get("title", "The conversion failed"),
            hint=error.get("hint", "Send the request again."),
        )


class Jobs:
    """Reads and changes jobs. Every method is one round trip and atomic."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._claim = client.register_script(_CLAIM)
        self._update = client.register_script(_UPDATE)
        self._attempt = client.register_script(_ATTEMPT)
        self._made = client.register_script(_MADE)
        self._name = client.register_script(_NAME)

    def claim_name(self, name: str, holder: str) -> bool:
        """Whether the video name is `holder`'s: it was free, or is held by it already."""
        return bool(self._name(keys=[NAME_PREFIX + name], args=[holder, NAME_SECONDS]) == holder.encode())

    def claim(self, job: str, fields: dict[str, str], *, viewer: bool) -> tuple[Claim, int]:
        """Takes the lead of a job that nobody is at work on, or finds out who is. Returns the epoch in force.

        `viewer`: nobody but a viewer asked, so the job may stop when nobody watches.
        """
        flat = [item for pair in fields.items() for item in pair]
        outcome, epoch = self._claim(
            keys=[PREFIX + job], args=[time.time(), LEASE_SECONDS, FAILURE_SECONDS, KEEP_SECONDS, int(viewer), *flat]
        )
        return Claim(outcome.decode()), int(epoch)

    def get(self, job: str) -> Job:
        """Raises JobNotFound."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hgetall(PREFIX + job)
            pipe.bitcount(_made_key(job))
            raw, done = pipe.execute()
        fields = {key.decode(): value.decode() for key, value in raw.items()}
        if "state" not in fields:
            raise JobNotFound(f"No job has the id {job!r}.")
        return _job(job, fields, done)

    def attempt(self, job: str, epoch: int, task: str) -> int | None:
        """Counts a start of `task`; None when the job is no longer this epoch's to work on."""
        count = self._attempt(
            keys=[PREFIX + job, f"{PREFIX}{job}:attempts"], args=[epoch, time.time(), task, KEEP_SECONDS]
        )
        return None if count < 0 else int(count)

    def planned(self, job: str, epoch: int, segments: int) -> bool:
        """The plan stands. False when the job is no longer this epoch's."""
        return self._change(job, epoch, "planned", segments=str(segments))

    def made(self, job: str, epoch: int, numbers: Sequence[int]) -> bool:
        """These segments exist. True for the one call that completes the job: whoever gets it starts the commit."""
        done = self._made(keys=[PREFIX + job, _made_key(job)], args=[epoch, time.time(), KEEP_SECONDS, *numbers])
        if done >= 0:
            publish(self._client, job, "made", segments=list(numbers))
        return bool(done == 1)

    def is_made(self, job: str, numbers: Iterable[int]) -> list[bool]:
        """For each segment, whether it is known to exist."""
        with self._client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.getbit(_made_key(job), number)
            return [bool(bit) for bit in pipe.execute()]

    def order(self, job: str) -> dict[str, Any]:
        """What the leader's tasks go by. Raises JobNotFound."""
        raw, epoch = self._client.hmget(PREFIX + job, ["order", "epoch"])
        if raw is None or epoch is None:
            raise JobNotFound(f"No job has the id {job!r}.")
        return {**json.loads(raw), "epoch": int(epoch)}

    def take_seek(self, job: str, numbers: Sequence[int]) -> bool:
        """Whether nobody has asked for the first of these segments lately; they count as asked for from now on."""
        with self._client.pipeline(transaction=True) as pipe:
            for number in numbers:
                pipe.set(f"{PREFIX}{job}:seek:{number}", "1", nx=True, ex=SEEK_SECONDS)
            return bool(pipe.execute()[0])

    def drop_seek(self, job: str, numbers: Sequence[int]) -> None:
        """These segments are not on their way after all: they may be asked for again at once."""
        if numbers:
            self._client.delete(*(f"{PREFIX}{job}:seek:{number}" for number in numbers))

    def viewed(self, job: str) -> None:
        """Somebody watches."""
        self._client.hset(PREFIX + job, "viewed_at", str(time.time()))

    def is_idle(self, job: str, minutes: float) -> bool:
        """Whether only viewers asked for the job, and none has watched for so long."""
        fields = self._client.hmget(PREFIX + job, ["for_viewers", "viewed_at", "created_at"])
        for_viewers, viewed, created = (float(value) if value else 0.0 for value in fields)
        return bool(for_viewers) and time.time() - max(viewed, created) > 60 * minutes

    def touch(self, job: str, epoch: int) -> bool:
        """A sign of life. False when the job is no longer this epoch's: stop working."""
        return bool(self._update(keys=[PREFIX + job], args=[epoch, KEEP_SECONDS, "updated_at", time.time()]))

    def incomplete(self, job: str, epoch: int, missing: Sequence[int]) -> None:
        """The commit found segments missing that were reported: they are to be made again."""
        with self._client.pipeline(transaction=True) as pipe:
            for number in missing:
                pipe.setbit(_made_key(job), number, 0)
            pipe.hdel(PREFIX + job, "finalizing")
            pipe.execute()
        self.touch(job, epoch)

    def succeed(self, job: str, epoch: int) -> bool:
        return self._change(job, epoch, "succeeded", state=State.SUCCEEDED.value, finished_at=str(time.time()))

    def fail(self, job: str, epoch: int, error: MamError) -> bool:
        """Records a failure, with everything a caller needs to know."""
        record = {"code": error.code, "message": error.detail, "hint": error.hint, "title": error.title,
                  "status": error.status}  # fmt: skip
        return self._change(
            job, epoch, "failed", state=State.FAILED.value, error=json.dumps(record), finished_at=str(time.time())
        )

    def cancel(self, job: str, epoch: int) -> bool:
        return self._change(job, epoch, "cancelled", state=State.CANCELLED.value, finished_at=str(time.time()))

    def _change(self, job: str, epoch: int, event: str, **fields: str) -> bool:
        flat = [item for pair in {"updated_at": str(time.time()), **fields}.items() for item in pair]
        changed = bool(self._update(keys=[PREFIX + job], args=[epoch, KEEP_SECONDS, *flat]))
        if changed:
            publish(self._client, job, event)
        return changed


def _made_key(job: str) -> str:
    return f"{PREFIX}{job}:made"


def _job(job: str, fields: dict[str, str], done: int) -> Job:
    def moment(name: str) -> float | None:
        return float(fields[name]) if name in fields else None

    return Job(
        id=job,
        state=State(fields["state"]),
        epoch=int(fields["epoch"]),
        video=fields.get("video", ""),
        asset_bucket=fields.get("bucket", ""),
        asset_object=fields.get("key", ""),
        profile=fields.get("profile", ""),
        playable=fields.get("playable") == "1",
        segments_done=done,
        segments_total=int(fields["segments"]) if "segments" in fields else None,
        created_at=moment("created_at") or 0.0,
        updated_at=moment("updated_at") or 0.0,
        started_at=moment("started_at"),
        finished_at=moment("finished_at"),
        error=json.loads(fields["error"]) if "error" in fields else None,
    )
