"""What is less urgent stands still while a viewer waits on the same machine: lock files that all its workers know.

A nice value decides who gets a core, not who gets the memory, the disk and the store. A lock goes with its holder,
however that ends. Where workers share no folder (containers), there is nothing to notice, and nice values must do.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

LOOK_SECONDS = 0.005
MOST_SECONDS = 1.0  # at a time: where viewers always wait, the rest still gets on


class Urgency(IntEnum):
    """Whom a task is for. The smaller goes first."""

    VIEWER = 0  # who waits
    AHEAD = 1  # who will ask next, as far as can be told
    BATCH = 2  # no viewer


class Precedence:
    """Who goes before whom on this machine. `path`: how the lock files are called; all who take part can write them."""

    def __init__(self, path: Path) -> None:
        self._paths = {urgency: path.with_name(f"{path.name}.{urgency.name.lower()}") for urgency in Urgency}

    @contextmanager
    def held(self, urgency: Urgency) -> Iterator[None]:
        """Inside, work of this urgency is being done."""
        with self._paths[urgency].open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # shared: many tasks may hold it
            yield

    def is_felt(self, urgency: Urgency) -> bool:
        """Whether anything more urgent is being done now."""
        return any(self._is_held(other) for other in Urgency if other < urgency)

    def _is_held(self, urgency: Urgency) -> bool:
        with self._paths[urgency].open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def give_way(self, urgency: Urgency) -> None:
        """Returns when nothing more urgent is being done, or after a second."""
        until = time.monotonic() + MOST_SECONDS
        while self.is_felt(urgency) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
