"""What the store says of uploads: which parts have arrived, and which object they became."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mam.errors import MamError, UploadIncomplete, UploadNotFound
from mam.naming import Asset
from mam.store.info import ObjectInfo
from mam.store.multipart import Multipart, Part
from mam.store.objects import Store
from mam.uploads import naming, validation
from mam.uploads.records import Arrived, Begun, Record, Records
from mam.uploads.validation import Validator

log = logging.getLogger(__name__)


class Shelf(validation.Shelf, Protocol):
    """Where what has arrived is shown at once."""

    async def added(self, asset: Asset, size: int, version: str, modified: float) -> None: ...

    async def removed(self, asset: Asset) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A record, and what the store says has arrived: all parts, once it is complete."""

    record: Record
    arrived: Sequence[int]


class Arrivals:
    """Takes note of each upload that became an object, once, and shows it."""

    def __init__(self, store: Store, multipart: Multipart, records: Records, judge: Validator, shelf: Shelf) -> None:
        self._store = store
        self._multipart = multipart
        self._records = records
        self._judge = judge
        self._shelf = shelf

    async def record(self, upload: str) -> Record:
        """Raises UploadNotFound."""
        record = await self._records.get(upload)
        if record is None:
            raise UploadNotFound(f"There is no upload {upload}.")
        return record

    async def upload(self, record: Record) -> Upload:
        """A record with what has arrived. Raises UploadNotFound, StoreUnavailable."""
        if record.arrived is None:
            parts = await self.parts(record)
            if parts is not None:
                sizes = naming.part_sizes(record.begun.size, record.begun.part_size)
                return Upload(record, [part.number for part in parts if _is_right(part, sizes)])
            record = await self.record(record.begun.id)
        return Upload(record, range(1, len(naming.part_sizes(record.begun.size, record.begun.part_size)) + 1))

    async def parts(self, record: Record) -> list[Part] | None:
        """The parts of an open upload; None when it turns out to be complete.

        Raises UploadNotFound when the store has dropped it, and forgets it then.
        """
        begun = record.begun
        try:
            return await asyncio.to_thread(self._multipart.parts, begun.key, begun.upload_id)
        except UploadNotFound as error:
            try:
                await self.landed(begun.id, error)
            except UploadNotFound:
                await self._records.forget(begun)
                raise
            return None

    async def landed(self, upload: str, error: MamError, *, is_ours: bool = False) -> Record:
        """The record of an upload that is an object now. Raises `error` when the object is not of this upload.

        `is_ours`: the store has just said so; how it makes ETags is its own affair then.
        """
        record = await self.record(upload)
        if record.arrived:
            return record
        found = await self.head(record.begun)
        if found is None or not (is_ours or _is_of(found, record)):
            raise error
        arrived = Arrived(found.size, found.version, found.etag, found.modified)
        if await self._records.complete(record.begun, arrived):
            log.info("upload complete", extra={"upload": upload, "key": found.key, "bytes": found.size})
            await self._tell(record.begun, arrived)
        return await self.record(upload)

    async def remove(self, begun: Begun) -> None:
        """Removes the object that an upload became, and shows it no more."""
        await asyncio.to_thread(self._store.remove, begun.bucket, [begun.key])
        await self._show(self._shelf.removed(Asset(begun.bucket, begun.key)))

    async def head(self, begun: Begun) -> ObjectInfo | None:
        return await asyncio.to_thread(self._store.head, begun.bucket, begun.key)

    async def _tell(self, begun: Begun, arrived: Arrived) -> None:
        if not naming.is_media(begun.key):
            await self._records.no_verdict(begun.id)
        else:
            self._judge.soon(begun)
        asset = Asset(begun.bucket, begun.key)
        await self._show(self._shelf.added(asset, arrived.size, arrived.version, arrived.modified))

    async def _show(self, telling: Awaitable[None]) -> None:
        """What happened has happened, whatever comes of telling it: the next listing shows it too."""
        try:
            await telling
        except Exception:
            log.exception("the library was not told of an upload")


def checked(begun: Begun, parts: list[Part] | None) -> list[Part] | None:
    """The upload's own parts, of the right sizes. Raises UploadIncomplete."""
    if parts is None:
        return None
    sizes = naming.part_sizes(begun.size, begun.part_size)
    right = [part for part in parts if _is_right(part, sizes)]
    missing = sorted(set(range(1, len(sizes) + 1)) - {part.number for part in right})
    if missing:
        raise UploadIncomplete(f"Of {len(sizes)} parts {len(missing)} are missing: {ranges(missing)}.")
    return right


def ranges(numbers: Sequence[int]) -> str:
    """`1, 4-6` of sorted numbers; the first few of many."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][1] + 1:
            groups[-1][1] = number
        else:
            groups.append([number, number])
    written = [str(first) if first == last else f"{first}-{last}" for first, last in groups]
    return ", ".join(written[:50]) + (" ..." if len(written) > 50 else "")


def _is_right(part: Part, sizes: list[int]) -> bool:
    return 1 <= part.number <= len(sizes) and part.size == sizes[part.number - 1]


def _is_of(found: ObjectInfo, record: Record) -> bool:
    """Whether an object is what the upload's parts became: by its ETag, where the store gives one, else by its size."""
    if record.expected is None:  # no request has tried to complete it
        return False
    return found.size == record.begun.size and (not found.etag or not record.expected or found.etag == record.expected)
