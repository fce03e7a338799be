"""All jobs and the fleet as events, for any number of pages at once.

One reader per process runs while there are subscribers: a job is read once per change, however many subscribers get it.
The queue of each subscriber holds only the newest state of a job: a slow subscriber misses steps, never the last of
them, and one that has stopped reading is disconnected.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

from redis import RedisError

from mam.background import supervised
from mam.events import Event, Listener
from mam.http.streams import KEEPALIVE, KEEPALIVE_SECONDS, event
from mam.jobs.job import Job, State
from mam.jobs.state import Jobs
from mam.naming import revision_and_group
from mam.transcoding.fleet_view import FleetOverview
from mam.transcoding.views import BriefJobView, JobView

FRAME_SECONDS = 0.25  # A job's events are at least this far apart: progress comes in bursts.
LOOK_SECONDS = 2.0  # The queue and the running tasks are read this often, since an event is only a hint.
NEAR, FAR_LOOKS = 100, 5  # Queue positions beyond the first hundred are sent at every fifth look.
FLEET_SECONDS = 1.0  # The fleet is sent this often.
RECENT = 50  # A new subscriber gets this many ended jobs.
BEHIND = 200  # A subscriber with this many more waiting events than there are jobs is disconnected.
STUCK_SECONDS = 60  # A subscriber that reads no waiting event for this long is disconnected.
BATCH_BYTES = 64 << 10  # Events are sent in batches of this size: a connection takes about as much at a time.
FLEET = "fleet"  # The fleet's event has this id among the ids of jobs.
ENDED = tuple(state for state in State if state.is_final)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frame:
    """An event in its whole and its brief form."""

    whole: bytes
    brief: bytes

    def of(self, *, brief: bool) -> bytes:
        return self.brief if brief else self.whole


class Subscriber:
    """A client of the feed. `frames`: its first events, by id; `over`: set when it is disconnected."""

    def __init__(self, frames: Mapping[str, bytes], over: asyncio.Event, *, brief: bool = False) -> None:
        self.brief = brief
        self._over = over
        self._waiting = dict(frames)
        self._news = asyncio.Event()
        self._took = time.monotonic()

    def tell(self, topic: str, frame: bytes) -> None:
        if not self._waiting:
            self._took = time.monotonic()  # nothing was waiting until now
        self._waiting[topic] = frame
        self._news.set()

    def is_lost(self, most: int) -> bool:
        """Whether the client has stopped reading. `most`: events that may wait."""
        stuck = bool(self._waiting) and time.monotonic() - self._took > STUCK_SECONDS
        return stuck or len(self._waiting) > most

    def leave(self) -> None:
        self._waiting.clear()
        self._over.set()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The waiting events in batches, without end."""
        while True:
            self._news.clear()
            self._took = time.monotonic()
            if self._waiting:
                yield self._batch()
                continue
            try:
                await asyncio.wait_for(self._news.wait(), KEEPALIVE_SECONDS)
            except asyncio.TimeoutError:
                yield KEEPALIVE

    def _batch(self) -> bytes:
        frames, size = [], 0
        while self._waiting and size < BATCH_BYTES:
            frame = self._waiting.pop(next(iter(self._waiting)))
            frames.append(frame)
            size += len(frame)
        return b"".join(frames)


class EventFeed:
    """The feed of a process of the service."""

    def __init__(self, jobs: Jobs, listener: Listener, fleet: FleetOverview) -> None:
        self._jobs = jobs
        self._fleet = fleet
        self._subscribers: set[Subscriber] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._forget()
        listener.on_event(self._note)

    async def listen(self, over: asyncio.Event, *, brief: bool = False) -> AsyncGenerator[bytes, None]:
        """The events, until the client leaves or is disconnected: then `over` is set.

        `brief`: whether jobs come in the form for lists.
        """
        subscriber = Subscriber(
            {topic: frame.of(brief=brief) for topic, frame in self._frames.items()}, over, brief=brief
        )
        self._subscribers.add(subscriber)
        self._begin()
        try:
            yield b": listening\n\n"  # so that the client knows at once that it is connected
            async for frame in subscriber.frames():
                yield frame
        finally:
            self._remove(subscriber)

    def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [
                supervised("feed of jobs", self._follow_jobs),
                supervised("feed of the fleet", self._follow_fleet),
            ]

    def _remove(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        if not self._subscribers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._forget()

    def _forget(self) -> None:
        self._known: dict[str, Job] = {}
        self._frames: dict[str, Frame] = {}
        self._changed: set[str] = set()
        self._looks = 0

    def _note(self, event: Event) -> None:
        if self._subscribers:
            self._changed |= {event["job"], revision_and_group(event["job"])[0]}  # a ladder's job shows its rungs

    async def _follow_jobs(self) -> None:
        looked = 0.0
        while True:
            began = time.monotonic()
            try:
                if began - looked >= LOOK_SECONDS:
                    await self._look()
                    looked = began
                changed = [*self._changed]
                self._changed.clear()
                await self._read(changed)
            except RedisError as error:  # the next round reads all again
                log.debug("jobs not read", extra={"error": type(error).__name__})
            self._disconnect_stuck()
            await asyncio.sleep(max(FRAME_SECONDS - (time.monotonic() - began), FRAME_SECONDS / 5))

    async def _follow_fleet(self) -> None:
        while True:
            view = await self._fleet.view()
            data = event(FLEET, view.model_dump_json())
            self._tell(FLEET, Frame(data, data))
            await asyncio.sleep(FLEET_SECONDS)

    async def _look(self) -> None:
        """Reads the jobs that may have changed without an event, or whose event was lost."""
        active, queued, newest = await asyncio.to_thread(self._jobs.overview, RECENT)
        if self._looks == 0:
            page = await asyncio.to_thread(self._jobs.page, states=ENDED, limit=RECENT)
            await self._show(page.jobs)
        waiting = {*queued}
        started = [job.id for job in self._known.values() if not job.state.is_final and job.id not in waiting]
        restarted = [job for job in active if job in self._known and self._known[job].state.is_final]
        unseen = [job for job in {*active, *newest} if job not in self._known]
        await self._read([*started, *restarted, *unseen])
        await self._update_positions(queued if self._looks % FAR_LOOKS == 0 else queued[:NEAR])
        self._looks += 1

    async def _update_positions(self, queued: Sequence[str]) -> None:
        """Publishes queued jobs whose position has changed. `queued`: their ids in order."""
        known = ((position, self._known[job]) for position, job in enumerate(queued, 1) if job in self._known)
        moved = [(position, job) for position, job in known if job.state is State.QUEUED and job.position != position]
        await self._show([replace(job, position=position) for position, job in moved])

    async def _read(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        jobs = await asyncio.to_thread(self._jobs.find, ids)
        for job_id, job in zip(ids, jobs, strict=True):
            if job is None:  # Redis has forgotten it
                self._drop(job_id)
        await self._show([job for job in jobs if job])

    async def _show(self, jobs: Sequence[Job]) -> None:
        frames = await asyncio.to_thread(lambda: [_frame(job) for job in jobs])
        for job, frame in zip(jobs, frames, strict=True):
            self._known[job.id] = job
            self._tell(job.id, frame)
        ended = [job for job in self._known.values() if job.state.is_final]
        for job in sorted(ended, key=lambda job: job.created_at)[:-RECENT]:
            self._drop(job.id)

    def _drop(self, job: str) -> None:
        self._known.pop(job, None)
        self._frames.pop(job, None)

    def _tell(self, topic: str, frame: Frame) -> None:
        previous = self._frames.get(topic)
        self._frames[topic] = frame
        for subscriber in self._subscribers:
            data = frame.of(brief=subscriber.brief)
            if previous is None or previous.of(brief=subscriber.brief) != data:
                subscriber.tell(topic, data)

    def _disconnect_stuck(self) -> None:
        most = len(self._frames) + BEHIND
        stuck = [subscriber for subscriber in self._subscribers if subscriber.is_lost(most)]
        if stuck:
            log.info("listeners have stopped reading", extra={"number": len(stuck)})
            self._dismiss(stuck)

    def _dismiss(self, subscribers: Sequence[Subscriber]) -> None:
        for subscriber in subscribers:
            subscriber.leave()
            self._remove(subscriber)


def _frame(job: Job) -> Frame:
    views = (JobView.of(job), BriefJobView.of(job))
    return Frame(*(event("job", view.model_dump_json()) for view in views))
