"""What every line is given: the running system, started when the first line asks for it, and how much to do."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import TracebackType

from bench import stack as system
from bench.media import HOUR, MINUTE, Film, Moov
from bench.stack import Stack


class Run:
    """One run of the benchmarks. `quick`: shorter films and fewer repetitions, to see whether everything works."""

    def __init__(self, *, quick: bool = False) -> None:
        self.quick = quick
        self._exits = ExitStack()
        self._stack: Stack | None = None
        self._settings: dict[str, str] = {}

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.__exit__(kind, error, trace)

    @property
    def stack(self) -> Stack:
        return self.stack_with()

    def stack_with(self, **settings: str) -> Stack:
        """The system with these settings, by their names in the environment; one with other settings is stopped."""
        if self._stack is None or settings != self._settings:
            self._exits.close()
            say("starting Redis, the S3 server, both services and the workers")
            self._stack, self._settings = self._exits.enter_context(system.running(**settings)), settings
        return self._stack

    def times(self, full: int, quick: int = 2) -> range:
        """How often something is measured."""
        return range(quick if self.quick else full)

    # the films

    def minute(self) -> Film:
        return Film(MINUTE)

    def clip(self, moov: Moov = Moov.FRONT) -> Film:
        """Two minutes."""
        return Film(2 * MINUTE, moov)

    def ten_minutes(self) -> Film:
        return Film(2 * MINUTE if self.quick else 10 * MINUTE)

    def hour(self) -> Film:
        return Film(5 * MINUTE if self.quick else HOUR)

    def feature(self, moov: Moov = Moov.FRONT) -> Film:
        """Two hours, of several gigabytes."""
        return Film(10 * MINUTE if self.quick else 2 * HOUR, moov)


def say(text: str) -> None:
    """Progress, to standard error: standard output is the table's."""
    print(f"bench: {text} …", file=sys.stderr, flush=True)
