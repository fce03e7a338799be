"""Batch work stands still while a viewer waits on the same machine: a lock file that all its workers know.

A nice value decides who gets a core, not who gets the memory, the disk and the store. The lock goes with its holder,
however that ends. Where workers share no folder (containers), there is nothing to notice, and nice values must do.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_SECONDS = 0.005
MOST_SECONDS = 1.0  # at a time: where viewers always wait, batch work still gets on


class Urgency:
    """Whether a viewer waits. `path`: a file that all who take part can write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, a viewer waits."""
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # shared: many may wait
            yield

    def is_felt(self) -> bool:
        """Whether anybody holds it now."""
        with self._path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def give_way(self) -> None:
        """Returns when nobody waits any more, or after a second."""
        until = time.monotonic() + MOST_SECONDS
        while self.is_felt() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
