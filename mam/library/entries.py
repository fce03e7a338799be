"""One asset as the catalogue holds it, what it is found by, and the orders that it can be shown in."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mam.errors import Failure, NotAVideo
from mam.library.status import FAILED, NEW, AssetStatus
from mam.library.videos import Listed, mark

NOTHING = AssetStatus()
EMPTY = Failure(NotAVideo.code, "The object is empty.", NotAVideo.hint)
_DIGITS = re.compile(r"[0-9]+")

SortKey = tuple[Any, ...]


class Entry:
    """What is listed of an asset and what is known of it. Never changed: another one takes its place.

    `record` is None where nothing is known, and no process has looked.
    """

    __slots__ = ("bucket", "folded", "folder", "key", "mark", "modified", "record", "size", "state")

    def __init__(self, listed: Listed, record: AssetStatus | None, folded: str | None = None) -> None:
        self.bucket = sys.intern(listed.bucket)
        self.key = listed.key
        self.folder = sys.intern(listed.key[: listed.key.rfind("/") + 1])  # '' or a path that ends in a slash
        self.size = listed.size
        self.modified = listed.modified
        self.mark = listed.mark
        self.folded = fold(listed.key) if folded is None else folded
        self.record = record
        self.state = NEW if record is None or self._is_past(record) else record.state
        if self.state == NEW and not listed.size:
            self.state = FAILED

    def _is_past(self, record: AssetStatus) -> bool:
        """Whether what failed was another version of the object."""
        return bool(record.state == FAILED and self.mark and record.version and mark(record.version) != self.mark)

    @property
    def known(self) -> AssetStatus:
        """The record, but for a failure of another version."""
        return NOTHING if self.record is None or self._is_past(self.record) else self.record

    @property
    def error(self) -> Failure | None:
        """Why it failed. An empty object has failed without any job."""
        if self.state != FAILED:
            return None
        return self.known.error or (None if self.size else EMPTY)

    @property
    def listed(self) -> Listed:
        return Listed(self.bucket, self.key, self.size, self.modified, self.mark)

    def knowing(self, record: AssetStatus | None) -> Entry:
        """The same asset with another record."""
        return Entry(self.listed, record, self.folded)


def fold(text: str) -> str:
    """Text without case and accents. What is plain already stays the same object: there are many of them."""
    if text.isascii():
        lower = text.lower()
        return text if lower == text else lower
    parts = unicodedata.normalize("NFKD", text)
    return "".join(character for character in parts if not unicodedata.combining(character)).casefold()


def natural(text: str) -> str:
    """Folded text as it is sorted: `episode 2` before `episode 10`."""
    return _DIGITS.sub(_counted, text)


def _counted(digits: re.Match[str]) -> str:
    number = digits[0].lstrip("0")
    return f"{len(number):03d}{number}"


@dataclass(frozen=True, slots=True)
class Sort:
    """An order: that of `key`, or its reverse. Entries that are alike are told apart by where they are."""

    name: str
    key: Callable[[Entry], SortKey]
    is_reversed: bool = False


def _by_name(entry: Entry) -> SortKey:
    return natural(entry.folded[entry.folded.rfind("/") + 1 :]), entry.bucket, entry.key


def _by_date(entry: Entry) -> SortKey:
    return entry.modified, entry.bucket, entry.key


def _by_size(entry: Entry) -> SortKey:
    return entry.size, entry.bucket, entry.key


def _by_duration(entry: Entry) -> SortKey:
    seconds = entry.known.duration
    return (float("inf") if seconds is None else seconds), entry.bucket, entry.key  # what is not known comes last


def _by_length(entry: Entry) -> SortKey:
    return entry.known.duration or 0.0, entry.bucket, entry.key  # and here too, read backwards


SORTS = {
    "name": Sort("name", _by_name),
    "-name": Sort("name", _by_name, is_reversed=True),
    "date": Sort("date", _by_date),
    "-date": Sort("date", _by_date, is_reversed=True),
    "size": Sort("size", _by_size),
    "-size": Sort("size", _by_size, is_reversed=True),
    "duration": Sort("duration", _by_duration),
    "-duration": Sort("length", _by_length, is_reversed=True),
}
