"""One try of a task of a job: it is counted, done under a lease, and tried again or given up by its kind's policy."""

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
    """One try. `task`: as Celery knows it; `name`: as the job's state does, such as `make:3`."""

    task: Any
    context: WorkerContext
    order: Order
    name: str

    @property
    def fields(self) -> dict[str, str]:
        """What each of its log lines says."""
        return {"video": self.order.video, "revision": self.order.job, "task": self.name}

    @property
    def parent(self) -> str:
        """What the worker is called whose process runs the task."""
        return str(self.task.request.hostname or "")


class Policy(ABC):
    """What differs between kinds of tasks: when one may start, and what follows when it does not end well."""

    is_extra: ClassVar[bool] = False  # the task goes on though its job has succeeded

    def start(self, run: Run) -> None:
        """Counts the start. Raises Superseded when the job is no longer the order's, PoisonedChunk after too many."""
        count = self.count(run)
        if count is None:
            raise Superseded("The job has ended, or was taken over, before the task began.")
        if count > MAX_ATTEMPTS:
            raise PoisonedChunk(self.poisoned(run.name, MAX_ATTEMPTS))

    @abstractmethod
    def count(self, run: Run) -> int | None:
        """How often the task was started since it last got on; None when the job is no longer the order's."""

    @abstractmethod
    def poisoned(self, name: str, times: int) -> str:
        """What is said of a task that ended its worker so often."""

    @abstractmethod
    def preempted(self, run: Run) -> None:
        """The task has made room for something more urgent."""

    @abstractmethod
    def failed(self, run: Run, error: Exception, *, is_retried: bool) -> None:
        """The task has failed, and is tried again or not. Called while the error is handled."""


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
    """Does a task's work while the job is the order's to work on.

    What may pass is tried again a little later, a few times. `preempted` and `pace` say what the task makes room for:
    what waits in a queue, and what is more urgent on the same machine.
    """
    context = worker_context()
    run = Run(task, context, order, name)
    started, outcome = time.monotonic(), "done"
    each_look = None if pace is Urgency.VIEWER else context.pacer(pace)
    lease = lease_of(task, context, order, extra=policy.is_extra, preempted=preempted, each_look=each_look)
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
