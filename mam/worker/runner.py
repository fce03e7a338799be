"""One attempt at a job's task: it is counted, runs under a lease, and is retried or given up by its policy."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from mam.errors import PoisonedChunk, Superseded
from mam.jobs.order import Order
from mam.jobs.progress import MAX_ATTEMPTS
from mam.worker.context import WorkerContext, worker_context
from mam.worker.lease import Lease, Preempted
from mam.worker.priority import Urgency
from mam.worker.retries import account, lease_of, retry_delay

log = logging.getLogger(__name__)

Work = Callable[[Order, Lease], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt. `task`: the Celery task; `name`: its name in the job's state, such as `make:3`."""

    task: Any
    context: WorkerContext
    order: Order
    name: str

    @property
    def fields(self) -> dict[str, str]:
        """The fields of its log lines."""
        fields = {"video": self.order.video, "revision": self.order.job, "task": self.name}
        return {**fields, "request": self.order.request} if self.order.request else fields

    @property
    def parent(self) -> str:
        """The name of the worker whose process runs the task."""
        return str(self.task.request.hostname or "")


class Policy(ABC):
    """What differs between kinds of tasks: when one may start, and what follows its failure."""

    is_extra: ClassVar[bool] = False  # the task may run after its job has succeeded

    def start(self, run: Run) -> None:
        """Counts the start. Raises Superseded when the job is no longer the order's, PoisonedChunk after too many."""
        count = self.count(run)
        if count is None:
            raise Superseded("The job has ended, or was taken over, before the task began.")
        if count > MAX_ATTEMPTS:
            raise PoisonedChunk(self.poisoned(run.name, MAX_ATTEMPTS))

    @abstractmethod
    def count(self, run: Run) -> int | None:
        """The task's starts since its last progress; None when the job is no longer the order's."""

    @abstractmethod
    def poisoned(self, name: str, times: int) -> str:
        """The error message for a task that ended its worker `times` times."""

    @abstractmethod
    def preempted(self, run: Run) -> None:
        """Called when the task has yielded to a more urgent one."""

    @abstractmethod
    def failed(self, run: Run, error: Exception, *, is_retried: bool) -> None:
        """Called in the handler of the error that the task failed with."""


def run_task(
    task: Any,
    order: Order,
    name: str,
    policy: Policy,
    work: Work,
    *,
    preempted: Callable[[], bool] | None = None,
    pace: Urgency = Urgency.VIEWER,
) -> None:
    """Runs a task's work while the job is the order's.

    A temporary failure is retried a few times, a little later. `preempted`: whether the task must yield to one that
    waits in a queue. `pace`: the task's urgency; its encoders pause while more urgent work runs on the same machine.
    """
    context = worker_context()
    run = Run(task, context, order, name)
    started, outcome = time.monotonic(), "done"
    pacer = None if pace is Urgency.VIEWER else context.pacer(pace)
    lease = lease_of(task, context, order, extra=policy.is_extra, preempted=preempted, pacer=pacer)
    try:
        policy.start(run)
        with lease:
            work(order, lease)
        log.info("task done", extra={**run.fields, "seconds": round(time.monotonic() - started, 3)})
    except Preempted:
        outcome = "preempted"
        policy.preempted(run)
    except Superseded:
        outcome = "stopped"
        log.info("task stopped", extra=run.fields)
    except Exception as error:
        delay = retry_delay(error, task.request.retries, context.settings.task_lease_seconds)
        outcome = "failed" if delay is None else "retried"
        policy.failed(run, error, is_retried=delay is not None)
        if delay is not None:
            raise task.retry(exc=error, countdown=delay) from error
    finally:
        account(context, order, name, outcome, time.monotonic() - started)
