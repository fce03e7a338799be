"""A task's hold on its job and on its message, kept by a thread beside the work.

Celery on Redis gives a task to another worker when its lease runs out: a task that gets on renews it. A job may be
cancelled or taken over at any moment: then the work is to end within a fraction of a second, also in the middle of an
ffmpeg that says nothing.
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

LOOK_SECONDS = 0.25  # between looks at the job
PREEMPT_SECONDS = 0.02  # between looks at who else waits
RENEWALS = 6  # in the time of one lease

log = logging.getLogger(__name__)


class Preempted(Exception):
    """Something more urgent waits for this worker; what is left goes to another worker."""


class Lease:
    """Keeps a task while it gets on. A context manager, made in the task's own thread; call `alive` whenever the work
    has advanced.

    `is_ours`: whether the job is still to be worked on. `touch`: a sign of life, with each renewal. `interrupt`: ends
    what blocks the work; called until that has ended. `stall_seconds`: without getting on for so long, the task is left
    to another worker. `preempted`: whether the work is to make room; `each_look`: called every `PREEMPT_SECONDS`.
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
        each_look: Callable[[], None] | None = None,
    ) -> None:
        self._app = task.app
        # Celery knows a task's request in the task's own thread alone: read here, not by the thread that renews.
        self._tag: str | None = (task.request.properties or {}).get("delivery_tag")
        self._renew_seconds = seconds / RENEWALS
        self._stall_seconds = stall_seconds
        self._is_ours = is_ours
        self._touch = touch
        self._interrupt = interrupt
        self._preempted = preempted
        self._each_look = each_look
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
            raise self._reason from error  # what was interrupted fails somehow; this is why

    def alive(self) -> None:
        """The work has advanced. Raises Superseded or Preempted when it is to end."""
        self._moved = time.monotonic()
        if self._reason is not None:
            raise self._reason

    def _keep(self) -> None:
        renewed = looked = time.monotonic()
        quick = self._preempted is not None or self._each_look is not None
        while not self._over.wait(PREEMPT_SECONDS if quick else LOOK_SECONDS):
            now = time.monotonic()
            try:
                if self._each_look:
                    self._each_look()
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
                log.debug("lease not looked at", extra={"error": type(error).__name__})  # the next look may
            except Exception as error:  # noqa: BLE001 - without this thread the task would be done twice
                FAILURES.failed("lease", error)

    def _end(self, reason: Exception) -> None:
        self._reason = reason
        self._interrupt()
        while not self._over.wait(PREEMPT_SECONDS):
            self._interrupt()  # again: an ffmpeg may be started only now

    def _renew(self) -> None:
        """Sets the delivery's age in the transport's index of unacknowledged messages back to zero."""
        if self._tag is None:  # called directly, not by a worker
            return
        with self._app.pool.acquire(block=True) as connection:
            channel = connection.default_channel
            channel.client.zadd(channel.unacked_index_key, {self._tag: time.time()}, xx=True)
