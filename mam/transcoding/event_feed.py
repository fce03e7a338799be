"""All jobs and the fleet as events, for any number of pages at once.

One reader per process, while there are subscribers: a job is read once per change, however many subscribers get it. The
queue of each subscriber holds only the newest state of a job: a slow one misses steps, never the last of them, and one
that has stopped reading is disconnected.
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
from mam.transcoding.fleet_view import FleetOverview
from mam.transcoding.views import BriefJobView, JobView

FRAME_SECONDS = 0.25  # between two events of a job: progress comes in bursts
LOOK_SECONDS = 2.0  # an event is a hint: the queue and the running tasks are looked at this often
NEAR, FAR_LOOKS = 100, 5  # positions in the queue beyond the first hundred are told at every fifth look
FLEET_SECONDS = 1.0
RECENT = 50  # jobs that have ended, of which is told at first
BEHIND = 200  # events more than there are jobs: a subscriber with so many waiting begins again
STUCK_SECONDS = 60  # without reading anything, of what waits
BATCH_BYTES = 64 << 10  # of events that are sent at a time: what a connection takes
FLEET = "fleet"  # among the ids of jobs: what the fleet's event is known by
ENDED = tuple(state for state in State if state.is_final)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frame:
    """An event, and the same for those who want it brief."""

    whole: bytes
    brief: bytes

    def of(self, *, brief: bool) -> bytes:
        return self.brief if brief else self.whole


class Subscriber:
    """A client of the feed. `frames`: what it is sent first; `over`: set when it is disconnected."""

    def __init__(self, frames: Mapping[str, bytes], over: asyncio.Event, *, brief: bool = False) -> None:
        self.brief = brief
        self._over = over
        self._waiting = dict(frames)
        self._news = asyncio.Event()
        self._took = time.monotonic()

    def tell(self, about: str, frame: bytes) -> None:
        if not self._waiting:
            self._took = time.monotonic()  # until now there was nothing to take
        self._waiting[about] = frame
        self._news.set()

    def is_lost(self, most: int) -> bool:
        """Whether there is no point in waiting for them. `most`: events that may wait."""
        stuck = bool(self._waiting) and time.monotonic() - self._took > STUCK_SECONDS
        return stuck or len(self._waiting) > most

    def leave(self) -> None:
        self._waiting.clear()
        self._over.set()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """What is to be sent, without end."""
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
        taken, size = [], 0
        while self._waiting and size < BATCH_BYTES:
            frame = self._waiting.pop(next(iter(self._waiting)))
            taken.append(frame)
            size += len(frame)
        return b"".join(taken)


class EventFeed:
    """One per process of the service."""

    def __init__(self, jobs: Jobs, listener: Listener, glance: FleetOverview) -> None:
        self._jobs = jobs
        self._glance = glance
        self._seats: set[Subscriber] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._forget()
        listener.on_event(self._note)

    async def listen(self, over: asyncio.Event, *, brief: bool = False) -> AsyncGenerator[bytes, None]:
        """The events, until the client goes or is disconnected: then `over` is set.

        `brief`: jobs as lists need them.
        """
        seat = Subscriber({about: frame.of(brief=brief) for about, frame in self._frames.items()}, over, brief=brief)
        self._seats.add(seat)
        self._begin()
        try:
            yield b": listening\n\n"  # so that the client knows at once
            async for frame in seat.frames():
                yield frame
        finally:
            self._stand_up(seat)

    def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [
                supervised("feed of jobs", self._follow_jobs),
                supervised("feed of the fleet", self._follow_fleet),
            ]

    def _stand_up(self, seat: Subscriber) -> None:
        self._seats.discard(seat)
        if not self._seats:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._forget()

    def _forget(self) -> None:
        self._known: dict[str, Job] = {}
        self._frames: dict[str, Frame] = {}
        self._changed: set[str] = set()
        self._looks = 0

    def _note(self, happened: Event) -> None:
        if self._seats:
            self._changed.add(happened["job"])

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
            except RedisError as error:  # all is looked at again, soon
                log.debug("jobs not read", extra={"error": type(error).__name__})
            self._let_go()
            await asyncio.sleep(max(FRAME_SECONDS - (time.monotonic() - began), FRAME_SECONDS / 5))

    async def _follow_fleet(self) -> None:
        while True:
            view = await self._glance.view()
            told = event(FLEET, view.model_dump_json())
            self._tell(FLEET, Frame(told, told))
            await asyncio.sleep(FLEET_SECONDS)

    async def _look(self) -> None:
        """Reads whatever may have changed without an event, and whatever an event was lost of."""
        active, queued, newest = await asyncio.to_thread(self._jobs.overview, RECENT)
        if self._looks == 0:
            page = await asyncio.to_thread(self._jobs.page, states=ENDED, limit=RECENT)
            await self._show(page.jobs)
        standing, waiting = {*active}, {*queued}
        begun = [job.id for job in self._known.values() if not job.state.is_final and job.id not in waiting]
        ended = [job for job in active if job in self._known and self._known[job].state.is_final]
        unseen = [job for job in {*standing, *newest} if job not in self._known]
        await self._read([*begun, *ended, *unseen])
        await self._place(queued if self._looks % FAR_LOOKS == 0 else queued[:NEAR])
        self._looks += 1

    async def _place(self, queued: Sequence[str]) -> None:
        """Tells of queued jobs whose turn has come closer. `queued`: in their order."""
        known = ((at + 1, self._known[job]) for at, job in enumerate(queued) if job in self._known)
        moved = [(at, job) for at, job in known if job.state is State.QUEUED and job.position != at]
        await self._show([replace(job, position=at) for at, job in moved])

    async def _read(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        found = await asyncio.to_thread(self._jobs.find, ids)
        for job_id, job in zip(ids, found, strict=True):
            if job is None:  # Redis has forgotten it
                self._drop(job_id)
        await self._show([job for job in found if job])

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

    def _tell(self, about: str, frame: Frame) -> None:
        before = self._frames.get(about)
        self._frames[about] = frame
        for seat in self._seats:
            told = frame.of(brief=seat.brief)
            if before is None or before.of(brief=seat.brief) != told:
                seat.tell(about, told)

    def _let_go(self) -> None:
        most = len(self._frames) + BEHIND
        lost = [seat for seat in self._seats if seat.is_lost(most)]
        if lost:
            log.info("listeners have stopped reading", extra={"number": len(lost)})
            self._dismiss(lost)

    def _dismiss(self, seats: Sequence[Subscriber]) -> None:
        for seat in seats:
            seat.leave()
            self._stand_up(seat)


def _frame(job: Job) -> Frame:
    views = (JobView.of(job), BriefJobView.of(job))
    return Frame(*(event("job", view.model_dump_json()) for view in views))
