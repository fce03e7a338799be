"""What is known of assets beyond the listing, in Redis: read by the library, written where the truth changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import redis

from mam import stored
from mam.errors import Failure
from mam.events import script
from mam.library import lua
from mam.library.lua import COMPLETE, HASH
from mam.library.status import AssetStatus, field_of
from mam.naming import Asset

PAGE = 1000  # fields that are read in one round trip


@dataclass(frozen=True, slots=True)
class Everything:
    """All records by their fields. `complete`: what is not among them is not there."""

    records: dict[str, AssetStatus]
    complete: bool


class StatusStore:
    """Blocking: call it from a thread. What a job does to its asset is noted by the job's own scripts."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._deleted = script(client, lua.DELETED)
        self._pictured = script(client, lua.PICTURED)
        self._found = script(client, lua.FOUND)
        self._judged = script(client, lua.JUDGED)
        self._completed = script(client, lua.COMPLETED)

    def load(self) -> Everything:
        """Raises RedisError."""
        complete = bool(self._client.hexists(HASH, COMPLETE))  # before: what it stands for is there by now
        found = (
            (stored.text(field), AssetStatus.parse(text))
            for field, text in self._client.hscan_iter(HASH, count=PAGE)
            if field != COMPLETE.encode()
        )
        return Everything({field: record for field, record in found if field is not None and record}, complete)

    def pictured(self, asset: Asset, job: str, kind: Literal["poster", "storyboard"]) -> bool:
        """The revision `job` has that picture. False when it is not the asset's any more."""
        return bool(self._pictured(args=[field_of(asset), job, kind]))

    def deleted(self, field: str, revision: str) -> bool:
        """The revision ('': any), or the tree of another tool (FOREIGN), is no longer in the VoD bucket."""
        return bool(self._deleted(args=[field, revision]))

    def judged(self, asset: Asset, version: str, failure: Failure) -> bool:
        """Nothing can be made of this version of the object. False where a job or a stream says otherwise."""
        return bool(self._judged(args=[field_of(asset), version, json.dumps(asdict(failure))]))

    def found(self, records: Mapping[str, AssetStatus]) -> None:
        """These are in the VoD bucket, by their fields; nothing that was reported since is overwritten."""
        if records:
            self._found(args=[item for name, found in records.items() for item in (name, json.dumps(found.fields()))])

    def completed(self, lock: str, token: str) -> bool:
        """Everything in the VoD bucket was found. False when Redis was wiped meanwhile, or the lock lost."""
        return bool(self._completed(keys=[lock], args=[token]))
