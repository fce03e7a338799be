"""A task that takes as long as it is told to, for a worker that is started with `--include` of this module."""

from __future__ import annotations

import time
from typing import Any

from mam.jobs.order import Order
from mam.worker.context import worker_context
from mam.worker.retries import lease_of
from mam.worker.tasks import app

STARTS = "tests:starts:"  # and the task's name: how often it was begun
ENDED = "tests:ended:"
STEP_SECONDS = 0.1


@app.task(name="tests.slow", bind=True)
def slow(task: Any, order: dict[str, Any], name: str, seconds: float) -> None:
    """Works for so long under a lease, like any task of a job."""
    context = worker_context()
    context.redis.incr(STARTS + name)
    with lease_of(task, context, Order.of(order), stands_alone=True) as lease:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            lease.alive()
            time.sleep(STEP_SECONDS)
    context.redis.incr(ENDED + name)
