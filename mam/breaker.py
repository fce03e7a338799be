"""A circuit breaker: a dependency that hangs must not cost every request its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

OPEN_SECONDS = 5.0  # A dependency that comes back is used again after at most so long.


class Breaker:
    """Open while its dependency is silent: then it admits one caller every few seconds, and refuses the others.

    An answer of any kind closes it. Threads and coroutines may share it. A dependency that refuses connections does not
    open it, because that costs no time.
    """

    def __init__(self, *, seconds: float = OPEN_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._heard = float("-inf")
        self._open_until: float | None = None
        self._prober: object = None
        self._turn = threading.Lock()  # It guards the two fields above while the breaker is open.

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    def admits(self, caller: object) -> bool:
        """Whether `caller` may ask. The caller that was admitted as a probe may go on until the probe has ended."""
        if self._open_until is None:
            return True
        with self._turn:
            if self._open_until is None or caller is self._prober:
                return True
            if self._clock() < self._open_until:
                return False
            self._prober = caller
            self._open_until = self._clock() + self._seconds  # The next probe starts then, if this one gets no answer.
            return True

    def answered(self) -> None:
        """Records that the dependency has answered."""
        self._heard = self._clock()
        if self._open_until is not None:
            with self._turn:
                self._open_until = self._prober = None

    def unanswered(self, since: float) -> None:
        """Records that a call, which started at `since` (of the clock), got no answer in its time.

        One lost connection is no outage: nothing changes when another call was answered meanwhile.
        """
        with self._turn:
            if self._heard < since:
                self._open_until, self._prober = self._clock() + self._seconds, None
