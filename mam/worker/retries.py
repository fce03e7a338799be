"""What each try of a task needs: its hold on the job, when it is tried again, and what the metrics are told of it."""

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

RETRY_SECONDS = (1, 3, 9)  # before each further try of what may succeed a little later
OUTAGE_TRIES = 360  # while the store or Redis is away: an hour with the default lease
OUTAGE_LEASES = 3  # the longest wait between them is a third of a lease: longer, and Celery takes the task for lost
STALL_MARGIN = 10  # seconds after which a task is left to another worker, when ffmpeg's own watchdog did not help


def lease_of(
    task: Any, context: WorkerContext, order: Order, *, stands_alone: bool = False, extra: bool = False, **more: Any
) -> Lease:
    """`stands_alone`: the task belongs to no job; `extra`: to what a job made, which may have succeeded."""
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
    """Seconds after which the task is tried again; None when it is not. An outage ends, a broken file stays so."""
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
    quietly(context.counters.count, "task_seconds", kind, by=seconds, host=host)


def quietly(call: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """What the state shows besides: without Redis it is not shown, and nothing is lost."""
    with suppress(redis.RedisError):
        call(*arguments, **options)
