"""What a failed task means: for a job that needs it, the job's end; for the job's pictures, a line in the log."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace

import redis_adapter
from mam.errors import EncoderFailed, MamError, MediaError, NotFound, SourceChanged, Undecodable
from mam.hls.recipe import Profile, Wanted
from mam.jobs.dispatch import DISCARD, PLAN, POSTER, queue
from mam.worker.context import this_worker
from mam.worker.queueing import place
from mam.worker.retries import quietly
from mam.worker.runner import Policy, Run

log = logging.getLogger(__name__)


class Needed(Policy):
    """Of the tasks that make what is played: what is not tried again fails the job with its reason."""

    def count(self, run: Run) -> int | None:
        order, worker = run.order, this_worker()
        return run.context.progress.attempt(order.job, order.epoch, run.name, worker, parent=run.parent)

    def poisoned(self, name: str, times: int) -> str:
        return f"The task {name!r} ended its worker {times} times without getting on."

    def preempted(self, run: Run) -> None:
        """What is left is made when a viewer asks for it, or with its chunk."""

    def failed(self, run: Run, error: Exception, *, is_retried: bool) -> None:
        if isinstance(error, EncoderFailed):
            quietly(run.context.counters.count, "ffmpeg_failures", error.code)
        if not is_retried:
            _end_job(run, error)
            return
        detail = error.detail if isinstance(error, MamError) else type(error).__name__
        log.warning("task retried", extra={**run.fields, "detail": detail})
        quietly(run.context.progress.troubled, run.order.job, run.order.epoch, detail)


class Extra(Policy):
    """Of the tasks that make pictures: whatever happens to them, the job is none the worse for it."""

    is_extra = True

    def count(self, run: Run) -> int | None:
        order, worker = run.order, this_worker()
        return run.context.progress.attempt_picture(order.job, order.epoch, run.name, worker, parent=run.parent)

    def poisoned(self, name: str, times: int) -> str:
        return f"The task {name!r} ended its worker {times} times."

    def preempted(self, run: Run) -> None:
        """The poster, the only one that makes room, is queued again."""
        queue(POSTER, run.order, run.name, to=place(run.context.jobs.priority(run.order.job).queue))

    def failed(self, run: Run, error: Exception, *, is_retried: bool) -> None:
        detail = error.detail if isinstance(error, MamError) else type(error).__name__
        log.warning("no picture made", extra={**run.fields, "detail": detail, "retried": is_retried})
        if not is_retried and not isinstance(error, MamError):
            log.exception("task failed", extra=run.fields)


def _end_job(run: Run, error: Exception) -> None:
    """Ends the job; leaves nothing behind when asking again cannot help."""
    order = run.order
    if isinstance(error, SourceChanged):
        with suppress(MamError):  # then the change itself is the failure
            _start_over(run, order.recipe.wanted)
            return
    if isinstance(error, Undecodable) and order.recipe.wanted.profile is Profile.AUTO and not order.recipe.recoded:
        log.warning("a copy cannot be decoded", extra={**run.fields, "detail": error.detail})
        with suppress(MamError):
            _start_over(run, replace(order.recipe.wanted, recoded=True))
            return
    if not isinstance(error, MamError):
        log.exception("task failed", extra=run.fields)
        error = MamError(f"The task {run.name!r} ended with {type(error).__name__}.")
    _fail(run, error)


def _start_over(run: Run, wanted: Wanted) -> None:
    """Has the source converted as it is now, in a revision of its own. Raises MamError when it cannot be."""
    context, order = run.context, run.order
    for_viewers = not (order.keyed_at or context.jobs.keyed_at(order.job))
    conversion = context.conversions.request(order.asset, wanted, viewer=for_viewers, callback=order.callback)
    log.info("conversion starts over", extra={"video": order.video, "revision": order.job, "successor": conversion.job})
    if conversion.order:
        queue(PLAN, conversion.order, "plan")
    if conversion.job != order.job and context.jobs.replace(order.job, order.epoch, conversion.job):
        redis_adapter.invalidate_playlist_cache(order.video)
        queue(DISCARD, order, "discard")


def _fail(run: Run, error: MamError) -> None:
    order = run.order
    log.error("job failed", extra={**run.fields, "code": error.code, "detail": error.detail})
    failed = run.context.jobs.fail(order.job, order.epoch, error)
    redis_adapter.invalidate_playlist_cache(order.video)  # its playlist may be out, made from the plan
    if failed and isinstance(error, MediaError | NotFound):
        queue(DISCARD, order, "discard")
