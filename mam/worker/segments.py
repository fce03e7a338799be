"""The work of the plan and make tasks, without Celery. Runs in worker processes, which alone open media."""

from __future__ import annotations

import json
import logging
from collections import ChainMap, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice

from mam.errors import InvalidPlan, Superseded
from mam.hls.plan import Chunk, Plan
from mam.jobs.order import Order
from mam.jobs.previews import PlanView
from mam.media.encode import ChunkEncoder
from mam.media.ffmpeg_process import Encoder
from mam.media.muxing import SegmentFiles
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from mam.mp4 import stored_index
from mam.naming import index_key, plan_key, revision_plan_key, unfinished_key
from mam.processes import cores
from mam.worker import plan_preview, rungs
from mam.worker.context import THREADS, WorkerContext, this_machine, worker_context
from mam.worker.priority import Urgency
from mam.worker.publishing import existing, inventory

ENCODER_NICE = 15  # Batch encoders get a thirtieth of the processor share of an encoder that a viewer waits for.
IN_FLIGHT_BYTES = 64 << 20  # The segments that one process makes at a time take at most this much memory.

log = logging.getLogger(__name__)
Alive = Callable[[], None]


# plan


@dataclass(frozen=True, slots=True)
class Planned:
    """A written plan (of the job's group) and its existing segments. `complete`: all of them exist, and no commit is
    queued yet.
    """

    plan: Plan
    existing: frozenset[int]
    complete: bool

    def misses(self, chunk: Chunk) -> bool:
        return not self.existing.issuperset(chunk)


def plan(order: Order, *, alive: Alive) -> Planned:
    """Plans the job and writes the plan; for a viewer, also makes the first segment where that only copies.

    An earlier leader's plan is reused unchanged: the existing segments were made from it.
    """
    context = worker_context()
    earlier = context.pool.submit(context.store.get, context.bucket, revision_plan_key(order.video, order.job))
    media = context.source(order.source)
    whole = _adopted(context, media, order, earlier.result()) or _planned(context, media, order, alive)
    context.keep(whole, media)
    plan, plan_json = whole.of_groups(""), whole.to_json()
    listing = context.pool.submit(inventory, context, plan)
    writes = [
        context.pool.submit(context.store.put, context.bucket, key, content, "application/json")
        for key, content in (
            (unfinished_key(order.job), order.to_json().encode()),
            (revision_plan_key(order.video, order.job), plan_json),
            (plan_key(order.video), plan_json),
        )
    ]
    first = Remuxer(media, plan).segment(0) if order.viewer and not plan.encodes else None  # during those writes
    for write in writes:
        write.result()
    present = existing(plan, listing.result())
    if order.viewer and 0 not in present:
        context.viewers.take_ahead(order.job, [0])  # before a viewer can request it
    duration = float(plan.timeline.duration)
    streams = json.dumps([stream.model_dump(exclude_none=True) for stream in plan.streams])
    notes = json.dumps(plan.notes) if plan.notes else ""
    if not context.progress.planned(
        order.job, order.epoch, segments=len(plan.timeline), duration=duration, streams=streams, notes=notes,
        ladder=whole.ladder,
    ):  # fmt: skip
        raise Superseded("The job was cancelled or taken over.")
    complete = bool(present) and context.progress.found(order.job, order.epoch, plan.seconds(present))
    if first is not None and 0 not in present:
        for written in [context.pool.submit(context.put, plan, {name: data}) for name, data in first.items()]:
            written.result()  # at the same time: a viewer waits for all of them
        present.add(0)
        complete = _report(context, order, plan, 0, "plan")
    return Planned(plan, frozenset(present), complete)


def preview(order: Order, *, live: bool, alive: Alive) -> PlanView:
    """A preview of what the job would do; nothing is stored."""
    context = worker_context()
    media = context.source(order.source)
    read_index(media, order.recipe, alive=alive)
    plan = _made_plan(context, media, order, stored=False, closely=True)
    return plan_preview.view(media, plan, live=live)


def _planned(context: WorkerContext, media: MediaSource, order: Order, alive: Alive) -> Plan:
    index = read_index(media, order.recipe, alive=alive)
    if index:
        key = index_key(order.video, order.job)
        context.store.put(context.bucket, key, stored_index.dump(index), "application/octet-stream")
    return _made_plan(context, media, order, stored=bool(index))


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
    """The plan in the bucket, if it can be used."""
    try:
        plan = Plan.from_json(data) if data else None
        if plan is None or plan.source.version != order.version:
            return None
        if plan.stored_index:
            media.adopt(stored_index.load(context.store.get(context.bucket, index_key(order.video, order.job)) or b""))
    except InvalidPlan:
        return None
    return plan


# make


def make(orders: Sequence[Order], chunk: Chunk, *, task: str, urgency: Urgency, alive: Alive) -> list[Order]:
    """Makes the missing segments of a chunk. Returns the orders whose jobs that completed: the caller queues a commit.

    `orders`: one, or those of several rungs of one ladder that miss the same segments; the first one's task makes them.
    For a viewer ffmpeg uses all cores at normal priority.
    """
    context = worker_context()
    completed: list[Order] = []
    with context.precedence.held(urgency):
        plan, media = context.open(*orders)
        states = context.progress.is_made(orders[0].job, chunk)
        missing = [number for number, exists in zip(chunk, states, strict=True) if not exists]
        if not missing:
            return []
        if plan.encodes:
            numbers = _encoded(context, orders, plan, media, Chunk(missing[0], missing[-1] + 1), urgency, alive)
        else:
            numbers = _remuxed(context, orders[0], plan, media, missing, urgency)
        with closing(numbers):  # ends ffmpeg at once on an error
            for number in numbers:
                completed += [order for order in orders if _report(context, order, plan, number, task)]
                alive()
    return completed


def _report(context: WorkerContext, order: Order, plan: Plan, number: int, task: str) -> bool:
    seconds, profile = plan.seconds([number]), order.recipe.profile.value
    return context.progress.made(order.job, order.epoch, seconds, task=task, profile=profile, host=this_machine())


def _remuxed(
    context: WorkerContext, order: Order, plan: Plan, media: MediaSource, numbers: list[int], urgency: Urgency
) -> Generator[int, None, None]:
    """Copies segments, several at a time; yields the number of each stored one."""
    remuxer = Remuxer(media, plan)

    def copy_segment(number: int) -> int:
        if urgency is not Urgency.VIEWER:
            context.precedence.give_way(urgency)
            if context.progress.is_made(order.job, [number])[0]:
                return number  # made for a viewer meanwhile
        context.put(plan, remuxer.segment(number))
        return number

    # One at a time for a viewer, who waits for the first of them.
    threads = _threads(plan.source.size, len(plan.timeline)) if urgency is Urgency.BATCH else 1
    yield from _in_parallel(context.pool, copy_segment, numbers, threads)


def _threads(size: int, segments: int) -> int:
    """How many segments are made at a time: fewer when they are large."""
    segment_bytes = 2 * size // segments + 1  # the bytes of the source and of the segment
    return max(1, min(THREADS, IN_FLIGHT_BYTES // segment_bytes))


def _in_parallel(
    pool: ThreadPoolExecutor, work: Callable[[int], int], numbers: Iterable[int], threads: int
) -> Iterator[int]:
    """The results of `work` as they complete, with at most `threads` calls running. Ends at the first error."""
    waiting = iter(numbers)
    running: set[Future[int]] = {pool.submit(work, number) for number in islice(waiting, threads)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(work, number) for number in islice(waiting, len(done))}
            for future in done:
                yield future.result()
    finally:
        for future in running:
            future.cancel()
        wait(running)


def _encoded(
    context: WorkerContext,
    orders: Sequence[Order],
    plan: Plan,
    media: MediaSource,
    chunk: Chunk,
    urgency: Urgency,
    alive: Alive,
) -> Generator[int, None, None]:
    """Encodes the segments of a chunk; yields the number of each stored one."""
    is_batch = urgency is Urgency.BATCH
    known = [rungs.initialization(context, order, plan, media) for order in orders if order.group]
    context.precedence.give_way(urgency)  # before ffmpeg starts, which takes a while by itself
    encoder = ChunkEncoder(
        media,
        plan,
        threads=context.encoder_threads if is_batch else cores(),
        nice=ENCODER_NICE if is_batch else 0,
        stall_seconds=context.settings.encoder_stall_seconds,
        watch=_recorder(context, orders[0]),
        initialization=dict(ChainMap(*known)) if known else None,
    )

    def store_segment(number: int, files: SegmentFiles) -> int:
        context.put(plan, files)
        return number

    uploads: deque[Future[int]] = deque()
    turn = context.precedence.turn(cores()) if urgency is Urgency.VIEWER else nullcontext()
    try:
        with turn, closing(encoder.segments(chunk, alive=alive)) as segments:
            for number, files in segments:
                if all(context.progress.is_made(order.job, [number])[0] for order in orders):
                    continue  # another task has made it meanwhile: for a viewer, or in its chunk
                uploads.append(context.pool.submit(store_segment, number, files))
                while len(uploads) > int(is_batch):  # a batch encodes on during the last upload
                    yield uploads.popleft().result()
        while uploads:
            yield uploads.popleft().result()
    finally:
        wait(uploads)


def _recorder(context: WorkerContext, order: Order) -> Callable[[Encoder], None]:
    """A callback that records the running ffmpeg and its log lines in the job's state."""
    shown: tuple[str, ...] | None = None

    def watch(encoder: Encoder) -> None:
        nonlocal shown
        if shown is None:
            context.progress.encoding(order.job, order.epoch, encoder.command)
        if (lines := tuple(encoder.said)) != (shown or ()):
            context.progress.said(order.job, order.epoch, lines)
        shown = lines

    return watch
