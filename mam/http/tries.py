"""Wrong keys, counted by address: none may be tried without end."""

from __future__ import annotations

import time
from collections import OrderedDict

from mam.errors import MamError

TRIES, TRIES_SECONDS = 10, 60  # keys that one address may try in a minute
TRUSTED_SECONDS = 12 * 3600  # that an address is let in by the right key, whatever others send from there
KEPT = 10_000  # addresses


class TooManyAttempts(MamError):
    status, code, title = 429, "too_many_attempts", "Too many wrong keys"
    hint = "Wait a minute, then sign in again."
    retry_seconds = TRIES_SECONDS


class Tries:
    """The wrong keys that came to this process. An address that sent too many is refused, whatever it sends.

    Except where the right key came from there lately: a stranger behind the same proxy locks out no operator.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when counting began, how many
        self._trusted: OrderedDict[str, float] = OrderedDict()  # until when

    def count(self, address: str, *, right: bool) -> None:
        """Counts a key that came from `address`. Raises TooManyAttempts."""
        now = time.monotonic()
        trusted = now < self._trusted.get(address, now)
        began, wrong = self._failed.get(address, (now, 0))
        if now - began >= TRIES_SECONDS:
            began, wrong = now, 0
        if wrong >= TRIES and not trusted:
            raise TooManyAttempts(f"{TRIES} wrong keys came from this address.")
        if right:
            self._trusted[address] = now + TRUSTED_SECONDS
            _bound(self._trusted)
        else:
            self._failed[address] = (began, wrong + 1)
            _bound(self._failed)


def _bound(kept: OrderedDict[str, tuple[float, int]] | OrderedDict[str, float]) -> None:
    while len(kept) > KEPT:
        kept.popitem(last=False)
