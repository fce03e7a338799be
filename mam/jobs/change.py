"""The one way to change a job's fields: allowed for its current epoch while the job has not ended."""

from __future__ import annotations

import time

import redis

from mam.events import script
from mam.jobs import lua
from mam.jobs.keys import KEEP_SECONDS, PREFIX


class Change:
    """Changes fields of a job in one round trip. A change is also a sign of life, even without fields."""

    def __init__(self, client: redis.Redis) -> None:
        self._script = script(client, lua.CHANGE)

    def __call__(self, job: str, epoch: int, event: str = "", **fields: str) -> bool:
        """False when the job no longer belongs to this epoch. `event`: the event to publish; '' for none."""
        flat = [item for pair in fields.items() for item in pair]
        return bool(self._script(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, event, *flat]))
