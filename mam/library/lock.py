"""The lock that one process of many holds while it works on the library."""

from __future__ import annotations

import time

import redis
import redis.lock
from redis.exceptions import LockError

LOCK_SECONDS = 20  # Another process takes over after this silence, which is longer than the store's own timeouts.
RENEW_SECONDS = 2.0  # A lock is renewed this often.


class LockLost(Exception):
    """Another process may hold the lock by now, or this process stops."""


class Lock(redis.lock.Lock):
    """A lock that one process holds at a time. Blocking; raises RedisError."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        # Several threads of this process use the lock in turn.
        super().__init__(client, name, timeout=LOCK_SECONDS, blocking=False, thread_local=False)
        self._renewed = time.monotonic()

    @property
    def token(self) -> str:
        """The lock's value in Redis while this process holds it; '' before and afterwards."""
        return str((self.local.token or b"").decode())

    def renew(self) -> None:
        """Renews the lock; the work calls it repeatedly. Raises LockLost."""
        if time.monotonic() - self._renewed < RENEW_SECONDS:
            return
        self._renewed = time.monotonic()
        try:
            self.reacquire()
        except LockError as error:
            raise LockLost from error
