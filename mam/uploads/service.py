"""Uploads from their beginning to their end: begins them, signs their parts, completes and removes them.

The truth about an open upload is the store's: which parts have arrived, and whether it is there at all. Redis only says
which upload a file belongs to. Without it nothing can be begun or completed, and nothing in the bucket goes wrong.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio

from mam.errors import (
    InvalidRequest,
    NameTaken,
    StoreUnavailable,
    TooLarge,
    UploadComplete,
    UploadNotFound,
)
from mam.http.transcoder import Transcoder
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.multipart import Multipart, etag_of
from mam.store.objects import Store
from mam.uploads import naming
from mam.uploads.arrivals import Arrivals, Shelf, Upload, checked
from mam.uploads.free_names import FreeNames
from mam.uploads.records import Begun, Record, Records
from mam.uploads.sweeper import Sweeper
from mam.uploads.validation import Validator

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


class Uploads:
    """The uploads of one installation; any number of processes may do the same at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        multipart: Multipart,
        records: Records,
        judge: Validator,
        shelf: Shelf,
    ) -> None:
        self._multipart = multipart
        self._records = records
        self._arrivals = Arrivals(store, multipart, records, judge, shelf)
        self._names = FreeNames(store, records, multipart.bucket)
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
        await asyncio.to_thread(self._names.check_folder, f"{self.prefix}{folder}")
        upload = secrets.token_hex(16)
        key = await self._names.take(f"{self.prefix}{folder}", name, upload)
        begun = await self._begin(upload, key, folder, wish)
        found = await self._records.add(begun)
        if found == upload:
            log.info("upload begun", extra={"upload": upload, "key": key, "bytes": wish.size})
            return Upload(Record(begun, begun.created), ()), True
        await self._drop(begun)  # another process was quicker, with the same file
        return await self.get(found), False

    async def get(self, upload: str) -> Upload:
        """Raises UploadNotFound, StoreUnavailable, RedisError."""
        return await self._arrivals.upload(await self._arrivals.record(upload))

    async def open(self) -> list[Upload]:
        """Those that are not complete, newest first."""
        records = await self._records.open(SHOWN)
        found = await asyncio.gather(*(self._arrivals.upload(record) for record in records), return_exceptions=True)
        for outcome in found:
            if isinstance(outcome, BaseException) and not isinstance(outcome, UploadNotFound):
                raise outcome
        return [outcome for outcome in found if isinstance(outcome, Upload) and not outcome.record.arrived]

    async def part_urls(self, upload: str, numbers: Sequence[int]) -> dict[int, str]:
        """Where to PUT parts, for an hour. Raises UploadNotFound, UploadComplete, InvalidRequest."""
        record = await self._arrivals.record(upload)
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
        record = await self._arrivals.record(upload)
        if record.arrived:
            return record
        begun = record.begun
        parts = checked(begun, await self._arrivals.parts(record))
        if parts is None:
            return await self._arrivals.record(upload)
        if await self._arrivals.head(begun):
            return await self._arrivals.landed(upload, NameTaken(f"There is an object {begun.key!r} by now."))
        await self._records.completing(begun, etag_of(parts))
        try:
            await asyncio.to_thread(self._multipart.complete, begun.key, begun.upload_id, parts)
        except (NameTaken, UploadNotFound, StoreUnavailable) as error:  # perhaps another process did it just now
            return await self._arrivals.landed(upload, error)
        return await self._arrivals.landed(upload, UploadNotFound("The object has gone again already."), is_ours=True)

    async def remove(self, upload: str) -> None:
        """Aborts an open upload, or removes the object of one that turned out to be no video.

        Raises UploadNotFound, UploadComplete, StoreUnavailable.
        """
        record = await self._arrivals.record(upload)
        if record.arrived is None:
            await self._drop(record.begun)
            await self._records.forget(record.begun)
            return
        if record.verdict is None or record.verdict["ok"]:
            raise UploadComplete(f"It is {record.begun.key!r} now.")
        found = await self._arrivals.head(record.begun)
        if found and found.version != record.arrived.version:
            raise UploadComplete(f"{record.begun.key!r} is another object by now, which is not this upload's.")
        if found:
            await self._arrivals.remove(record.begun)
        await self._records.forget(record.begun)

    async def _of_file(self, folder: str, wish: Wish) -> Upload | None:
        """The open upload of the same file, if the store still has it."""
        record = await self._records.of_file(folder, wish.fingerprint, wish.size)
        if record is None:
            return None
        try:
            upload = await self._arrivals.upload(record)
        except UploadNotFound:
            return None
        if upload.record.arrived:
            return None
        await self._records.touch(record.begun)
        return upload

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

    async def _drop(self, begun: Begun) -> None:
        await asyncio.to_thread(self._multipart.abort, begun.key, begun.upload_id)
        await self._records.release(begun.claim, begun.id)


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
    judge = Validator(records, transcoder, shelf)
    sweeper = Sweeper(settings, multipart, records, judge)
    await sweeper.start()
    try:
        yield Uploads(settings, store, multipart, records, judge, shelf)
    finally:
        await sweeper.stop()
        await judge.stop()
