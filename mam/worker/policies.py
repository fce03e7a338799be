"""What a task's failure means: a needed task fails its job; a picture task only writes a log line."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace

import redis_adapter
from mam.errors import EncoderFailed, MamError, MediaError, NotFound, SourceChanged, Undecodable
from mam.hls.recipe import Wanted
from mam.jobs.dispatch import DISCARD, PLAN, POSTER, queue
from mam.worker.context import this_worker
from mam.worker.queueing import place
from mam.worker.retries import quietly
from mam.worker.runner import Policy, Run

log = logging.getLogger(__name__)


class Needed(Policy):
    """For the tasks that make the stream: an error that is not retried fails the job with its reason."""

    def count(self, run: Run) -> int | None:
        order, worker = run.order, this_worker()
        return run.context.progress.attempt(order.job, order.epoch, run.name, worker, parent=run.parent)

    def poisoned(self, name: str, times: int) -> str:
        return f"The task {name!r} ended its worker {times} times without getting on."

    def preempted(self, run: Run) -> None:
        """The remaining segments are made when a viewer asks for them, or with their chunk."""

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
    """For the tasks that make pictures: their failure does not affect the job."""

    is_extra = True

    def count(self, run: Run) -> int | None:
        order, worker = run.order, this_worker()
        return run.context.progress.attempt_picture(order.job, order.epoch, run.name, worker, parent=run.parent)

    def poisoned(self, name: str, times: int) -> str:
        return f"The task {name!r} ended its worker {times} times."

    def preempted(self, run: Run) -> None:
        """Queues the poster again: it is the only such task that yields."""
        queue(POSTER, run.order, run.name, queue_name=place(run.context.jobs.priority(run.order.job).queue))

    def failed(self, run: Run, error: Exception, *, is_retried: bool) -> None:
        detail = error.detail if isinstance(error, MamError) else type(error).__name__
        log.warning("no picture made", extra={**run.fields, "detail": detail, "retried": is_retried})
        if not is_retried and not isinstance(error, MamError):
            log.exception("task failed", extra=run.fields)


def _end_job(run: Run, error: Exception) -> None:
    """Fails the job, or starts over where that can help: with the changed source, or encoding instead of copying."""
    order = run.order
    if isinstance(error, SourceChanged):
        with suppress(MamError):  # where it cannot start over, the job fails with SourceChanged
            _start_over(run, order.recipe.wanted)
            return
    if isinstance(error, Undecodable) and order.recipe.wanted.profile.chooses and not order.recipe.recoded:
        log.warning("a copy cannot be decoded", extra={**run.fields, "detail": error.detail})
        with suppress(MamError):
            _start_over(run, replace(order.recipe.wanted, recoded=True))
            return
    if not isinstance(error, MamError):
        log.exception("task failed", extra=run.fields)
        error = MamError(f"The task {run.name!r} ended with {type(error).__name__}.")
    _fail(run, error)


def _start_over(run: Run, wanted: Wanted) -> None:
    """Converts the source as it is now, in a new revision. Raises MamError when that is impossible."""
    context, order = run.context, run.order
    for_viewers = not (order.keyed_at or context.jobs.keyed_at(order.job))
    conversion = context.conversions.request(order.asset, wanted, viewer=for_viewers, callback=order.callback)
    log.info("conversion starts over", extra={"video": order.video, "revision": order.job, "successor": conversion.job})
    if conversion.order:
        queue(PLAN, conversion.order, "plan")
    if conversion.job == order.job:
        return
    # The playlists of the replaced job are invalidated before clients hear of it: they ask for a new one at once.
    redis_adapter.invalidate_playlist_cache(order.video)
    if context.jobs.replace(order.job, order.epoch, conversion.job):
        redis_adapter.invalidate_playlist_cache(order.video)  # one may have been cached meanwhile
        queue(DISCARD, order, "discard")


def _fail(run: Run, error: MamError) -> None:
    """Fails the job, and discards its output where a retry cannot help."""
    order = run.order
    log.error("job failed", extra={**run.fields, "code": error.code, "detail": error.detail})
    failed = run.context.jobs.fail(order.job, order.epoch, error)
    redis_adapter.invalidate_playlist_cache(order.video)  # a playlist made from the plan may have been given out
    if failed and isinstance(error, MediaError | NotFound):
        queue(DISCARD, order, "discard")
