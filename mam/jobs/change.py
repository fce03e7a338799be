"""The one way to change fields of a job: its present epoch may, while the job has not ended."""

from __future__ import annotations

import time

import redis

from mam.events import script
from mam.jobs import lua
from mam.jobs.keys import KEEP_SECONDS, PREFIX


class Change:
    """Changes fields of a job in one round trip. Also a sign of life, for which no field is needed."""

    def __init__(self, client: redis.Redis) -> None:
        self._script = script(client, lua.CHANGE)

    def __call__(self, job: str, epoch: int, event: str = "", **fields: str) -> bool:
        """False when the job is not this epoch's to work on. `event`: what subscribers are told; '' for nothing."""
        flat = [item for pair in fields.items() for item in pair]
        return bool(self._script(keys=[PREFIX + job], args=[epoch, time.time(), KEEP_SECONDS, event, *flat]))
