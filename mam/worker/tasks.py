"""The tasks that workers run: plan a job, make a chunk, commit. Each may run twice, or be killed at any point."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from celery.signals import celeryd_after_setup, worker_process_init, worker_ready, worker_shutting_down
from prometheus_client import start_http_server

import redis_adapter
from mam.errors import JobNotFound, MamError
from mam.hls.plan import Chunk, Plan
from mam.http.logging import setup_logging
from mam.jobs import previews, queues
from mam.jobs.dispatch import (
    AHEAD,
    COMMIT,
    DISCARD,
    MAKE,
    PLAN,
    POSTER,
    PREVIEW,
    REMOVE_RUNG,
    RUNG,
    SEEK,
    STORYBOARD,
    app,
    queue,
)
from mam.jobs.order import Order
from mam.jobs.presence import Presence
from mam.jobs.queues import HIGH
from mam.library.status import AssetStatus
from mam.library.status_store import StatusStore
from mam.processes import die_with_parent
from mam.sandbox import box
from mam.settings import worker_settings
from mam.worker import metrics, publishing, rungs, segments, thumbnails
from mam.worker.context import warm_up, worker_context
from mam.worker.lease import Lease, Preempted
from mam.worker.policies import Extra, Needed
from mam.worker.priority import Urgency
from mam.worker.process import count_slots, refuse_restarts, say_ready, settle, share_memory
from mam.worker.queueing import ALONE, queue_chunk, queue_next, queue_pictures, viewer_waits
from mam.worker.retries import lease_of, quietly, retry_delay
from mam.worker.runner import run_task

DISCARD_SECONDS, DISCARD_TRIES = 1, 60  # A discard waits this often, this long each time, for the job's last task.
FILL_FROM = 2  # A rung is filled once this many of its segments exist: a player that only tries it leaves no work.
NEEDED, EXTRA = Needed(), Extra()

log = logging.getLogger(__name__)

__all__ = ["app"]  # `celery -A mam.worker.tasks` looks for it here


@celeryd_after_setup.connect
def _before_children(instance: Any, **_: Any) -> None:
    count_slots(int(instance.concurrency))
    settle()
    celery_queues = instance.app.amqp.queues
    celery_queues.select(queues.served(celery_queues.consume_from))


@worker_process_init.connect
def _prepare(**_: Any) -> None:
    """Runs in each of the worker's child processes."""
    die_with_parent()
    box.settle()
    share_memory()
    setup_logging(worker_settings().log_level, service="worker")
    warm_up()


@worker_ready.connect
def _announce(sender: Any, **_: Any) -> None:
    refuse_restarts()
    say_ready()
    settings = worker_settings()
    Presence.of(settings, sender).start()
    if settings.worker_metrics_port is not None:
        start_http_server(settings.worker_metrics_port, registry=metrics.machine(settings))


@worker_shutting_down.connect
def _leave(**_: Any) -> None:
    Presence.leave()


@app.task(name=PLAN, bind=True, max_retries=None)
def plan(task: Any, order: dict[str, Any]) -> None:
    """Plans the source's conversion and queues its chunks; for a viewer, makes the first segment itself."""
    run_task(task, Order.of(order), "plan", NEEDED, _plan)


def _plan(order: Order, lease: Lease) -> None:
    with worker_context().precedence.held(Urgency.VIEWER if order.viewer else Urgency.BATCH):
        planned = segments.plan(order, alive=lease.alive)
    plan = planned.plan
    if planned.complete:
        queue_pictures(order, plan, storyboard=plan.encodes)  # else the commit queues the storyboard
        queue(COMMIT, order, "commit")
        return
    chunks = plan.chunks()
    # For a viewer, this task and the following `ahead` task make the first chunk.
    missing = [number for number in range(int(order.viewer), len(chunks)) if planned.misses(chunks[number])]
    worker_context().progress.divide(order.job, order.epoch, missing)
    queue_next(order, plan, done="plan")
    if order.viewer:
        first, last = chunks[0].first, chunks[0].last
        opening = Chunk(first, first + 1)
        if not _make_and_commit([order], opening, task="plan", urgency=Urgency.VIEWER, lease=lease):
            queue(AHEAD, order, "ahead:0", first, last, ALONE)
    queue_pictures(order, plan, storyboard=plan.encodes)


@app.task(name=PREVIEW, bind=True, max_retries=0)
def preview(task: Any, order: dict[str, Any], ask: str, live: bool, yielding: bool = True) -> None:
    """Plans a job without starting it, and answers the request. It yields to a viewer's segment, but only once."""
    context = worker_context()
    preempted = partial(viewer_waits, task) if yielding else None
    lease = lease_of(task, context, Order.of(order), stands_alone=True, preempted=preempted)
    try:
        with lease, context.precedence.held(Urgency.AHEAD):
            previews.answer(context.redis, ask, segments.preview(Order.of(order), live=live, alive=lease.alive))
    except Preempted:
        queue(PREVIEW, Order.of(order), "preview", ask, live, False, queue_name=HIGH)
    except Exception as error:
        if not isinstance(error, MamError):
            log.exception("preview failed", extra={"video": order["video"]})
        previews.answer(context.redis, ask, error if isinstance(error, MamError) else MamError(type(error).__name__))


@app.task(name=MAKE, bind=True, max_retries=None)
def make(task: Any, order: dict[str, Any], number: int, window: int = ALONE) -> None:
    """Makes a chunk of the plan, then queues the job's next one behind those of other jobs, so that jobs take turns.

    The task that makes a job's last segment queues the commit. `window`: for workers of an earlier version.
    """
    run_task(task, Order.of(order), f"make:{number}", NEEDED, partial(_make, number=number), pace=Urgency.BATCH)


def _make(order: Order, lease: Lease, *, number: int) -> None:
    whole, _ = worker_context().open_whole(order)
    plan = whole.of_groups(order.group)
    chunk = plan.chunks()[number]
    orders = rungs.together(order, whole, chunk)
    _make_and_commit(orders, chunk, task=f"make:{number}", urgency=Urgency.BATCH, lease=lease)
    queue_next(order, plan, done=str(number))


def _make_and_commit(orders: Sequence[Order], chunk: Chunk, *, task: str, urgency: Urgency, lease: Lease) -> bool:
    """Makes the missing segments of a chunk, and queues the commits of the jobs that this completed. True for any."""
    completed = segments.make(orders, chunk, task=task, urgency=urgency, alive=lease.alive)
    for order in completed:
        queue(COMMIT, order, "commit")
    return bool(completed)


@app.task(name=SEEK, bind=True, max_retries=None)
def seek(task: Any, order: dict[str, Any], number: int) -> None:
    """Makes one segment before anything else: a viewer waits for it."""
    run_task(task, Order.of(order), f"seek:{number}", NEEDED, partial(_seek, number=number))


def _seek(order: Order, lease: Lease, *, number: int) -> None:
    wanted = Chunk(number, number + 1)
    if _make_and_commit([order], wanted, task=f"seek:{number}", urgency=Urgency.VIEWER, lease=lease):
        return
    if order.group and worker_context().settings.ladder_fill == "watched":
        plan, _ = worker_context().open(order)
        if sum(worker_context().progress.made_segments(order.job, len(plan.timeline))) >= FILL_FROM:
            _fill(order, plan, number)


def _fill(order: Order, plan: Plan, number: int) -> None:
    """Has the rest of a rung made, from this segment on; does nothing where that is under way."""
    context = worker_context()
    chunks = plan.chunks()
    here = next(place for place, chunk in enumerate(chunks) if number < chunk.last)
    if context.progress.divide(order.job, order.epoch, [*range(here, len(chunks)), *range(here)]):
        queue_next(order, plan, done="plan")


@app.task(name=RUNG, bind=True, max_retries=None)
def rung(task: Any, order: dict[str, Any]) -> None:
    """Starts a rung of a ladder: records what exists of it, and makes its initialization section."""
    run_task(task, Order.of(order), "plan", NEEDED, _start_rung)


def _start_rung(order: Order, _: Lease) -> None:
    with worker_context().precedence.held(Urgency.VIEWER):
        complete = rungs.start(order)
    if complete:
        queue(COMMIT, order, "commit")
    else:
        _fill_all(worker_context().open_whole(order)[0])


def _fill_all(plan: Plan) -> None:
    """Has all segments of all rungs made, where that is wanted and the last rung has been started."""
    leader = rungs.leading(plan) if worker_context().settings.ladder_fill == "all" else None
    if leader:
        _fill(leader, plan.of_groups(leader.group), 0)


@app.task(name=AHEAD, bind=True, max_retries=None)
def ahead(task: Any, order: dict[str, Any], first: int, last: int, window: int = 0) -> None:
    """Makes the segments that a viewer will request next; it yields at once to a segment that a viewer waits for.

    `window`: not 0 for a plan's first chunk, of which every segment must be made in the end.
    """
    work = partial(_ahead, chunk=Chunk(first, last), is_first=bool(window))
    preempted = partial(viewer_waits, task)
    run_task(task, Order.of(order), f"ahead:{first}", NEEDED, work, preempted=preempted, pace=Urgency.AHEAD)


def _ahead(order: Order, lease: Lease, *, chunk: Chunk, is_first: bool) -> None:
    context = worker_context()
    numbers = context.viewers.take_ahead(order.job, list(chunk))
    try:
        if numbers:
            claimed = Chunk(numbers[0], numbers[-1] + 1)
            _make_and_commit([order], claimed, task=f"ahead:{chunk.first}", urgency=Urgency.AHEAD, lease=lease)
    finally:
        states = context.progress.is_made(order.job, chunk)
        missing = [number for number, exists in zip(chunk, states, strict=True) if not exists]
        context.viewers.drop_seek(order.job, [number for number in missing if number in numbers])
        if is_first and missing:
            queue_chunk(order, context.open(order)[0], 0)


@app.task(name=COMMIT, bind=True, max_retries=None)
def commit(task: Any, order: dict[str, Any]) -> None:
    """Verifies that the revision is complete, and makes the video live."""
    run_task(task, Order.of(order), "commit", NEEDED, _commit)


def _commit(order: Order, _: Lease) -> None:
    plan = worker_context().plan(order)
    group = plan.of_groups(order.group)
    if not order.group and not group.encodes:
        queue_pictures(order, plan, poster=False)  # before the job ends: the commit of an ended job is not run again
    missing = publishing.commit(order, plan)
    if not missing and plan.ladder and worker_context().settings.ladder_fill == "all":
        if not order.group:
            _start_rungs(order, plan)
        _fill_all(plan)
    if missing:
        for number, chunk in enumerate(group.chunks()):
            if not set(missing).isdisjoint(chunk):
                queue_chunk(order, group, number)


def _start_rungs(order: Order, plan: Plan) -> None:
    """Has all rungs of a ladder made, whose base is live."""
    for group in plan.groups:
        rung_order = worker_context().conversions.rung(order.video, order.revision, group) if group else None
        if rung_order:
            queue(RUNG, rung_order, "plan")


@app.task(name=REMOVE_RUNG, bind=True, max_retries=None)
def remove_rung(task: Any, order: dict[str, Any]) -> None:
    """Takes a rung out of its ladder: it is a promise again, and made when a player asks for it."""
    run_task(task, Order.of(order), "remove", NEEDED, _remove_rung)


def _remove_rung(order: Order, _: Lease) -> None:
    publishing.remove_rung(order)
    worker_context().jobs.cancel(order.job, order.epoch)


@app.task(name=POSTER, bind=True, max_retries=None)
def poster(task: Any, order: dict[str, Any]) -> None:
    """Makes the video's poster; it yields at once to a segment that a viewer waits for."""
    work = partial(_picture, make_picture=thumbnails.make_poster, urgency=Urgency.AHEAD)
    preempted = partial(viewer_waits, task)
    run_task(task, Order.of(order), "poster", EXTRA, work, preempted=preempted, pace=Urgency.AHEAD)


@app.task(name=STORYBOARD, bind=True, max_retries=None)
def storyboard(task: Any, order: dict[str, Any]) -> None:
    """Makes the video's storyboard."""
    work = partial(_picture, make_picture=thumbnails.make_storyboard, urgency=Urgency.BATCH)
    run_task(task, Order.of(order), "storyboard", EXTRA, work, pace=Urgency.BATCH)


def _picture(order: Order, lease: Lease, *, make_picture: Callable[..., None], urgency: Urgency) -> None:
    precedence = worker_context().precedence
    with precedence.held(urgency):
        precedence.give_way(urgency)
        make_picture(order, alive=lease.alive)


@app.task(name=DISCARD, bind=True, max_retries=None)
def discard(task: Any, order: dict[str, Any]) -> None:
    """Removes the output of a failed or cancelled job, once its last task has ended."""
    context, ended = worker_context(), Order.of(order)
    try:
        with suppress(JobNotFound):  # the output of a forgotten job may be removed too
            job = context.jobs.get(ended.job)
            if job.epoch != ended.epoch or not job.state.is_final:
                return  # the job was resumed
            if job.running and task.request.retries < DISCARD_TRIES:
                raise task.retry(countdown=DISCARD_SECONDS)
        if publishing.discard(ended):  # the job was cancelled at the moment of its commit
            status = AssetStatus(video=ended.video, live=ended.job)
            quietly(StatusStore(context.redis).found, {str(ended.asset): status})
    except Exception as error:
        delay = retry_delay(error, task.request.retries, context.settings.task_lease_seconds)
        if delay is None:
            raise
        raise task.retry(exc=error, countdown=delay) from error
    redis_adapter.invalidate_playlist_cache(ended.video)
