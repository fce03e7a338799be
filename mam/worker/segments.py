"""What the tasks do, free of Celery: plan and make. Runs in worker processes, which alone open media."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from mam.errors import InvalidPlan, Superseded
from mam.hls.plan import Chunk, Plan
from mam.jobs.order import Order
from mam.jobs.previews import PlanView
from mam.media.encode import ChunkEncoder
from mam.media.ffmpeg_process import Encoder
from mam.media.muxing import Made
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from mam.mp4 import stored_index
from mam.naming import index_key, plan_key, revision_plan_key, unfinished_key
from mam.processes import cores
from mam.worker import plan_preview
from mam.worker.context import THREADS, WorkerContext, this_machine, worker_context
from mam.worker.priority import Urgency
from mam.worker.publishing import existing, inventory

ENCODER_NICE = 15  # a thirtieth of the share of what a viewer waits for
IN_FLIGHT_BYTES = 64 << 20  # of segments in the making, per process

log = logging.getLogger(__name__)
Alive = Callable[[], None]


# plan


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that stands, and which of its segments exist. `complete`: all of them, and no commit is queued yet."""

    plan: Plan
    there: frozenset[int]
    complete: bool

    def misses(self, chunk: Chunk) -> bool:
        return not self.there.issuperset(chunk)


def plan(order: Order, *, alive: Alive) -> Planned:
    """Plans the job and publishes the plan; for a viewer, makes the first segment too where that takes no time.

    An earlier leader's plan is reused unchanged: the existing segments were made from it.
    """
    context = worker_context()
    earlier = context.pool.submit(context.store.get, context.bucket, revision_plan_key(order.video, order.job))
    media = context.source(order.source)
    made = _adopted(context, media, order, earlier.result()) or _planned(context, media, order, alive)
    context.keep(made, media)
    listing = context.pool.submit(inventory, context, made)
    data = made.to_json()
    writes = [
        context.pool.submit(context.store.put, context.bucket, key, content, "application/json")
        for key, content in (
            (unfinished_key(order.job), order.to_json().encode()),
            (revision_plan_key(order.video, order.job), data),
            (plan_key(order.video), data),
        )
    ]
    first = Remuxer(media, made).segment(0) if order.viewer and not made.encodes else None  # while those are on the way
    for write in writes:
        write.result()
    there = existing(made, listing.result())
    if order.viewer and 0 not in there:
        context.viewers.take_ahead(order.job, [0])  # before anybody can ask for it
    duration = float(made.timeline.duration)
    streams = json.dumps([stream.model_dump(exclude_none=True) for stream in made.streams])
    notes = json.dumps(made.notes) if made.notes else ""
    if not context.progress.planned(
        order.job, order.epoch, segments=len(made.timeline), duration=duration, streams=streams, notes=notes
    ):
        raise Superseded("The job was cancelled or taken over.")
    complete = bool(there) and context.progress.found(order.job, order.epoch, _seconds(made, there))
    if first is not None and 0 not in there:
        context.put(made, first)
        there.add(0)
        complete = _report(context, order, made, 0, "plan")
    return Planned(made, frozenset(there), complete)


def preview(order: Order, *, live: bool, alive: Alive) -> PlanView:
    """What the job would do; nothing is kept of it."""
    context = worker_context()
    media = context.source(order.source)
    read_index(media, order.recipe, alive=alive)
    made = _made_plan(context, media, order, stored=False, closely=True)
    return plan_preview.view(media, made, live=live)


def _planned(context: WorkerContext, media: MediaSource, order: Order, alive: Alive) -> Plan:
    found = read_index(media, order.recipe, alive=alive)
    if found:
        key = index_key(order.video, order.job)
        context.store.put(context.bucket, key, stored_index.dump(found), "application/octet-stream")
    return _made_plan(context, media, order, stored=bool(found))


def _made_plan(
    context: WorkerContext, media: MediaSource, order: Order, *, stored: bool, closely: bool = False
) -> Plan:
    return make_plan(
        media,
        order.source,
        order.recipe,
        video=order.video,
        revision=order.job,
        stored=stored,
        closely=closely,
        max_duration=context.settings.max_duration_seconds,
    )


def _adopted(context: WorkerContext, media: MediaSource, order: Order, data: bytes | None) -> Plan | None:
    """The plan in the bucket, if there is one that can be used."""
    try:
        made = Plan.from_json(data) if data else None
        if made is None or made.source.version != order.version:
            return None
        if made.stored_index:
            media.adopt(stored_index.load(context.store.get(context.bucket, index_key(order.video, order.job)) or b""))
    except InvalidPlan:
        return None
    return made


# make


def make(order: Order, chunk: Chunk, *, task: str, urgency: Urgency, alive: Alive) -> bool:
    """Makes the segments that are missing. True when that completed the job, and the commit is to follow.

    For a viewer ffmpeg takes all cores and does not stand back.
    """
    context = worker_context()
    completed = False
    with context.precedence.held(urgency):
        made, media = context.open(order)
        there = context.progress.is_made(order.job, chunk)
        missing = [number for number, done in zip(chunk, there, strict=True) if not done]
        if not missing:
            return False
        if made.encodes:
            work = _encoded(context, order, made, media, Chunk(missing[0], missing[-1] + 1), urgency, alive)
        else:
            work = _remuxed(context, order, made, media, missing, urgency)
        with closing(work):  # ends ffmpeg at once, whatever happens
            for number in work:
                completed |= _report(context, order, made, number, task)
                alive()
    return completed


def _report(context: WorkerContext, order: Order, made: Plan, number: int, task: str) -> bool:
    seconds, profile = _seconds(made, [number]), order.recipe.profile.value
    return context.progress.made(order.job, order.epoch, seconds, task=task, profile=profile, host=this_machine())


def _seconds(made: Plan, numbers: Collection[int]) -> dict[int, float]:
    """Seconds of media in each of the segments."""
    timeline = made.timeline
    return {number: float(timeline.time(number + 1) - timeline.time(number)) for number in sorted(numbers)}


def _remuxed(
    context: WorkerContext, order: Order, made: Plan, media: MediaSource, numbers: list[int], urgency: Urgency
) -> Generator[int, None, None]:
    """Copies segments, several at a time; the number of each that is in the bucket."""
    remuxer = Remuxer(media, made)

    def copied(number: int) -> int:
        if urgency is not Urgency.VIEWER:
            context.precedence.give_way(urgency)
            if context.progress.is_made(order.job, [number])[0]:
                return number  # a viewer asked for it meanwhile
        context.put(made, remuxer.segment(number))
        return number

    # One after the other for a viewer, who waits for the first of them.
    threads = _threads(made.source.size, len(made.timeline)) if urgency is Urgency.BATCH else 1
    yield from _in_parallel(context.pool, copied, numbers, threads)


def _threads(size: int, segments: int) -> int:
    """How many segments are in the making at a time: fewer when they are large."""
    each = 2 * size // segments + 1  # the source's bytes and the segment's
    return max(1, min(THREADS, IN_FLIGHT_BYTES // each))


def _in_parallel(
    pool: ThreadPoolExecutor, work: Callable[[int], int], numbers: Iterable[int], threads: int
) -> Iterator[int]:
    """The results of `work`, as they come, with at most `threads` running. The first error ends it."""
    rest = iter(numbers)
    running: set[Future[int]] = {pool.submit(work, number) for number in islice(rest, threads)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(work, number) for number in islice(rest, len(done))}
            for future in done:
                yield future.result()
    finally:
        for future in running:
            future.cancel()
        wait(running)


def _encoded(
    context: WorkerContext, order: Order, made: Plan, media: MediaSource, chunk: Chunk, urgency: Urgency, alive: Alive
) -> Generator[int, None, None]:
    """Encodes the segments of a chunk; the number of each that is in the bucket."""
    batch = urgency is Urgency.BATCH
    context.precedence.give_way(urgency)  # ffmpeg's start alone takes a while
    encoder = ChunkEncoder(
        media,
        made,
        threads=context.encoder_threads if batch else cores(),
        nice=ENCODER_NICE if batch else 0,
        stall_seconds=context.settings.encoder_stall_seconds,
        watch=_recorder(context, order),
    )

    def stored(number: int, data: Made) -> int:
        context.put(made, data)
        return number

    uploads: deque[Future[int]] = deque()
    try:
        with closing(encoder.segments(chunk, alive=alive)) as segments:
            for number, data in segments:
                uploads.append(context.pool.submit(stored, number, data))
                while len(uploads) > int(batch):  # ffmpeg goes on during the last one
                    yield uploads.popleft().result()
        while uploads:
            yield uploads.popleft().result()
    finally:
        wait(uploads)


def _recorder(context: WorkerContext, order: Order) -> Callable[[Encoder], None]:
    """Has the job's state show which ffmpeg is at work, and what it says."""
    shown: tuple[str, ...] | None = None

    def watch(encoder: Encoder) -> None:
        nonlocal shown
        if shown is None:
            context.progress.encoding(order.job, order.epoch, encoder.command)
        if (said := tuple(encoder.said)) != (shown or ()):
            context.progress.said(order.job, order.epoch, said)
        shown = said

    return watch
