"""The library's work in threads: listing, scanning the VoD bucket, applying the changes of other processes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import redis

from mam import stored
from mam.library.bucket_scan import BucketScan
from mam.library.catalogue import Catalogue, Place
from mam.library.listing import Listing
from mam.library.lock import Lock, LockLost
from mam.library.lua import COMPLETE, HASH
from mam.library.snapshot import BASE, CHANGES, LISTED_AT, Base, Change, Position, Replaced, Snapshot
from mam.library.status import AssetStatus, field_of
from mam.library.status_store import StatusStore
from mam.library.videos import Listed
from mam.naming import Asset
from mam.settings import Settings

BATCH = 200  # This many records are written in one round trip.
MANY, LONG = 5000, 200  # A new base is written after this many objects in one change, or this many changes.
REMEMBERED = 10_000  # With more single additions than this, those that no listing can have missed are forgotten.
LONGEST_LISTING = 3600  # No listing takes longer than this.

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """The library's state in Redis. `complete`: the VoD bucket was scanned. `listed_at`: Unix seconds."""

    complete: bool
    position: Position
    listed_at: float | None
    watched: bool


class SyncWork:
    """The catalogue of a process, and the work that updates it. Its methods block."""

    def __init__(
        self, settings: Settings, client: redis.Redis, listing: Listing, scan: BucketScan, *, full_scan: BucketScan
    ) -> None:
        """`scan` answers requests, `full_scan` reads the whole bucket: neither waits for the other."""
        self.catalogue = Catalogue([name for name in settings.minio_source_buckets or () if settings.may_stream(name)])
        self.client = client
        self.known = StatusStore(client)
        self.listing = listing
        self.scan = scan
        self._full_scan = full_scan
        self.complete = False  # whether the VoD bucket was scanned
        self.listed_at: float | None = None
        self.position = Position()
        self._settings = settings
        self._snapshot = Snapshot(client)
        self._stopped = False
        self._turn = threading.RLock()  # held by the thread that changes the listing
        self._added: dict[Place, float] = {}  # single additions and their times: a listing may be older

    def stop(self) -> None:
        self._stopped = True
        self.scan.close()
        self._full_scan.close()

    def status(self, watched: str) -> Status:
        with self.client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.hexists(HASH, COMPLETE)
            pipe.get(BASE)
            pipe.llen(CHANGES)
            pipe.get(LISTED_AT)
            pipe.exists(watched)
            complete, base, changes, listed_at, is_watched = pipe.execute()
        parsed_base = stored.read(Base, base)
        position = Position(parsed_base.id, changes) if parsed_base else Position()
        return Status(bool(complete), position, stored.number(listed_at) if parsed_base else None, bool(is_watched))

    # statuses

    def load_known(self) -> None:
        everything = self.known.load()
        self.catalogue.know_only({_place(field): record for field, record in everything.records.items()})
        self.complete = everything.complete

    def take_in(self, records: Mapping[Place, AssetStatus | None], changes: list[Change]) -> None:
        self.catalogue.know(records)
        for change in changes:
            self._apply(change)

    def scan_for(self, assets: list[Asset]) -> list[AssetStatus]:
        """The statuses of assets in the VoD bucket, which are also published. Raises StoreUnavailable."""
        found = self.scan.at(assets)
        # A job reports its own progress.
        settled = [(asset, status) for asset, status in zip(assets, found, strict=True) if not status[1].stage]
        try:
            self.known.found({field_of(asset): AssetStatus() for asset, _ in settled} | dict(row for _, row in settled))
        except (redis.RedisError, OSError) as error:  # the next request scans again
            log.warning("what was found is not kept", extra={"error": type(error).__name__})
        return [record for _, record in found]

    def find(self, lock: Lock) -> None:
        """Scans the whole VoD bucket. Raises StoreUnavailable, LockLost."""
        started = time.monotonic()
        statuses = self._full_scan.all(lambda: self._alive(lock))
        count = 0
        while batch := dict(islice(statuses, BATCH)):
            self.known.found(batch)
            count += len(batch)
        if self.known.completed(lock.name, lock.token):
            log.info(
                "VoD bucket looked through", extra={"videos": count, "seconds": round(time.monotonic() - started, 1)}
            )

    # listings

    def catch_up(self) -> bool:
        """Applies the listing and changes of other processes. Returns whether there is a listing."""
        with self._turn:
            news = self._snapshot.news(self.position)
            if news.whole is not None:
                try:
                    self.catalogue.replace(one for one in news.whole if self._settings.may_stream(one.bucket))
                except Replaced:
                    self._snapshot.drop(news.position.base)
                    return False  # the next look finds the new base
            for change in news.changes:
                self._apply(change)
            self.position = news.position
            if news.listed_at is not None:
                self.listed_at = news.listed_at
            return bool(news.position.base)

    def change(self, change: Change) -> None:
        """Applies a change in this process and publishes it."""
        self._apply(change)
        try:
            self._snapshot.add(change)
        except (redis.RedisError, OSError) as error:  # the next listing contains it
            log.warning("change not told", extra={"error": type(error).__name__})

    def notice(self, objects: list[Listed]) -> None:
        """Keeps objects that a client saw before the first listing: the running listing may be older."""
        if unlisted := [item for item in objects if not self._has(item)]:
            self.change(Change(unlisted, []))

    def list(self, lock: Lock) -> None:
        """Lists the source buckets and publishes the changes. Raises StoreUnavailable, LockLost."""
        self.catch_up()
        moment, started = time.time(), time.monotonic()
        gone = set(self.catalogue.places())
        changed: list[Listed] = []
        count = 0
        for item in self.listing.all(lambda: self._alive(lock)):
            count += 1
            gone.discard((item.bucket, item.key))
            if not self._has(item):
                changed.append(item)
        self._publish_listing(Change(changed, list(gone)), since=started)
        self._snapshot.confirm(moment)
        extra = {
            "assets": count,
            "put": len(changed),
            "cut": len(gone),
            "seconds": round(time.monotonic() - started, 2),
        }
        log.info("source buckets listed", extra=extra)

    def _has(self, item: Listed) -> bool:
        entry = self.catalogue.get(item.bucket, item.key)
        return entry is not None and entry.listed == item

    def _publish_listing(self, change: Change, *, since: float) -> None:
        """Publishes a listing's changes, except for objects that were added after `since`: the listing may be older."""
        with self._turn:
            recent = {place for place, moment in self._added.items() if moment >= since}
            self._added = {place: self._added[place] for place in recent}
            put = [item for item in change.put if (item.bucket, item.key) not in recent]
            change = Change(put, [place for place in change.cut if place not in recent])
            if self.position.base and self.position.changes < LONG and len(change) < MANY:
                if change:
                    self._snapshot.add(change)
                return
            self.catalogue.change(change.put, change.cut)
            while (position := self._snapshot.write(self.catalogue.listed(), self.position)) is None:
                self.catch_up()
            self.position = position

    def _apply(self, change: Change) -> None:
        put = [item for item in change.put if self._settings.may_stream(item.bucket)]
        with self._turn:
            moment = time.monotonic()
            self._added |= {(item.bucket, item.key): moment for item in put}
            if len(self._added) > REMEMBERED:
                self._added = {
                    place: added_at for place, added_at in self._added.items() if moment - added_at < LONGEST_LISTING
                }
            self.catalogue.change(put, change.cut)

    def _alive(self, lock: Lock) -> None:
        if self._stopped:
            raise LockLost
        lock.renew()


def _place(field: str) -> Place:
    bucket, _, key = field.partition("/")
    return bucket, key
