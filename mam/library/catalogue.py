"""The index of one process in memory: all assets, found by folder, words and state, in any order, a page at a time."""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cachetools import LRUCache

from mam.library.entries import SORTS, Entry, Sort, fold
from mam.library.folders import Folder, Folders, below
from mam.library.sorting import SortOrder, cursor_behind, position
from mam.library.status import AssetStatus
from mam.library.videos import Listed
from mam.naming import stem

KEPT_RESULTS = 16  # of queries that clients scroll through
FEW = 500  # changes that are put in their places one by one; more, and everything is sorted anew
TRIES = 3  # of sorting beside those who ask

EVERYTHING = ("",)  # All assets begin with this prefix.

Place = tuple[str, str]  # bucket and key


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. With words, a state or `deep`: everything below `folder`, else what lies directly in it.

    `bucket`: '' for all. `folder`: '' or a path that ends in a slash. `prefixes`: only assets, `bucket/key`, that begin
    with one of them.
    """

    bucket: str = ""
    folder: str = ""
    words: tuple[str, ...] = ()  # folded
    state: str = ""
    sort: str = "name"
    prefixes: tuple[str, ...] = EVERYTHING
    deep: bool = False

    @classmethod
    def of(
        cls,
        *,
        bucket: str = "",
        folder: str = "",
        q: str = "",
        state: str = "",
        sort: str = "name",
        prefixes: tuple[str, ...] = EVERYTHING,
        deep: bool = False,
    ) -> Query:
        folder = folder.strip("/")
        return cls(bucket, folder and f"{folder}/", tuple(dict.fromkeys(fold(q).split())), state, sort, prefixes, deep)

    @property
    def is_flat(self) -> bool:
        return bool(self.words or self.state or self.deep)


@dataclass(frozen=True, slots=True)
class Page:
    """`total`: assets that match, on all pages. `cursor`: where the next page begins; None at the end."""

    entries: list[Entry]
    folders: list[Folder]
    total: int
    cursor: str | None


class Catalogue:
    """Safe to share between threads, and to be called from them: an answer from 100,000 takes some milliseconds."""

    def __init__(self, buckets: Collection[str] = ()) -> None:
        """`buckets`: those that are shown though nothing is in them."""
        self._buckets = frozenset(buckets)
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Entry]] = {}  # by bucket and key
        self._records: dict[Place, AssetStatus] = {}  # also of what is not listed, or not yet
        self._foreign: dict[str, AssetStatus] = {}  # trees of other tools, by the stem of their asset's key
        self._orders: dict[str, SortOrder] = {}
        self._generation = 0
        self._folders = Folders()
        self._results: LRUCache[Query, list[Entry]] = LRUCache(KEPT_RESULTS)

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def get(self, bucket: str, key: str) -> Entry | None:
        return self._entries.get(bucket, {}).get(key)

    def places(self) -> list[Place]:
        with self._lock:
            return [(bucket, key) for bucket, entries in self._entries.items() for key in entries]

    def listed(self) -> list[Listed]:
        """Everything that is listed, by bucket and key."""
        with self._lock:
            return [entries[key].listed for _, entries in sorted(self._entries.items()) for key in sorted(entries)]

    # changes

    def replace(self, listed: Iterable[Listed]) -> None:
        """The listing as a whole: what is not in it is gone. What is the same stays as it is."""
        with self._lock:
            seen: dict[str, set[str]] = defaultdict(set)
            old: list[Entry] = []
            new: list[Entry] = []
            for one in listed:
                entry = self._compare(one, old, new)
                seen[entry.bucket].add(entry.key)
            old += [entry for entry in self._all() if entry.key not in seen[entry.bucket]]
            self._swap(old, new)

    def change(self, put: Iterable[Listed], cut: Iterable[Place] = ()) -> None:
        """Objects that came or changed, and those that went."""
        with self._lock:
            old = [gone for place in cut if (gone := self.get(*place))]
            new: list[Entry] = []
            for one in put:
                self._compare(one, old, new)
            self._swap(old, new)

    def _compare(self, one: Listed, old: list[Entry], new: list[Entry]) -> Entry:
        """The entry of an object; where it is another one than before, that and the one before are noted."""
        before = self.get(one.bucket, one.key)
        if before is None:
            new.append(Entry(one, self.record(one.bucket, one.key)))
            return new[-1]
        if before.listed != one:
            old.append(before)
            new.append(Entry(one, before.record, before.folded))
        return before

    def know(self, records: Mapping[Place, AssetStatus | None]) -> None:
        """What is known of some assets now; None: nothing. Under an empty bucket, of trees of other tools."""
        with self._lock:
            stems = self._note(records)
            touched = [self.get(bucket, key) for bucket, key in records if bucket]
            if stems:
                touched += [entry for entry in self._all() if stem(entry.key) in stems]
            self._refresh({(entry.bucket, entry.key): entry for entry in touched if entry})

    def know_only(self, records: Mapping[Place, AssetStatus]) -> None:
        """All that is known: of what is not among it, nothing is."""
        with self._lock:
            self._records, self._foreign = {}, {}
            self._note(records)
            self._refresh({(entry.bucket, entry.key): entry for entry in self._all()})

    def _note(self, records: Mapping[Place, AssetStatus | None]) -> set[str]:
        """Takes records over; which trees of other tools are among them."""
        for (bucket, key), record in records.items():
            if bucket and record is not None:
                entry = self.get(bucket, key)
                place = (entry.bucket, entry.key) if entry else (bucket, key)  # one copy of each text is enough
                self._records[place] = record
            elif bucket:
                self._records.pop((bucket, key), None)
            elif record is not None and record.live:
                self._foreign[key] = record
            else:
                self._foreign.pop(key, None)
        return {key for bucket, key in records if not bucket}

    def record(self, bucket: str, key: str) -> AssetStatus | None:
        """What is known of an asset, listed or not.

        A tree of another tool goes before what is known of the asset itself, as it does for players.
        """
        foreign = self._foreign.get(stem(key)) if self._foreign else None
        return foreign or self._records.get((bucket, key))

    def _refresh(self, touched: Mapping[Place, Entry]) -> None:
        """Gives entries the records that they have by now."""
        changed = [(entry, self.record(*place)) for place, entry in touched.items()]
        changed = [(entry, record) for entry, record in changed if record != entry.record]
        self._swap([entry for entry, _ in changed], [entry.knowing(record) for entry, record in changed])

    def _swap(self, old: Collection[Entry], new: Collection[Entry]) -> None:
        if not old and not new:
            return
        self._results.clear()
        self._generation += 1
        for entry in old:
            del self._entries[entry.bucket][entry.key]
            self._folders.count(entry, -1)
        for entry in new:
            self._entries.setdefault(entry.bucket, {})[entry.key] = entry
            self._folders.count(entry, +1)
        if len(old) + len(new) > FEW:
            self._orders = {name: SortOrder.of(order.sort, self._all()) for name, order in self._orders.items()}
            return
        for order in self._orders.values():
            for entry in old:
                order.remove(entry)
            for entry in new:
                order.insert(entry)

    # queries

    def prepare(self) -> None:
        """Sorts by everything there is, so that no request waits for it."""
        for sort in SORTS.values():
            if sort.name not in self._orders:
                self._order(sort)

    def _order(self, sort: Sort) -> None:
        """Sorts while others ask on; under their lock only when something changes all the time."""
        for _ in range(TRIES):
            with self._lock:
                generation, entries = self._generation, self._all()
            order = SortOrder.of(sort, entries)
            with self._lock:
                if generation == self._generation:
                    self._orders[sort.name] = order
                    return
        with self._lock:
            self._orders[sort.name] = SortOrder.of(sort, self._all())

    def page(self, query: Query, *, limit: int, cursor: str | None = None) -> Page:
        """Raises InvalidRequest for a cursor that is not of this order."""
        sort = SORTS[query.sort]
        after = position(cursor, sort) if cursor else None
        with self._lock:
            matching = self._matching(query, sort)
            if sort.is_reversed:
                stop = len(matching) if after is None else bisect_left(matching, after, key=sort.key)
                start = max(0, stop - limit)
                entries, more = matching[start:stop][::-1], start > 0
            else:
                start = 0 if after is None else bisect_right(matching, after, key=sort.key)
                entries, more = matching[start : start + limit], start + limit < len(matching)
            folders = [] if query.is_flat or cursor else self._folders.within(self._shown(query), query.folder)
            folders = below(query.prefixes, folders)
            return Page(entries, folders, len(matching), cursor_behind(entries[-1], sort) if more else None)

    def _matching(self, query: Query, sort: Sort) -> list[Entry]:
        """All that match, in ascending order; kept for the next page."""
        if (kept := self._results.get(query)) is None:
            kept = self._results[query] = self._found(query, sort)
        return kept

    def _found(self, query: Query, sort: Sort) -> list[Entry]:
        order = self._orders.get(sort.name)
        if order is None:  # after a start, for a moment
            return sorted(self._filtered(query, query.words, self._all()), key=sort.key)
        if not query.words:
            return self._filtered(query, (), order.entries)
        first, *others = sorted(query.words, key=len, reverse=True)  # the longest leaves the fewest
        return self._filtered(query, others, order.search(first))

    def _all(self) -> list[Entry]:
        return [entry for entries in self._entries.values() for entry in entries.values()]

    def _filtered(self, query: Query, words: Iterable[str], entries: list[Entry]) -> list[Entry]:
        bucket, folder = sys.intern(query.bucket), sys.intern(query.folder)
        if not query.is_flat and not bucket and not folder and len(self._shown(query)) > 1:
            return []  # at the top lie the buckets: their own videos are in them
        if not query.is_flat:
            entries = [entry for entry in entries if entry.folder is folder]
        elif folder:
            entries = [entry for entry in entries if entry.key.startswith(folder)]
        if query.state:
            entries = [entry for entry in entries if entry.state == query.state]
        for word in words:
            entries = [entry for entry in entries if word in entry.folded]
        if query.prefixes != EVERYTHING:
            entries = [entry for entry in entries if f"{entry.bucket}/{entry.key}".startswith(query.prefixes)]
        return [entry for entry in entries if entry.bucket is bucket] if bucket else entries

    def _shown(self, query: Query) -> set[str]:
        """The buckets whose folders are to be seen."""
        filled = [name for name, entries in self._entries.items() if entries]
        return {query.bucket} if query.bucket else {*self._buckets, *filled}
