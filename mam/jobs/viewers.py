"""Viewers of unfinished jobs: the segments that they wait for, and when they last watched."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis

from mam import stored
from mam.events import publish
from mam.jobs.keys import PREFIX, seek_key

SEEK_SECONDS = 15  # A requested segment is not requested again before this time.

# Records that a viewer watches a known job. ARGV: now.
_VIEWED = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'viewed_at', ARGV[1]) end"

# A mark of a segment has the epoch of its job: tasks of an earlier one are refused, so no task makes the segment then.
_MARKS = """
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
local function is(key, mark) return redis.call('GET', key) == mark .. ':' .. epoch end
local function set(key, mark) redis.call('SET', key, mark .. ':' .. epoch, 'EX', ARGV[1]) end
"""

# Whether a segment must be made for a viewer now. KEYS: the job; one per segment, the wanted one first. ARGV: seconds.
# `wanted`: a task makes the segment or is queued for it; `ahead`: the segment is to be made after another one.
_SEEK = f"""
{_MARKS}
if is(KEYS[2], 'wanted') then return {{0, 0}} end
set(KEYS[2], 'wanted')
local following = 0
for n = 3, #KEYS do
  if not is(KEYS[n], 'wanted') and not is(KEYS[n], 'ahead') then
    set(KEYS[n], 'ahead')
    following = following + 1
  end
end
return {{1, following}}
"""

# Claims the segments that no task makes for the caller's task. KEYS: the job, and one per segment. ARGV: seconds.
_AHEAD = f"""
{_MARKS}
local free = {{}}
for n = 2, #KEYS do
  free[n - 1] = is(KEYS[n], 'wanted') and 0 or 1
  if free[n - 1] == 1 then set(KEYS[n], 'wanted') end
end
return free
"""


class Viewers:
    """The requests of a job's viewers. Every change is one round trip and atomic."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._viewed = client.register_script(_VIEWED)
        self._seek = client.register_script(_SEEK)
        self._ahead = client.register_script(_AHEAD)

    def take_seek(self, job: str, numbers: Sequence[int]) -> tuple[bool, bool]:
        """(whether the first of these segments must be made now, whether any of the others must follow).

        A requested segment counts as on its way for SEEK_SECONDS and is not requested twice.
        """
        wanted = [PREFIX + job, *(seek_key(job, number) for number in numbers)]
        now, following = self._seek(keys=wanted, args=[SEEK_SECONDS])
        return bool(now), bool(following)

    def take_ahead(self, job: str, numbers: Sequence[int]) -> list[int]:
        """Claims the segments that no task is making: the caller makes them, and other viewers wait for that."""
        wanted = [PREFIX + job, *(seek_key(job, number) for number in numbers)]
        free = self._ahead(keys=wanted, args=[SEEK_SECONDS])
        return [number for number, is_free in zip(numbers, free, strict=True) if is_free]

    def drop_seek(self, job: str, numbers: Sequence[int]) -> None:
        """Releases claimed segments that were not made: a viewer who waits for one may request it again at once."""
        if numbers:
            self._client.delete(*(seek_key(job, number) for number in numbers))
            publish(self._client, job, "dropped", segments=list(numbers))

    def viewed(self, job: str) -> None:
        """Records that a viewer watches; does nothing for an expired job."""
        self._viewed(keys=[PREFIX + job], args=[time.time()])

    def is_idle(self, job: str, minutes: float) -> bool:
        """Whether only viewers requested the job, and none has watched for that many minutes."""
        fields = self._client.hmget(PREFIX + job, ["for_viewers", "viewed_at", "created_at"])
        for_viewers, viewed_at, created_at = (stored.number(value) or 0.0 for value in fields)
        return bool(for_viewers) and time.time() - max(viewed_at, created_at) > 60 * minutes
