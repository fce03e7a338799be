"""The fleet as pages show it: workers with their tasks, speed, and what blocks conversions. For coroutines."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from redis import RedisError

from mam.errors import MamError
from mam.settings import Settings
from mam.store.objects import Store
from mam.transcoding.diagnosis import Facts, notes
from mam.transcoding.fleet import Fleet
from mam.transcoding.views import FleetView, NoteView, WorkerTaskView, WorkerView

KEEP_SECONDS = 0.5  # One view answers all requests of this time.
CHECK_SECONDS = 5  # The store is checked this often.
PATIENCE_SECONDS = 2  # The store must answer a check within this time.


class FleetOverview:
    """The fleet's view, shared by all requests of a process. It never fails: an outage is part of the view."""

    def __init__(self, settings: Settings, store: Store, fleet: Fleet) -> None:
        self._settings = settings
        self._fleet = fleet
        self._store = _Reachable(store, settings.minio_bucket_vod)
        self._looking: asyncio.Task[FleetView] | None = None
        self._looked = 0.0

    async def view(self) -> FleetView:
        """The current view, or one of at most KEEP_SECONDS ago."""
        if self._looking is None or (self._looking.done() and time.monotonic() - self._looked > KEEP_SECONDS):
            self._looking = asyncio.create_task(self._look(), name="fleet")
        return await asyncio.shield(self._looking)

    async def _look(self) -> FleetView:
        store, facts = await asyncio.gather(self._store.trouble(), asyncio.to_thread(self._facts))
        self._looked = time.monotonic()
        return view(facts, store, self._settings)

    def _facts(self) -> Facts:
        try:
            return self._fleet.facts()
        except RedisError as error:
            return Facts(redis=type(error).__name__)


def view(facts: Facts, store: str | None, settings: Settings) -> FleetView:
    """The facts as pages see them. `store`: why the store does not answer."""
    faults = notes(
        replace(facts, store=store),
        now=time.time(),
        embedded=settings.embedded_workers,
        lease=settings.task_lease_seconds,
    )
    return FleetView(
        workers=[WorkerView.of(worker, _tasks(facts, worker.name)) for worker in facts.workers],
        slots=sum(worker.slots for worker in facts.workers),
        queues=dict(facts.queues),
        jobs=dict(facts.counts),
        speed=round(facts.speed, 2),
        notes=[NoteView(code=note.code, message=note.message, hint=note.hint) for note in faults],
    )


def _tasks(facts: Facts, worker: str) -> list[WorkerTaskView]:
    """The running tasks of a worker, the oldest first."""
    tasks = [(job, task) for job, task in facts.tasks() if task.parent == worker]
    return [
        WorkerTaskView(job=job.id, video=job.video, name=task.name, since=task.since)
        for job, task in sorted(tasks, key=lambda pair: pair[1].since)
    ]


class _Reachable:
    """Checks now and then whether the store answers. A hanging check is not repeated before it ends."""

    def __init__(self, store: Store, bucket: str) -> None:
        self._store = store
        self._bucket = bucket
        self._asking: asyncio.Task[str | None] | None = None
        self._asked = 0.0

    async def trouble(self) -> str | None:
        """Why the store does not answer; None when it does."""
        due = time.monotonic() - self._asked > CHECK_SECONDS
        if self._asking is None or (self._asking.done() and due):
            self._asked = time.monotonic()
            self._asking = asyncio.create_task(self._ask(), name="store-check")
        patience = max(self._asked + PATIENCE_SECONDS - time.monotonic(), 0)
        done, _ = await asyncio.wait({self._asking}, timeout=patience)
        return self._asking.result() if done else f"it has said nothing for {time.monotonic() - self._asked:.0f} s"

    async def _ask(self) -> str | None:
        try:
            await asyncio.to_thread(self._store.check, self._bucket)
        except MamError as error:
            return error.detail.rstrip(".")
        return None
