"""Resumes lost conversions: those that the bucket marks as unfinished and no worker runs.

It also removes replaced revisions once their signed URLs have run out.

A task is not lost while Redis holds it: a killed worker's tasks go to others. Redis itself, or its last writes, can be
lost. The reaper therefore reads both the bucket and Redis, and resumes jobs that have no task anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from kombu.exceptions import KombuError

from mam.background import Periodic
from mam.cache.store import make_room
from mam.errors import InvalidPlan, JobNotFound, MamError
from mam.jobs import dispatch
from mam.jobs.claims import Conversions
from mam.jobs.counters import Counters
from mam.jobs.job import SILENT_LEASES
from mam.jobs.order import Order
from mam.jobs.queues import jobs_with_tasks
from mam.jobs.state import Jobs, Mode
from mam.naming import UNFINISHED, unfinished_key, unfinished_revision
from mam.origin.revisions import Replaced, Revisions
from mam.settings import Settings
from mam.store.objects import Store

LOCK = "mam:reaper"
LOOK_SECONDS = 10  # The longest time between two looks, of all processes together.
LOOKS_PER_LEASE = 3  # The reaper looks at least so often in the time of one lease.

log = logging.getLogger(__name__)

T = TypeVar("T")


class Reaper(Periodic):
    """Looks every few seconds; one process of the service at a time."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        jobs: Jobs,
        counters: Counters,
        conversions: Conversions,
        *,
        state: redis.Redis,
        broker: redis.Redis,
    ) -> None:
        seconds = min(LOOK_SECONDS, settings.task_lease_seconds / LOOKS_PER_LEASE)
        super().__init__("reaper", seconds)
        self._lock_ms = int(seconds * 900)
        self._settings = settings
        self._store = store
        self._jobs = jobs
        self._counters = counters
        self._conversions = conversions
        self._state = state
        self._broker = broker
        self._silent_seconds = SILENT_LEASES * settings.task_lease_seconds
        self._revisions = Revisions(store, settings.minio_bucket_vod)
        self._replaced: dict[str, Replaced] = {}  # the notes read so far

    async def take_turn(self) -> None:
        await asyncio.to_thread(self._look_alone)

    def _look_alone(self) -> None:
        _tried(make_room, self._state)  # before the lock, which a full Redis would refuse
        if _tried(self._is_mine):
            self.look()

    def _is_mine(self) -> bool:
        return bool(self._state.set(LOCK, str(os.getpid()), nx=True, px=self._lock_ms))

    def look(self) -> list[str]:
        """Resumes lost jobs, and returns their ids. A failing step does not prevent the others."""
        _tried(self._jobs.forget_old)
        _tried(self._counters.forget_old)
        _tried(self._remove_expired)
        return [*(_tried(self._forgotten) or ()), *(_tried(self._stranded) or ())]

    def _remove_expired(self) -> None:
        for revision in self._revisions.remove_expired(time.time(), self._replaced):
            log.info("replaced revision removed", extra={"revision": revision})

    def _forgotten(self) -> list[str]:
        """Resumes jobs that are unfinished in the bucket and unknown to Redis; removes the marks of ended jobs."""
        keys = [info.key for info in self._store.listing(self._settings.minio_bucket_vod, UNFINISHED)]
        revisions = [revision for key in keys if (revision := unfinished_revision(key))]
        resumed = []
        for revision, state in zip(revisions, self._jobs.states(revisions), strict=True):
            if state is None:
                order = self._written_order(revision)
                if order and _tried(self._resume, order, "unknown to Redis"):
                    resumed.append(revision)
            elif state.is_final and self._jobs.states([revision]) == [state]:
                self._store.remove(self._settings.minio_bucket_vod, [unfinished_key(revision)])
        return resumed

    def _written_order(self, revision: str) -> Order | None:
        data = self._store.get(self._settings.minio_bucket_vod, unfinished_key(revision))
        try:
            return Order.from_json(data) if data else None
        except InvalidPlan as error:
            log.warning("order not understood", extra={"revision": revision, "detail": error.detail})
            return None

    def _stranded(self) -> list[str]:
        """Resumes jobs that are known to Redis, but silent and without a task in any queue or worker."""
        silent = self._jobs.silent(self._silent_seconds)
        if not silent:
            return []
        with_tasks = jobs_with_tasks(self._broker)
        resumed = []
        for job in silent:
            if (job.id, job.epoch) not in with_tasks:
                try:
                    order = Order.of(self._jobs.order(job.id))
                except (JobNotFound, InvalidPlan) as error:
                    log.warning("job not taken up again", extra={"revision": job.id, "detail": error.detail})
                    continue
                if order.group and self._settings.ladder_fill != "all":
                    _tried(self._jobs.cancel, job.id, job.epoch)  # nobody watches it; the next request starts it again
                elif _tried(self._resume, order, "without a task"):
                    resumed.append(job.id)
        return resumed

    def _resume(self, order: Order, reason: str) -> bool:
        log.warning("taking up again", extra={"video": order.video, "revision": order.job, "reason": reason})
        resumed = self._conversions.resume(order, Mode.REVIVE)
        dispatch.queue(dispatch.first_task(resumed), resumed, "plan")
        return True


def _tried(call: Callable[..., T], *arguments: Any) -> T | None:
    """The result of a call; None when Redis or the store fails."""
    try:
        return call(*arguments)
    except (MamError, redis.RedisError, KombuError) as error:
        log.warning("unfinished work not looked for", extra={"error": str(error)})
        return None
