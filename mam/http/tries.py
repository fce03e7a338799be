"""Wrong keys, counted by address: no address may try keys without end."""

from __future__ import annotations

import time
from collections import OrderedDict

from mam.errors import MamError

TRIES, TRIES_SECONDS = 10, 60  # An address may try this many wrong keys in this time.
TRUSTED_SECONDS = 12 * 3600  # An address with a right key is not refused for this long, whatever else comes from it.
KEPT = 10_000  # This many addresses are remembered.


class TooManyAttempts(MamError):
    status, code, title = 429, "too_many_attempts", "Too many wrong keys"
    hint = "Wait a minute, then sign in again."
    retry_seconds = TRIES_SECONDS


class Tries:
    """The wrong keys that this process received. An address that sent too many is refused, whatever it sends.

    The exception is an address with a recent right key: a stranger behind the same proxy must not lock out an operator.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()  # start of counting, number of wrong keys
        self._trusted: OrderedDict[str, float] = OrderedDict()  # until this time

    def count(self, address: str, *, is_right: bool) -> None:
        """Counts a key from `address`. Raises TooManyAttempts."""
        now = time.monotonic()
        trusted = now < self._trusted.get(address, now)
        started, wrong = self._failed.get(address, (now, 0))
        if now - started >= TRIES_SECONDS:
            started, wrong = now, 0
        if wrong >= TRIES and not trusted:
            raise TooManyAttempts(f"{TRIES} wrong keys came from this address.")
        if is_right:
            self._trusted[address] = now + TRUSTED_SECONDS
            _bound(self._trusted)
        else:
            self._failed[address] = (started, wrong + 1)
            _bound(self._failed)


def _bound(addresses: OrderedDict[str, tuple[float, int]] | OrderedDict[str, float]) -> None:
    while len(addresses) > KEPT:
        addresses.popitem(last=False)
