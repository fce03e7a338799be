"""The tasks that workers run: plan a job, make a chunk of it, commit it. Each may run twice, or be killed anywhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_ready

import redis_adapter
from mam.errors import MamError, MediaError, PoisonedChunk, Superseded, Unavailable
from mam.hls.plan import Chunk
from mam.http.logging import setup_logging
from mam.processes import die_with_parent
from mam.settings import Settings
from mam.transcoding.conversions import Order
from mam.transcoding.jobs import MAX_ATTEMPTS
from mam.transcoding.lease import Lease
from mam.transcoding.worker import say_ready, share_memory

app = Celery("mam")
app.config_from_object("mam.transcoding.celeryconfig")

INTERACTIVE = "interactive"  # the queue of viewers
RETRY_SECONDS = (1, 3, 9)  # before each further try of what may succeed a little later

log = logging.getLogger(__name__)


@worker_process_init.connect
def _prepare(**_: Any) -> None:
    """In each of the worker's child processes: imports what is slow, so that the first task is not."""
    die_with_parent()
    share_memory()
    setup_logging(Settings().log_level, service="worker")
    from mam.transcoding import work

    work.warm_up()


@worker_ready.connect
def _announce(**_: Any) -> None:
    say_ready()


@app.task(name="mam.plan", bind=True, max_retries=None)
def plan(task: Any, order: dict[str, Any]) -> None:
    """Looks at the source and writes its plan, has its chunks made by whoever is free, and makes the opening itself."""
    from mam.transcoding import work

    with _attempt(task, Order(**order), "plan") as job:
        if job is None:
            return
        planned = work.plan(job, alive=_lease(task, job))
        for chunk in planned.chunks:
            make.delay(order, chunk.first, chunk.last)
        if planned.complete or work.make(job, planned.opening, urgent=True, alive=_lease(task, job)):
            commit.delay(order)


@app.task(name="mam.make", bind=True, max_retries=None)
def make(task: Any, order: dict[str, Any], first: int, last: int) -> None:
    """Makes segments `first` to `last - 1`; the one who makes a job's last segment queues the commit."""
    _make(task, order, f"make:{first}", Chunk(first, last), urgent=False)


@app.task(name="mam.seek", bind=True, max_retries=None)
def seek(task: Any, order: dict[str, Any], first: int, last: int) -> None:
    """Makes segments `first` to `last - 1`, in this order and before anything else: a viewer waits for the first."""
    _make(task, order, f"seek:{first}", Chunk(first, last), urgent=True)


def _make(task: Any, order: dict[str, Any], name: str, chunk: Chunk, *, urgent: bool) -> None:
    from mam.transcoding import work

    with _attempt(task, Order(**order), name) as job:
        if job is None:
            return
        enough = partial(_others_wait, task) if urgent else lambda: False
        if work.make(job, chunk, urgent=urgent, alive=_lease(task, job), enough=enough):
            commit.delay(order)


def _others_wait(task: Any) -> bool:
    """Whether another viewer's segment waits for a worker: it goes before what a viewer may ask for next."""
    with task.app.pool.acquire(block=True) as connection:
        return bool(connection.default_channel.client.llen(INTERACTIVE))


@app.task(name="mam.commit", bind=True, max_retries=None)
def commit(task: Any, order: dict[str, Any]) -> None:
    """Verifies that everything is there, and makes the video live."""
    from mam.transcoding import work

    with _attempt(task, Order(**order), "commit") as job:
        if job is not None:
            for chunk in work.commit(job):
                make.delay(order, chunk.first, chunk.last)


def _lease(task: Any, order: Order) -> Callable[[], None]:
    from mam.transcoding import work

    def still_ours() -> None:
        shop = work.workshop()
        idle = shop.settings.stop_idle_minutes
        if idle and shop.jobs.is_idle(order.job, idle):
            shop.jobs.cancel(order.job, order.epoch)
        if not shop.jobs.touch(order.job, order.epoch):
            raise Superseded("The job was cancelled or taken over.")

    return Lease(task, still_ours)


@contextmanager
def _attempt(task: Any, order: Order, name: str) -> Iterator[Order | None]:
    """One try of a task: yields its order, or None when the job is no longer this order's to work on.

    What may pass is tried again a little later, a few times; what will not fails the job with its reason.
    """
    from mam.transcoding import work

    jobs = work.workshop().jobs
    fields = {"video": order.video, "revision": order.job, "task": name}
    started = time.monotonic()
    try:
        count = jobs.attempt(order.job, order.epoch, name)
        if count is None:
            log.info("task dropped", extra=fields)
            yield None
            return
        if count > MAX_ATTEMPTS + len(RETRY_SECONDS):
            raise PoisonedChunk(f"The task {name!r} did not survive {count - 1} attempts.")
        yield order
        log.info("task done", extra={**fields, "seconds": round(time.monotonic() - started, 3)})
    except Superseded:
        log.info("task stopped", extra=fields)
    except MamError as error:
        if error.retryable and task.request.retries < len(RETRY_SECONDS):
            log.warning("task retried", extra={**fields, "code": error.code, "detail": error.detail})
            raise task.retry(exc=error, countdown=RETRY_SECONDS[task.request.retries]) from error
        _fail(order, error, fields)
    except Exception as error:
        if work.is_outage(error) and task.request.retries < len(RETRY_SECONDS):
            raise task.retry(exc=error, countdown=RETRY_SECONDS[task.request.retries]) from error
        log.exception("task failed", extra=fields)
        _fail(order, MamError(f"The task {name!r} ended with {type(error).__name__}."), fields)


def _fail(order: Order, error: MamError, fields: dict[str, str]) -> None:
    """Ends the job, and leaves nothing behind when asking again cannot help."""
    from mam.transcoding import work

    log.error("job failed", extra={**fields, "code": error.code, "detail": error.detail})
    failed = work.workshop().jobs.fail(order.job, order.epoch, error)
    redis_adapter.invalidate_playlist_cache(order.video)  # its playlist may be out, made from the plan
    if failed and isinstance(error, MediaError):
        try:
            work.discard(order)
        except Unavailable:
            log.warning("leftovers not removed", extra=fields)
