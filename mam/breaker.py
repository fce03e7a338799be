"""Whether a dependency is worth asking: one that hangs must not cost every request its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

OPEN_SECONDS = 5.0  # a dependency that comes back is used again after so long at most


class Breaker:
    """Open while its dependency says nothing: then one asker every few seconds is let through, and the rest refused.

    An answer of any kind closes it. Shared by threads and coroutines. A dependency that refuses connections does not
    open it: that costs no time.
    """

    def __init__(self, *, seconds: float = OPEN_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._heard = float("-inf")
        self._open_until: float | None = None
        self._prober: object = None
        self._turn = threading.Lock()  # of askers while it is open

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    def admits(self, asker: object) -> bool:
        """Whether `asker` may ask. One that was let through as a probe may go on until the probe has ended."""
        if self._open_until is None:
            return True
        with self._turn:
            if self._open_until is None or asker is self._prober:
                return True
            if self._clock() < self._open_until:
                return False
            self._prober = asker
            self._open_until = self._clock() + self._seconds  # for the next probe, should this one end without a word
            return True

    def answered(self) -> None:
        """The dependency has said something."""
        self._heard = self._clock()
        if self._open_until is not None:
            with self._turn:
                self._open_until = self._prober = None

    def unanswered(self, since: float) -> None:
        """A call that began at `since` (of the clock) got no answer in its time.

        One lost connection is no outage: when others were answered meanwhile, nothing changes.
        """
        with self._turn:
            if self._heard < since:
                self._open_until, self._prober = self._clock() + self._seconds, None
