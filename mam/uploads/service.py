"""Uploads from their beginning to their end: begins them, signs their parts, completes and removes them.

The truth about an open upload is the store's: which parts have arrived, and whether it is there at all. Redis only says
which upload a file belongs to. Without it nothing can be begun or completed, and nothing in the bucket goes wrong.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import redis.asyncio

from mam.errors import (
    InvalidName,
    InvalidRequest,
    MamError,
    NameTaken,
    StoreUnavailable,
    TooLarge,
    UploadComplete,
    UploadIncomplete,
    UploadNotFound,
)
from mam.http.transcoder import Transcoder
from mam.naming import Asset, stem
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.info import ObjectInfo
from mam.store.multipart import Multipart, Part, etag_of
from mam.store.objects import Store
from mam.uploads import naming, validation
from mam.uploads.records import Arrived, Begun, Record, Records
from mam.uploads.sweeper import Sweeper
from mam.uploads.validation import Judge

PART_URL_SECONDS = 3600  # a part of 8 MiB has 18 kbit/s to do it in
SHOWN = 100  # open uploads that are listed at most, each of which costs a request to the store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants to upload. `fingerprint`: its own word for the file; `type`: a content type or nothing."""

    name: str
    size: int
    folder: str
    type: str
    fingerprint: str


class Shelf(validation.Shelf, Protocol):
    """Where what has arrived is shown at once."""

    async def added(self, asset: Asset, size: int, version: str, modified: float) -> None: ...

    async def removed(self, asset: Asset) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A record, and what the store says has arrived: all parts, once it is complete."""

    record: Record
    arrived: Sequence[int]


class Uploads:
    """The uploads of one installation; any number of processes may do the same at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        multipart: Multipart,
        records: Records,
        judge: Judge,
        shelf: Shelf,
    ) -> None:
        self._store = store
        self._multipart = multipart
        self._records = records
        self._judge = judge
        self._shelf = shelf
        self._completions = SingleFlight()  # two at once confuse rclone
        self.bucket = multipart.bucket
        self.prefix = settings.minio_upload_prefix
        self.max_bytes = settings.max_upload_bytes
        self.open_seconds = settings.upload_hours * 3600

    async def begin(self, wish: Wish) -> tuple[Upload, bool]:
        """The upload of a file, and whether it is new.

        Raises InvalidName, UnsupportedFile, TooLarge, NameTaken, StoreUnavailable, RedisError.
        """
        name, folder = naming.clean_name(wish.name), naming.clean_folder(wish.folder)
        if wish.size > self.max_bytes:
            raise TooLarge(f"The file has {wish.size} bytes; MAX_UPLOAD_BYTES allows {self.max_bytes}.")
        known = await self._of_file(folder, wish)
        if known:
            return known, False
        await asyncio.to_thread(self._check_folder, f"{self.prefix}{folder}")
        upload = secrets.token_hex(16)
        key = await self._free_key(folder, name, upload)
        begun = await self._begin(upload, key, folder, wish)
        found = await self._records.add(begun)
        if found == upload:
            log.info("upload begun", extra={"upload": upload, "key": key, "bytes": wish.size})
            return Upload(Record(begun, begun.created), ()), True
        await self._drop(begun)  # another process was quicker, with the same file
        return await self.get(found), False

    async def get(self, upload: str) -> Upload:
        """Raises UploadNotFound, StoreUnavailable, RedisError."""
        return await self._upload(await self._record(upload))

    async def open(self) -> list[Upload]:
        """Those that are not complete, newest first."""
        records = await self._records.open(SHOWN)
        found = await asyncio.gather(*(self._upload(record) for record in records), return_exceptions=True)
        for outcome in found:
            if isinstance(outcome, BaseException) and not isinstance(outcome, UploadNotFound):
                raise outcome
        return [outcome for outcome in found if isinstance(outcome, Upload) and not outcome.record.arrived]

    async def part_urls(self, upload: str, numbers: Sequence[int]) -> dict[int, str]:
        """Where to PUT parts, for an hour. Raises UploadNotFound, UploadComplete, InvalidRequest."""
        record = await self._record(upload)
        if record.arrived:
            raise UploadComplete("All its parts have arrived.")
        begun = record.begun
        sizes = naming.part_sizes(begun.size, begun.part_size)
        beyond = [number for number in numbers if not 1 <= number <= len(sizes)]
        if beyond:
            raise InvalidRequest(f"The upload has parts 1 to {len(sizes)}; there is no {beyond[0]}.")
        await self._records.touch(begun)
        return {
            number: self._multipart.part_url(
                begun.key, begun.upload_id, number, length=sizes[number - 1], expires=PART_URL_SECONDS
            )
            for number in numbers
        }

    async def complete(self, upload: str) -> Record:
        """Makes its parts an object, once; the record of a complete upload again and again.

        Raises UploadIncomplete and NameTaken, which leave everything as it is; UploadNotFound, StoreUnavailable.
        """
        return await self._completions.run(upload, lambda: self._complete(upload))

    async def _complete(self, upload: str) -> Record:
        record = await self._record(upload)
        if record.arrived:
            return record
        begun = record.begun
        parts = self._checked(begun, await self._parts(record))
        if parts is None:
            return await self._record(upload)
        if await self._head(begun):
            return await self._landed(upload, NameTaken(f"There is an object {begun.key!r} by now."))
        await self._records.completing(begun, etag_of(parts))
        try:
            await asyncio.to_thread(self._multipart.complete, begun.key, begun.upload_id, parts)
        except (NameTaken, UploadNotFound, StoreUnavailable) as error:  # perhaps another process did it just now
            return await self._landed(upload, error)
        return await self._landed(upload, UploadNotFound("The object has gone again already."), is_ours=True)

    async def remove(self, upload: str) -> None:
        """Aborts an open upload, or removes the object of one that turned out to be no video.

        Raises UploadNotFound, UploadComplete, StoreUnavailable.
        """
        record = await self._record(upload)
        if record.arrived is None:
            await self._drop(record.begun)
            await self._records.forget(record.begun)
            return
        if record.verdict is None or record.verdict["ok"]:
            raise UploadComplete(f"It is {record.begun.key!r} now.")
        found = await self._head(record.begun)
        if found and found.version != record.arrived.version:
            raise UploadComplete(f"{record.begun.key!r} is another object by now, which is not this upload's.")
        if found:
            await asyncio.to_thread(self._store.remove, record.begun.bucket, [record.begun.key])
            await self._show(self._shelf.removed(Asset(record.begun.bucket, record.begun.key)))
        await self._records.forget(record.begun)

    # what the store says

    async def _record(self, upload: str) -> Record:
        record = await self._records.get(upload)
        if record is None:
            raise UploadNotFound(f"There is no upload {upload}.")
        return record

    async def _upload(self, record: Record) -> Upload:
        if record.arrived is None:
            parts = await self._parts(record)
            if parts is not None:
                sizes = naming.part_sizes(record.begun.size, record.begun.part_size)
                return Upload(record, [part.number for part in parts if _is_right(part, sizes)])
            record = await self._record(record.begun.id)
        return Upload(record, range(1, len(naming.part_sizes(record.begun.size, record.begun.part_size)) + 1))

    async def _parts(self, record: Record) -> list[Part] | None:
        """The parts of an open upload; None when it turns out to be complete.

        Raises UploadNotFound when the store has dropped it, and forgets it then.
        """
        begun = record.begun
        try:
            return await asyncio.to_thread(self._multipart.parts, begun.key, begun.upload_id)
        except UploadNotFound as error:
            try:
                await self._landed(begun.id, error)
            except UploadNotFound:
                await self._records.forget(begun)
                raise
            return None

    async def _landed(self, upload: str, error: MamError, *, is_ours: bool = False) -> Record:
        """The record of an upload that is an object now. Raises `error` when the object is not of this upload.

        `is_ours`: the store has just said so; how it makes ETags is its own affair then.
        """
        record = await self._record(upload)
        if record.arrived:
            return record
        found = await self._head(record.begun)
        if found is None or not (is_ours or _is_of(found, record)):
            raise error
        arrived = Arrived(found.size, found.version, found.etag, found.modified)
        if await self._records.complete(record.begun, arrived):
            log.info("upload complete", extra={"upload": upload, "key": found.key, "bytes": found.size})
            await self._tell(record.begun, arrived)
        return await self._record(upload)

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

    async def _head(self, begun: Begun) -> ObjectInfo | None:
        return await asyncio.to_thread(self._store.head, begun.bucket, begun.key)

    async def _drop(self, begun: Begun) -> None:
        await asyncio.to_thread(self._multipart.abort, begun.key, begun.upload_id)
        await self._records.release(begun.claim, begun.id)

    def _checked(self, begun: Begun, parts: list[Part] | None) -> list[Part] | None:
        """The upload's own parts, of the right sizes. Raises UploadIncomplete."""
        if parts is None:
            return None
        sizes = naming.part_sizes(begun.size, begun.part_size)
        right = [part for part in parts if _is_right(part, sizes)]
        missing = sorted(set(range(1, len(sizes) + 1)) - {part.number for part in right})
        if missing:
            raise UploadIncomplete(f"Of {len(sizes)} parts {len(missing)} are missing: {ranges(missing)}.")
        return right

    # a new upload

    async def _of_file(self, folder: str, wish: Wish) -> Upload | None:
        """The open upload of the same file, if the store still has it."""
        record = await self._records.of_file(folder, wish.fingerprint, wish.size)
        if record is None:
            return None
        try:
            upload = await self._upload(record)
        except UploadNotFound:
            return None
        if upload.record.arrived:
            return None
        await self._records.touch(record.begun)
        return upload

    async def _free_key(self, folder: str, name: str, upload: str) -> str:
        """A key that no object and no other upload has, held for this one for the moment."""
        bucket = self.bucket
        for candidate in naming.other_names(name):
            key = f"{self.prefix}{folder}{candidate}"
            naming.check(Asset(bucket, key))
            claim = naming.claim(key)
            if not await self._records.hold(claim, upload):
                continue
            if not await asyncio.to_thread(self._is_taken, bucket, key):
                return key
            await self._records.release(claim, upload)
        raise NameTaken(f"{name!r} is taken, and so are its names with numbers.", hint="Choose another name.")

    def _is_taken(self, bucket: str, key: str) -> bool:
        """Whether an object or a folder has the key, or a medium its stem."""
        beside = {found.key for found in self._store.listing(bucket, f"{stem(key)}.", recursive=False)}
        if beside & {key, f"{key}/"}:
            return True
        return naming.is_media(key) and any(naming.is_media(other) and stem(other) == stem(key) for other in beside)

    def _check_folder(self, folder: str) -> None:
        """Raises InvalidName where a part of the path is a file: MinIO would not list what lies in it."""
        parts = folder.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if self._store.head(self.bucket, path):
                raise InvalidName(f"{path!r} is a file.", hint="Choose another folder.")

    async def _begin(self, upload: str, key: str, folder: str, wish: Wish) -> Begun:
        content_type = naming.content_type(key, wish.type)
        try:
            upload_id = await asyncio.to_thread(self._multipart.begin, key, content_type)
        except BaseException:
            await self._records.release(naming.claim(key), upload)
            raise
        return Begun(
            id=upload,
            bucket=self.bucket,
            key=key,
            folder=folder,
            size=wish.size,
            part_size=naming.part_size(wish.size),
            fingerprint=wish.fingerprint,
            upload_id=upload_id,
            claim=naming.claim(key),
            created=time.time(),
        )


@asynccontextmanager
async def running(
    settings: Settings,
    store: Store,
    client: redis.asyncio.Redis,
    transcoder: Transcoder,
    shelf: Shelf,
) -> AsyncIterator[Uploads | None]:
    """The uploads, with what looks after them in the background; None where there is no bucket for them."""
    if settings.minio_upload_bucket is None:
        yield None
        return
    multipart = Multipart(settings)
    records = Records(client, seconds=settings.upload_hours * 3600)
    judge = Judge(records, transcoder, shelf)
    sweeper = Sweeper(settings, multipart, records, judge)
    await sweeper.start()
    try:
        yield Uploads(settings, store, multipart, records, judge, shelf)
    finally:
        await sweeper.stop()
        await judge.stop()


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
    if record.expected is None:  # nobody has tried to complete it
        return False
    return found.size == record.begun.size and (not found.etag or not record.expected or found.etag == record.expected)
