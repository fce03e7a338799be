"""Kept connections to the store, with the time limits of answers and retries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import MaxRetryError, ResponseError

from mam.breaker import Breaker
from mam.errors import StoreUnavailable

TRIES = 4  # A request that fails at once, or that the store answers with a server error, is tried this often.
BACKOFF = 0.1  # The delay before the second try in seconds; it doubles with each try.


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits in seconds. `read`, `write`: a try fails after this silence; `again`: retries start within this time
    after a request's start. So a request takes at most `again` and one try, with its connection.

    `breaks`: whether requests to a silent store are refused for a while.
    """

    read: float
    write: float
    again: float
    connect: float
    breaks: bool = True


REQUEST = Patience(read=4, write=5, again=2.5, connect=2)  # A client waits: at most ten seconds in all.
# At most a minute in all. 15 s of silence is well below a task's lease: a dead store costs a request, not the task.
TASK = Patience(read=15, write=15, again=40, connect=5, breaks=False)


def pool(size: int, patience: Patience) -> urllib3.PoolManager:
    """A pool that keeps `size` connections; more threads may use it. Raises StoreUnavailable for a silent store."""
    return _Pool(size, patience)


class _Pool(urllib3.PoolManager):
    def __init__(self, size: int, patience: Patience) -> None:
        super().__init__(maxsize=size)
        self._patience = patience
        self._breaker = Breaker() if patience.breaks else None

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        request, started = object(), time.monotonic()
        if self._breaker and not self._breaker.admits(request):
            raise StoreUnavailable("The object store has not answered lately; it is tried again in a moment.")
        options.setdefault("timeout", self._timeout(method))
        options.setdefault("retries", _Tries.until(started + self._patience.again))
        try:
            answer = super().urlopen(method, url, redirect, **options)
        except urllib3.exceptions.HTTPError:
            # Whatever the error: a failure this late means that the store or a name service was silent.
            if self._breaker and time.monotonic() - started >= self._patience.again:
                self._breaker.unanswered(started)
            raise
        if self._breaker:
            self._breaker.answered()
        return answer

    def _timeout(self, method: str) -> urllib3.Timeout:
        silence = self._patience.read if method in ("GET", "HEAD") else self._patience.write
        return urllib3.Timeout(connect=self._patience.connect, read=silence)


class _Tries(urllib3.Retry):
    """Retries that start before a deadline."""

    def __init__(self, *args: Any, ends: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ends = ends

    @classmethod
    def until(cls, ends: float) -> _Tries:
        """Retries until `ends`, a time.monotonic() value."""
        return cls(total=TRIES - 1, backoff_factor=BACKOFF, status_forcelist=[500, 502, 503, 504], ends=ends)

    def new(self, **options: Any) -> _Tries:
        return super().new(ends=self._ends, **options)

    def increment(
        self, method: str | None = None, url: str | None = None, response: Any = None,
        error: Exception | None = None, _pool: Any = None, _stacktrace: Any = None,
    ) -> _Tries:  # fmt: skip
        if time.monotonic() >= self._ends:
            raise MaxRetryError(_pool, url or "", error or ResponseError("there is no time for another try"))
        return super().increment(method, url, response, error, _pool, _stacktrace)
