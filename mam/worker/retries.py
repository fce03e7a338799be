"""What each attempt at a task needs: its lease, the delay before the next attempt, and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis

from mam.errors import MamError, Unavailable
from mam.jobs.order import Order
from mam.media import ffmpeg_process
from mam.worker.context import WorkerContext, is_outage, this_machine
from mam.worker.lease import Lease

RETRY_SECONDS = (1, 3, 9)  # A temporary failure is retried after these delays.
OUTAGE_TRIES = 360  # A task is retried this often while the store or Redis is away: an hour with the default lease.
OUTAGE_LEASES = 3  # Such retries wait at most a third of a lease: beyond a lease, Celery takes the task for lost.
STALL_MARGIN = 10  # A stalled task is left to another worker this many seconds after ffmpeg's own watchdog was due.


def lease_of(
    task: Any, context: WorkerContext, order: Order, *, stands_alone: bool = False, extra: bool = False, **more: Any
) -> Lease:
    """A task's lease. `stands_alone`: the task has no job; `extra`: it may run after its job has succeeded."""
    idle = context.settings.stop_idle_minutes

    def touch() -> None:
        if stands_alone or extra:
            return
        if idle and context.viewers.is_idle(order.job, idle):
            context.jobs.cancel(order.job, order.epoch)
        context.progress.touch(order.job, order.epoch)

    return Lease(
        task,
        seconds=context.settings.task_lease_seconds,
        stall_seconds=context.settings.encoder_stall_seconds + STALL_MARGIN,
        is_ours=lambda: (
            stands_alone or (context.jobs.keeps if extra else context.jobs.is_current)(order.job, order.epoch)
        ),
        touch=touch,
        interrupt=ffmpeg_process.interrupt,
        **more,
    )


def retry_delay(error: Exception, tries: int, lease: float) -> float | None:
    """Seconds until the task is retried; None for no retry. An outage ends, a broken file stays broken."""
    if isinstance(error, Unavailable) or is_outage(error):
        longest = lease / OUTAGE_LEASES
        return min(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)], longest) if tries < OUTAGE_TRIES else None
    if isinstance(error, MamError) and error.retryable and tries < len(RETRY_SECONDS):
        return RETRY_SECONDS[tries]
    return None


def account(context: WorkerContext, order: Order, name: str, outcome: str, seconds: float) -> None:
    """Notes that a task has ended, and counts it in the metrics."""
    kind, host = name.partition(":")[0], this_machine()
    quietly(context.progress.ended, order.job, name)
    quietly(context.counters.count, "tasks", kind, outcome, host=host)
    quietly(context.counters.count, "task_seconds", kind, amount=seconds, host=host)


def quietly(call: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Calls what only informs, such as a counter: an error of Redis is ignored."""
    with suppress(redis.RedisError):
        call(*arguments, **options)
