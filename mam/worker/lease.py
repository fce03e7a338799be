"""A task's hold on its job and on its message, kept by a thread beside the work.

Celery on Redis gives a task to another worker when its lease runs out: a task that makes progress renews it. A job may
be cancelled or taken over at any moment: its work must then end within a fraction of a second, even while an ffmpeg
writes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import redis
from kombu.exceptions import KombuError

from mam.background import FAILURES
from mam.errors import Superseded

LOOK_SECONDS = 0.25  # The job's state is checked this often.
PREEMPT_SECONDS = 0.02  # The queues are checked for more urgent work this often.
RENEWALS = 6  # A lease is renewed this many times before it would run out.

log = logging.getLogger(__name__)


class Preempted(Exception):
    """A more urgent task waits for this worker; the rest of the work is done later."""


class Lease:
    """Holds a task while it makes progress. A context manager, created in the task's own thread; the task calls `alive`
    whenever it has advanced.

    `is_ours`: whether the job is still this task's. `touch`: a sign of life, called with each renewal. `interrupt`:
    ends what blocks the work; called until the work has ended. `stall_seconds`: after this long without progress the
    task is left to another worker. `preempted`: whether the work must yield; `pacer`: called every `PREEMPT_SECONDS`.
    """

    def __init__(
        self,
        task: Any,
        *,
        seconds: float,
        stall_seconds: float,
        is_ours: Callable[[], bool],
        touch: Callable[[], object],
        interrupt: Callable[[], None],
        preempted: Callable[[], bool] | None = None,
        pacer: Callable[[], None] | None = None,
    ) -> None:
        self._app = task.app
        # Celery knows a task's request only in the task's own thread: it is read here, not by the thread that renews.
        self._tag: str | None = (task.request.properties or {}).get("delivery_tag")
        self._renew_seconds = seconds / RENEWALS
        self._stall_seconds = stall_seconds
        self._is_ours = is_ours
        self._touch = touch
        self._interrupt = interrupt
        self._preempted = preempted
        self._pacer = pacer
        self._moved = time.monotonic()
        self._reason: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if error is not None and self._reason is not None and error is not self._reason:
            raise self._reason from error  # the interruption caused the error

    def alive(self) -> None:
        """Tells the lease that the work has advanced. Raises Superseded or Preempted when the work must end."""
        self._moved = time.monotonic()
        if self._reason is not None:
            raise self._reason

    def _keep(self) -> None:
        renewed = looked = time.monotonic()
        quick = self._preempted is not None or self._pacer is not None
        while not self._over.wait(PREEMPT_SECONDS if quick else LOOK_SECONDS):
            now = time.monotonic()
            try:
                if self._pacer:
                    self._pacer()
                if self._preempted and self._preempted():
                    self._end(Preempted())
                    return
                if now - looked >= LOOK_SECONDS:
                    looked = now
                    if not self._is_ours():
                        self._end(Superseded("The job was cancelled or taken over."))
                        return
                if now - renewed >= self._renew_seconds and now - self._moved < self._stall_seconds:
                    renewed = now
                    self._renew()
                    self._touch()
            except (redis.RedisError, KombuError, OSError) as error:
                log.debug("lease not looked at", extra={"error": type(error).__name__})  # the next look may succeed
            except Exception as error:  # noqa: BLE001 - without this thread the task would be done twice
                FAILURES.failed("lease", error)

    def _end(self, reason: Exception) -> None:
        self._reason = reason
        self._interrupt()
        while not self._over.wait(PREEMPT_SECONDS):
            self._interrupt()  # again: another ffmpeg may have started

    def _renew(self) -> None:
        """Resets the delivery's age in the transport's index of unacknowledged messages."""
        if self._tag is None:  # called directly, not by a worker
            return
        with self._app.pool.acquire(block=True) as connection:
            channel = connection.default_channel
            channel.client.zadd(channel.unacked_index_key, {self._tag: time.time()}, xx=True)
