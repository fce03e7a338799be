"""The tasks that workers run: plan a job, make a chunk of it, commit it. Each may run twice, or be killed anywhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

from celery.signals import celeryd_after_setup, worker_process_init, worker_ready, worker_shutting_down
from prometheus_client import start_http_server

import redis_adapter
from mam.errors import (
    EncoderFailed,
    JobNotFound,
    MamError,
    MediaError,
    NotFound,
    PoisonedChunk,
    SourceChanged,
    Superseded,
    Undecodable,
)
from mam.hls.plan import Chunk, Plan, Profile
from mam.http.logging import setup_logging
from mam.jobs import previews, queues
from mam.jobs.claims import Order, Wanted
from mam.jobs.dispatch import AHEAD, COMMIT, DISCARD, MAKE, PLAN, POSTER, PREVIEW, SEEK, STORYBOARD, app, queue
from mam.jobs.presence import Presence
from mam.jobs.progress import MAX_ATTEMPTS
from mam.jobs.queues import HIGH, INTERACTIVE
from mam.library.status import Record
from mam.library.status_store import Known
from mam.processes import die_with_parent
from mam.sandbox import box
from mam.settings import worker_settings
from mam.worker import context, metrics, publishing, segments, thumbnails
from mam.worker.lease import Lease, Preempted
from mam.worker.priority import Urgency
from mam.worker.process import count_slots, refuse_restarts, say_ready, settle, share_memory
from mam.worker.retries import account, lease_of, quietly, retry_delay

# Chunks of one job that are queued or under way at a time, for each slot: all are busy, half as many again wait, which
# is what autoscalers see, and what the first chunk of another job has to wait for.
WINDOW_PER_SLOT, LEAST_WINDOW = 1.5, 2
ALONE = 1 << 20  # an earlier version's worker would queue the chunk that follows so many later: there is none
DISCARD_SECONDS, DISCARD_TRIES = 1, 60  # a job's leftovers are removed when its last task has ended

log = logging.getLogger(__name__)

__all__ = ["app"]  # `celery -A mam.worker.tasks` finds it here


@celeryd_after_setup.connect
def _before_children(instance: Any, **_: Any) -> None:
    count_slots(int(instance.concurrency))
    settle()
    told = instance.app.amqp.queues
    told.select(queues.served(told.consume_from))


@worker_process_init.connect
def _prepare(**_: Any) -> None:
    """In each of the worker's child processes."""
    die_with_parent()
    box.settle()
    share_memory()
    setup_logging(worker_settings().log_level, service="worker")
    context.warm_up()


@worker_ready.connect
def _announce(sender: Any, **_: Any) -> None:
    refuse_restarts()
    say_ready()
    settings = worker_settings()
    Presence.of(settings, sender).start()
    if settings.worker_metrics_port is not None:
        start_http_server(settings.worker_metrics_port, registry=metrics.machine(settings))


@worker_shutting_down.connect
def _take_leave(**_: Any) -> None:
    Presence.leave()


@app.task(name=PLAN, bind=True, max_retries=None)
def plan(task: Any, order: dict[str, Any]) -> None:
    """Looks at the source and writes its plan, has its chunks made by whoever is free; for a viewer, begins itself."""
    _attempt(task, Order.of(order), "plan", _plan)


def _plan(order: Order, lease: Lease) -> None:
    with context.workshop().precedence.held(Urgency.VIEWER if order.viewer else Urgency.BATCH):
        planned = segments.plan(order, alive=lease.alive)
    made = planned.plan
    if planned.complete:
        _queue_pictures(order, made, storyboard_too=made.encodes)  # else the commit has it made
        queue(COMMIT, order, "commit")
        return
    chunks = made.chunks()
    # For a viewer, the opening is this task's, and the next one's.
    missing = [number for number in range(int(order.viewer), len(chunks)) if planned.misses(chunks[number])]
    context.workshop().progress.divide(order.job, order.epoch, missing)
    _queue_next(order, made, by="plan")
    if order.viewer:
        first, last = chunks[0].first, chunks[0].last
        if segments.make(order, Chunk(first, first + 1), task="plan", urgency=Urgency.VIEWER, alive=lease.alive):
            queue(COMMIT, order, "commit")
        else:
            queue(AHEAD, order, "ahead:0", first, last, ALONE)
    _queue_pictures(order, made, storyboard_too=made.encodes)


@app.task(name=PREVIEW, bind=True, max_retries=0)
def preview(task: Any, order: dict[str, Any], ask: str, live: bool, yielding: bool = True) -> None:
    """Works out what a job would do, and tells whoever asked. For a viewer's segment it makes room, but only once."""
    shop = context.workshop()
    preempted = partial(_somebody_waits, task) if yielding else None
    lease = lease_of(task, shop, Order.of(order), stands_alone=True, preempted=preempted)
    try:
        with lease, shop.precedence.held(Urgency.AHEAD):
            previews.answer(shop.redis, ask, segments.preview(Order.of(order), live=live, alive=lease.alive))
    except Preempted:
        queue(PREVIEW, Order.of(order), "preview", ask, live, False, to=HIGH)
    except Exception as error:
        if not isinstance(error, MamError):
            log.exception("preview failed", extra={"video": order["video"]})
        previews.answer(shop.redis, ask, error if isinstance(error, MamError) else MamError(type(error).__name__))


@app.task(name=MAKE, bind=True, max_retries=None)
def make(task: Any, order: dict[str, Any], number: int, window: int = ALONE) -> None:
    """Makes a chunk of the plan, and has the job's next one queued, behind those of other jobs: so they take turns.

    The one who makes a job's last segment queues the commit. `window`: for workers of an earlier version.
    """
    _attempt(task, Order.of(order), f"make:{number}", partial(_make, number=number), pace=Urgency.BATCH)


def _make(order: Order, lease: Lease, *, number: int) -> None:
    shop = context.workshop()
    made, _ = shop.open(order)
    if segments.make(order, made.chunks()[number], task=f"make:{number}", urgency=Urgency.BATCH, alive=lease.alive):
        queue(COMMIT, order, "commit")
    _queue_next(order, made, by=str(number))


@app.task(name=SEEK, bind=True, max_retries=None)
def seek(task: Any, order: dict[str, Any], number: int) -> None:
    """Makes one segment before anything else: a viewer waits for it."""
    _attempt(task, Order.of(order), f"seek:{number}", partial(_seek, number=number))


def _seek(order: Order, lease: Lease, *, number: int) -> None:
    if segments.make(
        order, Chunk(number, number + 1), task=f"seek:{number}", urgency=Urgency.VIEWER, alive=lease.alive
    ):
        queue(COMMIT, order, "commit")


@app.task(name=AHEAD, bind=True, max_retries=None)
def ahead(task: Any, order: dict[str, Any], first: int, last: int, window: int = 0) -> None:
    """Makes what a viewer will ask for next, unless somebody waits for something: then it makes room at once.

    `window`: not 0 for a plan's opening, which must not be left out.
    """
    body = partial(_ahead, chunk=Chunk(first, last), opening=bool(window))
    _attempt(
        task, Order.of(order), f"ahead:{first}", body, preempted=partial(_somebody_waits, task), pace=Urgency.AHEAD
    )


def _ahead(order: Order, lease: Lease, *, chunk: Chunk, opening: bool) -> None:
    shop = context.workshop()
    taken = shop.viewers.take_ahead(order.job, list(chunk))
    try:
        if taken:
            mine = Chunk(taken[0], taken[-1] + 1)
            if segments.make(order, mine, task=f"ahead:{chunk.first}", urgency=Urgency.AHEAD, alive=lease.alive):
                queue(COMMIT, order, "commit")
    finally:
        made = shop.progress.is_made(order.job, chunk)
        left = [number for number, done in zip(chunk, made, strict=True) if not done]
        shop.viewers.drop_seek(order.job, [number for number in left if number in taken])
        if opening and left:
            _queue_chunk(order, shop.open(order)[0], 0)


@app.task(name=COMMIT, bind=True, max_retries=None)
def commit(task: Any, order: dict[str, Any]) -> None:
    """Verifies that everything is there, and makes the video live."""
    _attempt(task, Order.of(order), "commit", _commit)


def _commit(order: Order, _: Lease) -> None:
    made = context.workshop().plan(order)
    if not made.encodes:
        _queue_pictures(order, made, poster_too=False)  # before the job ends: a task of one that has is not run again
    missing = publishing.commit(order, made)
    if missing:
        chunks = made.chunks()
        for number, chunk in enumerate(chunks):
            if not set(missing).isdisjoint(chunk):
                _queue_chunk(order, made, number)


@app.task(name=POSTER, bind=True, max_retries=None)
def poster(task: Any, order: dict[str, Any]) -> None:
    """Makes the video's poster; for a viewer's segment it makes room at once."""
    _picture(task, Order.of(order), "poster", Urgency.AHEAD, preempted=partial(_somebody_waits, task))


@app.task(name=STORYBOARD, bind=True, max_retries=None)
def storyboard(task: Any, order: dict[str, Any]) -> None:
    """Makes the video's storyboard."""
    _picture(task, Order.of(order), "storyboard", Urgency.BATCH)


def _queue_pictures(order: Order, made: Plan, *, poster_too: bool = True, storyboard_too: bool = True) -> None:
    """Where all is copied the storyboard follows the commit: by itself it may take as long as the rest of the job."""
    if made.video_track is None:
        return
    if poster_too:
        queue(POSTER, order, "poster")
    if storyboard_too:
        priority = context.workshop().jobs.priority(order.job)
        queue(STORYBOARD, order, "storyboard", to=queues.pictures(priority.queue))


def _picture(
    task: Any, order: Order, name: str, urgency: Urgency, *, preempted: Callable[[], bool] | None = None
) -> None:
    """One try of a task that makes pictures. They are an extra: whatever happens, the job is none the worse for it."""
    shop = context.workshop()
    make_it = thumbnails.make_poster if name == "poster" else thumbnails.make_storyboard
    fields = {"video": order.video, "revision": order.job, "task": name}
    started, outcome = time.monotonic(), "done"
    lease = lease_of(task, shop, order, extra=True, preempted=preempted, each_look=shop.pacer(urgency))
    try:
        count = shop.progress.attempt_picture(
            order.job, order.epoch, name, context.this_worker(), parent=str(task.request.hostname or "")
        )
        if count > MAX_ATTEMPTS:
            raise PoisonedChunk(f"The task {name!r} ended its worker {MAX_ATTEMPTS} times.")
        with lease, shop.precedence.held(urgency):
            shop.precedence.give_way(urgency)
            make_it(order, alive=lease.alive)
        log.info("task done", extra={**fields, "seconds": round(time.monotonic() - started, 3)})
    except Preempted:
        outcome = "preempted"
        queue(POSTER, order, name, to=_place(shop.jobs.priority(order.job).queue))
    except Superseded:
        outcome = "stopped"
        log.info("task stopped", extra=fields)
    except Exception as error:
        delay = retry_delay(error, task.request.retries, shop.settings.task_lease_seconds)
        outcome = "failed" if delay is None else "retried"
        detail = error.detail if isinstance(error, MamError) else type(error).__name__
        log.warning("no picture made", extra={**fields, "detail": detail, "retried": delay is not None})
        if delay is not None:
            raise task.retry(exc=error, countdown=delay) from error
        if not isinstance(error, MamError):
            log.exception("task failed", extra=fields)
    finally:
        account(shop, order, name, outcome, time.monotonic() - started)


@app.task(name=DISCARD, bind=True, max_retries=None)
def discard(task: Any, order: dict[str, Any]) -> None:
    """Removes what a failed or cancelled job left, once nobody is at it any more."""
    shop, job = context.workshop(), Order.of(order)
    try:
        with suppress(JobNotFound):  # so may its leftovers be removed
            state = shop.jobs.get(job.job)
            if state.epoch != job.epoch or not state.state.is_final:
                return  # it goes on
            if state.running and task.request.retries < DISCARD_TRIES:
                raise task.retry(countdown=DISCARD_SECONDS)
        if publishing.discard(job):  # it was committed in the moment that it was cancelled
            quietly(Known(shop.redis).found, {str(job.asset): Record(video=job.video, live=job.job)})
    except Exception as error:
        delay = retry_delay(error, task.request.retries, shop.settings.task_lease_seconds)
        if delay is None:
            raise
        raise task.retry(exc=error, countdown=delay) from error
    redis_adapter.invalidate_playlist_cache(job.video)


def _queue_next(order: Order, made: Plan, *, by: str) -> None:
    """Queues as many of the job's chunks as there is room for. `by`: the chunk that is done, or `plan`."""
    shop, chunks = context.workshop(), made.chunks()
    window = _window(shop.jobs.priority(order.job).queue)
    for number in shop.progress.next_chunks(order.job, order.epoch, by, window):
        if number < len(chunks):
            _queue_chunk(order, made, number)


def _queue_chunk(order: Order, made: Plan, number: int) -> None:
    """Queues a chunk by the job's priority as it is now, and by what it takes."""
    to = context.workshop().jobs.priority(order.job).queue
    queue(MAKE, order, f"make:{number}", number, ALONE, to=_place(to) if made.is_short else to)


def _place(to: str) -> str:
    """Where a short task of that queue is to wait."""
    state = context.workshop().redis
    served = {name for worker in Presence.all(state) for name in worker.queues}
    with app.pool.acquire(block=True) as connection:
        return queues.place(connection.default_channel.client, state, to, served)


def _window(to: str) -> int:
    """How many chunks of one job are queued or under way at a time. `to`: the queue that they wait in."""
    slots = sum(worker.slots for worker in Presence.all(context.workshop().redis) if to in worker.queues)
    return max(LEAST_WINDOW, ceil(WINDOW_PER_SLOT * slots))


def _somebody_waits(task: Any) -> bool:
    """Whether a viewer's segment waits for a worker: it goes before what a viewer may ask for next."""
    with task.app.pool.acquire(block=True) as connection:
        return bool(connection.default_channel.client.llen(INTERACTIVE))


def _attempt(
    task: Any,
    order: Order,
    name: str,
    work: Callable[[Order, Lease], None],
    *,
    preempted: Callable[[], bool] | None = None,
    pace: Urgency = Urgency.VIEWER,
) -> None:
    """One try of a task: does its work while the job is this order's to work on.

    What may pass is tried again a little later, a few times; what will not fails the job with its reason. `preempted`
    and `pace` say what it makes room for: what waits in a queue, and what is more urgent on the same machine.
    """
    shop = context.workshop()
    fields = {"video": order.video, "revision": order.job, "task": name}
    started = time.monotonic()
    outcome = "done"
    lease = lease_of(
        task, shop, order, preempted=preempted, each_look=None if pace is Urgency.VIEWER else shop.pacer(pace)
    )
    try:
        parent = str(task.request.hostname or "")
        count = shop.progress.attempt(order.job, order.epoch, name, context.this_worker(), parent=parent)
        if count is None:
            raise Superseded("The job has ended, or was taken over, before the task began.")
        if count > MAX_ATTEMPTS:
            raise PoisonedChunk(f"The task {name!r} ended its worker {MAX_ATTEMPTS} times without getting on.")
        with lease:
            work(order, lease)
        log.info("task done", extra={**fields, "seconds": round(time.monotonic() - started, 3)})
    except Preempted:
        outcome = "preempted"
    except Superseded:
        outcome = "stopped"
        log.info("task stopped", extra=fields)
    except Exception as error:
        delay = retry_delay(error, task.request.retries, shop.settings.task_lease_seconds)
        outcome = "failed" if delay is None else "retried"
        if isinstance(error, EncoderFailed):
            quietly(shop.counters.count, "ffmpeg_failures", error.code)
        if delay is not None:
            detail = error.detail if isinstance(error, MamError) else type(error).__name__
            log.warning("task retried", extra={**fields, "detail": detail})
            quietly(shop.progress.troubled, order.job, order.epoch, detail)
            raise task.retry(exc=error, countdown=delay) from error
        _failed(order, error, fields)
    finally:
        account(shop, order, name, outcome, time.monotonic() - started)


def _failed(order: Order, error: Exception, fields: dict[str, str]) -> None:
    """Ends the job; leaves nothing behind when asking again cannot help."""
    if isinstance(error, SourceChanged):
        with suppress(MamError):  # then the change itself is the failure
            _start_over(order, order.wanted)
            return
    if isinstance(error, Undecodable) and order.wanted.profile is Profile.AUTO and not order.recoded:
        log.warning("a copy cannot be decoded", extra={**fields, "detail": error.detail})
        with suppress(MamError):
            _start_over(order, replace(order.wanted, recoded=True))
            return
    if not isinstance(error, MamError):
        log.exception("task failed", extra=fields)
        error = MamError(f"The task {fields['task']!r} ended with {type(error).__name__}.")
    _fail(order, error, fields)


def _start_over(order: Order, wanted: Wanted) -> None:
    """Has the source converted as it is now, in a revision of its own. Raises MamError when it cannot be."""
    shop = context.workshop()
    for_viewers = not (order.keyed_at or shop.jobs.keyed_at(order.job))
    conversion = shop.conversions.request(order.asset, wanted, viewer=for_viewers, callback=order.callback)
    log.info("conversion starts over", extra={"video": order.video, "revision": order.job, "successor": conversion.job})
    if conversion.order:
        queue(PLAN, conversion.order, "plan")
    if conversion.job != order.job and shop.jobs.replace(order.job, order.epoch, conversion.job):
        redis_adapter.invalidate_playlist_cache(order.video)
        queue(DISCARD, order, "discard")


def _fail(order: Order, error: MamError, fields: dict[str, str]) -> None:
    log.error("job failed", extra={**fields, "code": error.code, "detail": error.detail})
    failed = context.workshop().jobs.fail(order.job, order.epoch, error)
    redis_adapter.invalidate_playlist_cache(order.video)  # its playlist may be out, made from the plan
    if failed and isinstance(error, MediaError | NotFound):
        queue(DISCARD, order, "discard")
