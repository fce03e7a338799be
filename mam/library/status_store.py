"""The statuses of assets in Redis: read by the library, written where streams change."""

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

PAGE = 1000  # This many fields are read in one round trip.


@dataclass(frozen=True, slots=True)
class AllStatuses:
    """All statuses by their fields. `complete`: assets without a status have no stream."""

    records: dict[str, AssetStatus]
    complete: bool


class StatusStore:
    """Reads and writes statuses; jobs write theirs in their own scripts. Blocking: call it from a thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._deleted = script(client, lua.DELETED)
        self._pictured = script(client, lua.PICTURED)
        self._found = script(client, lua.FOUND)
        self._listed = script(client, lua.LISTED)
        self._judged = script(client, lua.JUDGED)
        self._completed = script(client, lua.COMPLETED)

    def load(self) -> AllStatuses:
        """All statuses. Raises RedisError."""
        complete = self._is_complete()  # read first: its statuses exist by then
        rows = (
            (stored.text(field), AssetStatus.parse(text))
            for field, text in self._client.hscan_iter(HASH, count=PAGE)
            if field != COMPLETE.encode()
        )
        records = {field: record for field, record in rows if field is not None and record}
        return AllStatuses(records, complete and self._is_complete())  # Redis may have lost them meanwhile

    def _is_complete(self) -> bool:
        return bool(self._client.hexists(HASH, COMPLETE))

    def pictured(self, asset: Asset, job: str, kind: Literal["poster", "storyboard"]) -> bool:
        """Records a picture of the revision `job`. False when the revision is no longer the asset's."""
        return bool(self._pictured(args=[field_of(asset), job, kind]))

    def listed(self, asset: Asset, revision: str, made: int, total: int) -> bool:
        """Records how many pictures of a live ladder are made. False when the revision is not live."""
        return bool(self._listed(args=[field_of(asset), revision, made, total]))

    def deleted(self, field: str, revision: str) -> bool:
        """Records that the revision ('': any), or the tree of another tool (FOREIGN), was removed."""
        return bool(self._deleted(args=[field, revision]))

    def judged(self, asset: Asset, version: str, failure: Failure) -> bool:
        """Records that this version of the object is unusable. False where a job or a stream contradicts that."""
        return bool(self._judged(args=[field_of(asset), version, json.dumps(asdict(failure))]))

    def found(self, records: Mapping[str, AssetStatus]) -> None:
        """Records statuses from a scan of the VoD bucket, by their fields; later reports are not overwritten."""
        if records:
            self._found(args=[item for name, status in records.items() for item in (name, json.dumps(status.fields()))])

    def completed(self, lock: str, token: str) -> bool:
        """Records that the scan is complete. False when Redis lost its data meanwhile, or the lock was lost."""
        return bool(self._completed(keys=[lock], args=[token]))
