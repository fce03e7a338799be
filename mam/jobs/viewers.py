"""What viewers wait for, and whether anybody watches: segments on their way, and the last look at a job."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis

from mam import stored
from mam.events import publish
from mam.jobs.keys import PREFIX, seek_key

SEEK_SECONDS = 15  # a segment that was asked for is not asked for again before this

# ARGV: now. A viewer watches; a job that is unknown stays so.
_VIEWED = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'viewed_at', ARGV[1]) end"

# Whether a segment is to be made for a viewer now. KEYS: one per segment, the wanted one first. ARGV: seconds.
# `wanted`: a task makes it or is queued for it, and for what follows too; `ahead`: it was to be made after others.
_SEEK = """
if redis.call('GET', KEYS[1]) == 'wanted' then return {0, 0} end
redis.call('SET', KEYS[1], 'wanted', 'EX', ARGV[1])
local following = 0
for n = 2, #KEYS do
  if redis.call('SET', KEYS[n], 'ahead', 'NX', 'EX', ARGV[1]) then following = following + 1 end
end
return {1, following}
"""

# Which segments no task makes; from now on the caller's does. KEYS: one per segment. ARGV: seconds.
_AHEAD = """
local free = {}
for n, key in ipairs(KEYS) do
  free[n] = redis.call('GET', key) == 'wanted' and 0 or 1
  if free[n] == 1 then redis.call('SET', key, 'wanted', 'EX', ARGV[1]) end
end
return free
"""


class Viewers:
    """What viewers ask of a job. Every change is one round trip and atomic."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._viewed = client.register_script(_VIEWED)
        self._seek = client.register_script(_SEEK)
        self._ahead = client.register_script(_AHEAD)

    def take_seek(self, job: str, numbers: Sequence[int]) -> tuple[bool, bool]:
        """(whether the first of these segments is to be made now, whether any of the others is to follow).

        What is asked for counts as on its way for a while, and is not asked for twice.
        """
        wanted = [seek_key(job, number) for number in numbers]
        now, following = self._seek(keys=wanted, args=[SEEK_SECONDS])
        return bool(now), bool(following)

    def take_ahead(self, job: str, numbers: Sequence[int]) -> list[int]:
        """The segments that no task is making: the caller makes them now, and other viewers wait for it."""
        wanted = [seek_key(job, number) for number in numbers]
        free = self._ahead(keys=wanted, args=[SEEK_SECONDS])
        return [number for number, is_free in zip(numbers, free, strict=True) if is_free]

    def drop_seek(self, job: str, numbers: Sequence[int]) -> None:
        """These segments are not being made after all: a viewer who waits for one may ask again at once."""
        if numbers:
            self._client.delete(*(seek_key(job, number) for number in numbers))
            publish(self._client, job, "dropped", segments=list(numbers))

    def viewed(self, job: str) -> None:
        """Notes that a viewer watches. A job that has expired stays so."""
        self._viewed(keys=[PREFIX + job], args=[time.time()])

    def is_idle(self, job: str, minutes: float) -> bool:
        """Whether only viewers asked for the job, and none has watched for so long."""
        fields = self._client.hmget(PREFIX + job, ["for_viewers", "viewed_at", "created_at"])
        for_viewers, viewed, created = (stored.number(value) or 0.0 for value in fields)
        return bool(for_viewers) and time.time() - max(viewed, created) > 60 * minutes
