"""The store's view of uploads: which parts have arrived, and which object they became."""

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
from mam.uploads.records import Record, Records, StoredObject, UploadSpec
from mam.uploads.validation import Validator

log = logging.getLogger(__name__)


class Library(validation.Library, Protocol):
    """The library, which shows a new object at once."""

    async def added(self, asset: Asset, size: int, version: str, modified: float) -> None: ...

    async def removed(self, asset: Asset) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A record, and the numbers of the parts that the store has: all of them, once the upload is complete."""

    record: Record
    part_numbers: Sequence[int]


class Arrivals:
    """Records each upload that became an object, once, and shows the object."""

    def __init__(
        self, store: Store, multipart: Multipart, records: Records, validator: Validator, library: Library
    ) -> None:
        self._store = store
        self._multipart = multipart
        self._records = records
        self._validator = validator
        self._library = library

    async def record(self, upload: str) -> Record:
        """Raises UploadNotFound."""
        record = await self._records.get(upload)
        if record is None:
            raise UploadNotFound(f"There is no upload {upload}.")
        return record

    async def upload(self, record: Record) -> Upload:
        """A record with the arrived parts. Raises UploadNotFound, StoreUnavailable."""
        if record.stored is None:
            parts = await self.parts(record)
            if parts is not None:
                sizes = naming.part_sizes(record.spec.size, record.spec.part_size)
                return Upload(record, [part.number for part in parts if _is_right(part, sizes)])
            record = await self.record(record.spec.id)
        return Upload(record, range(1, len(naming.part_sizes(record.spec.size, record.spec.part_size)) + 1))

    async def parts(self, record: Record) -> list[Part] | None:
        """The parts of an open upload; None when it turns out to be complete.

        Raises UploadNotFound when the store has dropped the upload, whose record is removed then.
        """
        spec = record.spec
        try:
            return await asyncio.to_thread(self._multipart.parts, spec.key, spec.upload_id)
        except UploadNotFound as error:
            try:
                await self.confirmed(spec.id, error)
            except UploadNotFound:
                await self._records.forget(spec)
                raise
            return None

    async def confirmed(self, upload: str, error: MamError, *, is_ours: bool = False) -> Record:
        """The record of an upload that became an object. Raises `error` when the object is not this upload's.

        `is_ours`: the store has just completed the upload, so its way of making ETags does not matter.
        """
        record = await self.record(upload)
        if record.stored:
            return record
        info = await self.head(record.spec)
        if info is None or not (is_ours or _is_of(info, record)):
            raise error
        stored_object = StoredObject(info.size, info.version, info.etag, info.modified)
        if await self._records.complete(record.spec, stored_object):
            log.info("upload complete", extra={"upload": upload, "key": info.key, "bytes": info.size})
            await self._tell(record.spec, stored_object)
        return await self.record(upload)

    async def remove(self, spec: UploadSpec) -> None:
        """Removes the object that an upload became, also from the library."""
        await asyncio.to_thread(self._store.remove, spec.bucket, [spec.key])
        await self._show(self._library.removed(Asset(spec.bucket, spec.key)))

    async def head(self, spec: UploadSpec) -> ObjectInfo | None:
        return await asyncio.to_thread(self._store.head, spec.bucket, spec.key)

    async def _tell(self, spec: UploadSpec, stored_object: StoredObject) -> None:
        if not naming.is_media(spec.key):
            await self._records.no_verdict(spec.id)
        else:
            self._validator.schedule(spec)
        asset = Asset(spec.bucket, spec.key)
        await self._show(self._library.added(asset, stored_object.size, stored_object.version, stored_object.modified))

    async def _show(self, update: Awaitable[None]) -> None:
        """Updates the library. A failure only delays the change: the next listing has it too."""
        try:
            await update
        except Exception:
            log.exception("the library was not told of an upload")


def own_parts(spec: UploadSpec, parts: list[Part] | None) -> list[Part] | None:
    """The upload's parts of the right sizes. Raises UploadIncomplete."""
    if parts is None:
        return None
    sizes = naming.part_sizes(spec.size, spec.part_size)
    complete = [part for part in parts if _is_right(part, sizes)]
    missing = sorted(set(range(1, len(sizes) + 1)) - {part.number for part in complete})
    if missing:
        raise UploadIncomplete(f"Of {len(sizes)} parts {len(missing)} are missing: {ranges(missing)}.")
    return complete


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


def _is_of(info: ObjectInfo, record: Record) -> bool:
    """Whether an object was made of the upload's parts: by its ETag, where the store gives one, else by its size."""
    if record.expected is None:  # no request has tried to complete the upload
        return False
    return info.size == record.spec.size and (not info.etag or not record.expected or info.etag == record.expected)
