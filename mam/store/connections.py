"""Connections to the store that are kept open: how long an answer may take, and for how long it is tried again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import MaxRetryError, ResponseError

from mam.breaker import Breaker
from mam.errors import StoreUnavailable

TRIES = 4  # of a request that fails at once, or that the store answers by saying that it is not well
BACKOFF = 0.1  # seconds, doubled with each try


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `read`, `write`: of silence, after which a try has failed; `again`: after a request's start, in which
    another try may begin. So a request takes `again` and one try at most, with its connection.

    `breaks`: whether a silent store is then left alone for a while.
    """

    read: float
    write: float
    again: float
    connect: float
    breaks: bool = True


REQUEST = Patience(read=4, write=5, again=2.5, connect=2)  # a client waits: ten seconds in all
# A minute in all. Silence of 15 s is well below a task's lease: a store that died costs a request and not the task.
TASK = Patience(read=15, write=15, again=40, connect=5, breaks=False)


def pool(size: int, patience: Patience) -> urllib3.PoolManager:
    """`size`: connections that are kept; more threads may use it. Raises StoreUnavailable while the store is silent."""
    return _Pool(size, patience)


class _Pool(urllib3.PoolManager):
    def __init__(self, size: int, patience: Patience) -> None:
        super().__init__(maxsize=size)
        self._patience = patience
        self._breaker = Breaker() if patience.breaks else None

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        asker, began = object(), time.monotonic()
        if self._breaker and not self._breaker.admits(asker):
            raise StoreUnavailable("The object store has said nothing of late, and is asked again in a moment.")
        options.setdefault("timeout", self._timeout(method))
        options.setdefault("retries", _Tries.until(began + self._patience.again))
        try:
            answer = super().urlopen(method, url, redirect, **options)
        except urllib3.exceptions.HTTPError:
            # However it failed: what took so long was silence, of the store or of a name service.
            if self._breaker and time.monotonic() - began >= self._patience.again:
                self._breaker.unanswered(began)
            raise
        if self._breaker:
            self._breaker.answered()
        return answer

    def _timeout(self, method: str) -> urllib3.Timeout:
        silence = self._patience.read if method in ("GET", "HEAD") else self._patience.write
        return urllib3.Timeout(connect=self._patience.connect, read=silence)


class _Tries(urllib3.Retry):
    """Further tries, as long as there is time for them."""

    def __init__(self, *args: Any, ends: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ends = ends

    @classmethod
    def until(cls, ends: float) -> _Tries:
        """`ends`: of time.monotonic()."""
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
