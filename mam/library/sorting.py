"""All entries in an order, and the cursors that say where in it a page begins."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from dataclasses import dataclass

from mam.errors import InvalidRequest
from mam.library.entries import Entry, Sort, SortKey


@dataclass(slots=True)
class SortOrder:
    """All entries in one order; after the first search, beside the texts that are searched."""

    sort: Sort
    entries: list[Entry]
    texts: list[str] | None = None

    @classmethod
    def of(cls, sort: Sort, entries: list[Entry]) -> SortOrder:
        return cls(sort, sorted(entries, key=sort.key))

    def remove(self, entry: Entry) -> None:
        at = bisect_left(self.entries, self.sort.key(entry), key=self.sort.key)
        del self.entries[at]
        if self.texts is not None:
            del self.texts[at]

    def insert(self, entry: Entry) -> None:
        at = bisect_left(self.entries, self.sort.key(entry), key=self.sort.key)
        self.entries.insert(at, entry)
        if self.texts is not None:
            self.texts.insert(at, entry.folded)

    def search(self, word: str) -> list[Entry]:
        """The texts are copies that lie behind one another in memory: they are read four times as fast."""
        if self.texts is None:
            self.texts = "\n".join(entry.folded for entry in self.entries).split("\n") if self.entries else []
        return [entry for entry, text in zip(self.entries, self.texts, strict=True) if word in text]


def cursor_behind(entry: Entry, sort: Sort) -> str:
    """What the next page is asked for by: a position rather than a number, which means the same when entries have come
    or gone."""
    text = json.dumps([sort.name, *sort.key(entry)], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(cursor: str, sort: Sort) -> SortKey:
    """Where a cursor stands in an order. Raises InvalidRequest for one that is not of this order."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        name, value, bucket, key = found
    except (TypeError, ValueError) as error:
        raise InvalidRequest("The cursor is not one that was given out.") from error
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number if sort.name != "name" else isinstance(value, str)
    if name != sort.name or not fits or not isinstance(bucket, str) or not isinstance(key, str):
        raise InvalidRequest("The cursor belongs to another order.", hint="Begin again without a cursor.")
    return value, bucket, key
