"""What the library's tasks do in threads: listing, looking through the VoD bucket, taking in what others did."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import redis
import redis.lock
from redis.exceptions import LockError

from mam import stored
from mam.library.bucket_scan import BucketScan
from mam.library.catalogue import Catalogue, Place
from mam.library.listing import Listing
from mam.library.lua import COMPLETE, HASH
from mam.library.snapshot import BASE, CHANGES, LISTED_AT, Base, Change, Position, Replaced, Snapshot
from mam.library.status import AssetStatus, field_of
from mam.library.status_store import StatusStore
from mam.library.videos import Listed
from mam.naming import Asset
from mam.settings import Settings

LOCK_SECONDS = 20  # without a sign of life for so long, another process takes over: longer than the store may be silent
RENEW_SECONDS = 2.0
BATCH = 200  # records that are written in one round trip
MANY, LONG = 5000, 200  # objects in one change, and changes behind a base, that make it worth to write another
REMEMBERED = 10_000  # objects that came one by one: beyond it, those are forgotten that no listing can have missed
LONGEST_LISTING = 3600  # seconds

log = logging.getLogger(__name__)


class LockLost(Exception):
    """Another process may hold it by now, or this one stops."""


class Lock(redis.lock.Lock):
    """A lock that one process at a time holds, of all. Blocking; raises RedisError."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        # Several threads of this process use it in turn.
        super().__init__(client, name, timeout=LOCK_SECONDS, blocking=False, thread_local=False)
        self._renewed = time.monotonic()

    @property
    def token(self) -> str:
        """The lock's value in Redis while this process holds it; '' before and afterwards."""
        return str((self.local.token or b"").decode())

    def renew(self) -> None:
        """To be called again and again while work goes on. Raises LockLost."""
        if time.monotonic() - self._renewed < RENEW_SECONDS:
            return
        self._renewed = time.monotonic()
        try:
            self.reacquire()
        except LockError as error:
            raise LockLost from error


@dataclass(frozen=True, slots=True)
class Status:
    """What Redis has. `complete`: all that the VoD bucket holds is known. `listed_at`: Unix seconds."""

    complete: bool
    position: Position
    listed_at: float | None
    watched: bool


class SyncWork:
    """The catalogue of a process with what it is made from. Blocking, but for what it holds."""

    def __init__(
        self, settings: Settings, client: redis.Redis, listing: Listing, looking: BucketScan, *, walking: BucketScan
    ) -> None:
        """`looking` answers requests, `walking` goes through everything: neither waits for the other."""
        self.catalogue = Catalogue([name for name in settings.minio_source_buckets or () if settings.may_stream(name)])
        self.client = client
        self.known = StatusStore(client)
        self.listing = listing
        self.looking = looking
        self._walking = walking
        self.complete = False  # whether all is known that the VoD bucket holds
        self.listed_at: float | None = None
        self.position = Position()
        self._settings = settings
        self._snapshot = Snapshot(client)
        self._stopped = False
        self._turn = threading.RLock()  # of who changes the listing here
        self._added: dict[Place, float] = {}  # what was put in one by one, and when: a listing may be older

    def stop(self) -> None:
        self._stopped = True
        self.looking.close()
        self._walking.close()

    def status(self, watched: str) -> Status:
        with self.client.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions, of reads too
            pipe.hexists(HASH, COMPLETE)
            pipe.get(BASE)
            pipe.llen(CHANGES)
            pipe.get(LISTED_AT)
            pipe.exists(watched)
            complete, base, changes, listed_at, is_watched = pipe.execute()
        found = stored.read(Base, base)
        position = Position(found.id, changes) if found else Position()
        return Status(bool(complete), position, stored.number(listed_at) if found else None, bool(is_watched))

    # what is known

    def load_known(self) -> None:
        everything = self.known.load()
        self.catalogue.know_only({_place(field): record for field, record in everything.records.items()})
        self.complete = everything.complete

    def take_in(self, records: Mapping[Place, AssetStatus | None], changes: list[Change]) -> None:
        self.catalogue.know(records)
        for change in changes:
            self._apply(change)

    def look_at(self, assets: list[Asset]) -> list[AssetStatus]:
        """What the VoD bucket holds of these; Redis and every process get to know of it. Raises StoreUnavailable."""
        found = self.looking.at(assets)
        settled = [
            one for one in zip(assets, found, strict=True) if not one[1][1].stage
        ]  # the job itself says the rest
        try:
            self.known.found({field_of(asset): AssetStatus() for asset, _ in settled} | dict(one for _, one in settled))
        except (redis.RedisError, OSError) as error:  # then it is looked for again the next time
            log.warning("what was found is not kept", extra={"error": type(error).__name__})
        return [record for _, record in found]

    def find(self, lock: Lock) -> None:
        """Looks through the VoD bucket. Raises StoreUnavailable, LockLost."""
        began = time.monotonic()
        found = self._walking.all(lambda: self._alive(lock))
        count = 0
        while batch := dict(islice(found, BATCH)):
            self.known.found(batch)
            count += len(batch)
        if self.known.completed(lock.name, lock.token):
            log.info(
                "VoD bucket looked through", extra={"videos": count, "seconds": round(time.monotonic() - began, 1)}
            )

    # what is listed

    def catch_up(self) -> bool:
        """Takes in what was listed elsewhere. Whether there is a listing."""
        with self._turn:
            news = self._snapshot.news(self.position)
            if news.whole is not None:
                try:
                    self.catalogue.replace(one for one in news.whole if self._settings.may_stream(one.bucket))
                except Replaced:
                    self._snapshot.drop(news.position.base)
                    return False  # the next look finds what is there instead
            for change in news.changes:
                self._apply(change)
            self.position = news.position
            if news.listed_at is not None:
                self.listed_at = news.listed_at
            return bool(news.position.base)

    def change(self, change: Change) -> None:
        """Puts a change in, here and then everywhere."""
        self._apply(change)
        try:
            self._snapshot.add(change)
        except (redis.RedisError, OSError) as error:  # the next listing has it
            log.warning("change not told", extra={"error": type(error).__name__})

    def notice(self, found: list[Listed]) -> None:
        """Keeps what a client was shown before anything was listed: the listing under way may be older than that."""
        if new := [one for one in found if not self._has(one)]:
            self.change(Change(new, []))

    def list(self, lock: Lock) -> None:
        """Lists the source buckets, and tells everyone of what has changed. Raises StoreUnavailable, LockLost."""
        self.catch_up()
        moment, began = time.time(), time.monotonic()
        gone = set(self.catalogue.places())
        put: list[Listed] = []
        count = 0
        for one in self.listing.all(lambda: self._alive(lock)):
            count += 1
            gone.discard((one.bucket, one.key))
            if not self._has(one):
                put.append(one)
        self._tell(Change(put, list(gone)), since=began)
        self._snapshot.confirm(moment)
        extra = {"assets": count, "put": len(put), "cut": len(gone), "seconds": round(time.monotonic() - began, 2)}
        log.info("source buckets listed", extra=extra)

    def _has(self, one: Listed) -> bool:
        entry = self.catalogue.get(one.bucket, one.key)
        return entry is not None and entry.listed == one

    def _tell(self, change: Change, *, since: float) -> None:
        """`since`: what was put in later than that, the listing may not have seen; nor that it was replaced."""
        with self._turn:
            recent = {place for place, moment in self._added.items() if moment >= since}
            self._added = {place: self._added[place] for place in recent}
            put = [one for one in change.put if (one.bucket, one.key) not in recent]
            change = Change(put, [place for place in change.cut if place not in recent])
            if self.position.base and self.position.changes < LONG and len(change) < MANY:
                if change:
                    self._snapshot.add(change)
                return
            self.catalogue.change(change.put, change.cut)
            while (written := self._snapshot.write(self.catalogue.listed(), self.position)) is None:
                self.catch_up()
            self.position = written

    def _apply(self, change: Change) -> None:
        put = [one for one in change.put if self._settings.may_stream(one.bucket)]
        with self._turn:
            moment = time.monotonic()
            self._added |= {(one.bucket, one.key): moment for one in put}
            if len(self._added) > REMEMBERED:
                self._added = {place: at for place, at in self._added.items() if moment - at < LONGEST_LISTING}
            self.catalogue.change(put, change.cut)

    def _alive(self, lock: Lock) -> None:
        if self._stopped:
            raise LockLost
        lock.renew()


def _place(field: str) -> Place:
    bucket, _, key = field.partition("/")
    return bucket, key
