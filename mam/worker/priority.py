"""Precedence between tasks of one machine: less urgent work pauses while a viewer waits, by shared lock files.

A nice value shares out the cores, but neither memory, disk nor the store. The system releases a lock when its holder
ends, however it ends. Workers that share no folder (containers) do not see each other and rely on nice values.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

LOOK_SECONDS = 0.005  # Work that gives way checks the locks this often.
CORES_A_TURN = 2  # Of viewers' encodes one runs for each so many cores: one after another, all are done sooner.
TURN_SECONDS = 5.0  # A turn is waited for at most this long: a player waits little longer for a segment.
MOST_SECONDS = 1.0  # Work gives way for at most this long at a time: with viewers always waiting, it still advances.


class Urgency(IntEnum):
    """The urgency of a task; smaller values go first."""

    VIEWER = 0  # A viewer waits for the result.
    AHEAD = 1  # A viewer will probably request the result next.
    BATCH = 2  # No viewer needs the result yet.


class Precedence:
    """Precedence between tasks of this machine. `path`: the stem of the lock files, which all its workers can write."""

    def __init__(self, path: Path) -> None:
        self._paths = {urgency: path.with_name(f"{path.name}.{urgency.name.lower()}") for urgency in Urgency}
        self._turn = path.with_name(f"{path.name}.turn")

    @contextmanager
    def held(self, urgency: Urgency) -> Iterator[None]:
        """Marks work of this urgency as running inside the context."""
        with self._paths[urgency].open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # shared: many tasks may hold it
            yield

    @contextmanager
    def turn(self, cores: int) -> Iterator[None]:
        """Waits for a turn among the encodes that viewers wait for, and holds it inside the context.

        Two encodes at once share the cores, and both viewers wait as long as the second of two in a row.
        """
        paths = [self._turn.with_name(f"{self._turn.name}.{number}") for number in range(max(1, cores // CORES_A_TURN))]
        until = time.monotonic() + TURN_SECONDS
        with ExitStack() as files:
            opened = [files.enter_context(path.open("ab")) for path in paths]
            while not any(_locked(file) for file in opened) and time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
            yield

    def is_felt(self, urgency: Urgency) -> bool:
        """Whether more urgent work is running."""
        return any(self._is_held(other) for other in Urgency if other < urgency)

    def _is_held(self, urgency: Urgency) -> bool:
        with self._paths[urgency].open("ab") as file:
            return not _locked(file)

    def give_way(self, urgency: Urgency) -> None:
        """Returns when no more urgent work is running, or after MOST_SECONDS."""
        until = time.monotonic() + MOST_SECONDS
        while self.is_felt(urgency) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)


def _locked(file: BinaryIO) -> bool:
    """Whether the file could be locked. The lock is released with the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
