"""A circuit breaker: a dependency that hangs must not cost every request its time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

OPEN_SECONDS = 5.0  # A dependency that comes back is used again after at most so long.


class Contact:
    """When a dependency answered last, and how long that took. The breakers of all its clients may share one."""

    def __init__(self) -> None:
        self.answered_at = float("-inf")  # of the breakers' clock
        self.took = 0.0  # seconds


class Breaker:
    """Open while its dependency is silent: then it admits one caller every few seconds, and refuses the others.

    An answer of any kind closes it, to whichever client of the dependency, if it came as soon as this client needs it.
    Threads and coroutines may share it. A dependency that refuses connections does not open it, because that
    costs no time.
    """

    def __init__(
        self,
        contact: Contact | None = None,
        *,
        patience: float = math.inf,
        seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience`: for how many seconds the client waits for an answer; `seconds`: between two probes."""
        self._contact = contact or Contact()
        self._patience = patience
        self._seconds = seconds
        self._clock = clock
        self._opened_at = float("-inf")
        self._open_until: float | None = None
        self._prober: object = None
        self._turn = threading.Lock()  # It guards the three fields above while the breaker is open.

    @property
    def is_open(self) -> bool:
        return self._open_until is not None and not self._has_answered(self._opened_at)

    def admits(self, caller: object) -> bool:
        """Whether `caller` may ask. The caller that was admitted as a probe may go on until the probe has ended."""
        if self._open_until is None:
            return True
        with self._turn:
            if not self.is_open:
                self._open_until = self._prober = None
                return True
            if caller is self._prober:
                return True
            if self._clock() < self._open_until:
                return False
            self._prober = caller
            self._open_until = self._clock() + self._seconds  # The next probe starts then, if this one gets no answer.
            return True

    def answered(self, took: float = 0.0) -> None:
        """Records that the dependency has answered. `took`: after how many seconds."""
        self._contact.answered_at, self._contact.took = self._clock(), took

    def unanswered(self, since: float) -> None:
        """Records that a call, which started at `since` (of the clock), got no answer in its time.

        One lost connection is no outage: nothing changes when another call was answered meanwhile.
        """
        with self._turn:
            if not self._has_answered(since):
                self._opened_at = self._clock()
                self._open_until, self._prober = self._opened_at + self._seconds, None

    def _has_answered(self, since: float) -> bool:
        """Whether an answer has come after `since`, as soon as this client needs it."""
        return self._contact.answered_at > since and self._contact.took <= self._patience
