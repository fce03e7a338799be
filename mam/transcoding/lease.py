"""Keeps a running task its worker's own: Celery on Redis gives a task to another when its lease runs out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

RENEW_SECONDS = 3


class Lease:
    """Call it whenever work advances. A task that hangs is not renewed, and is run again elsewhere.

    `also` is called with each renewal, and may raise to stop the work.
    """

    def __init__(self, task: Any, also: Callable[[], None]) -> None:
        self._task = task
        self._also = also
        self._last = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._last < RENEW_SECONDS:
            return
        self._last = now
        self._renew()
        self._also()

    def _renew(self) -> None:
        """Sets the delivery's age in the transport's index of unacknowledged messages back to zero."""
        tag = (self._task.request.properties or {}).get("delivery_tag")
        if tag is None:  # called directly, not by a worker
            return
        with self._task.app.pool.acquire(block=True) as connection:
            channel = connection.default_channel
            channel.client.zadd(channel.unacked_index_key, {tag: time.time()}, xx=True)
