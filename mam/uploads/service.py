"""Uploads from start to end: starts them, signs their parts, completes and removes them.

The store is authoritative for an open upload: which parts have arrived, and whether it exists. Redis only maps files to
uploads. Without Redis no upload can start or be completed, but the bucket stays correct.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

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
from mam.uploads.arrivals import Arrivals, Library, Upload, own_parts
from mam.uploads.free_names import FreeNames
from mam.uploads.records import NewFile, Record, Records, UploadSpec
from mam.uploads.sweeper import Sweeper
from mam.uploads.validation import Validator

PART_URL_SECONDS = 3600  # A part's URL is valid this long: enough for 8 MiB at 18 kbit/s.
SHOWN = 100  # At most this many open uploads are listed: each costs a request to the store.

log = logging.getLogger(__name__)


class Uploads:
    """The uploads of one installation; any number of processes may handle them at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        multipart: Multipart,
        records: Records,
        validator: Validator,
        library: Library,
    ) -> None:
        self._multipart = multipart
        self._records = records
        self._arrivals = Arrivals(store, multipart, records, validator, library)
        self._names = FreeNames(store, records, multipart.bucket)
        self._completions = SingleFlight()  # two completions at once confuse rclone
        self.bucket = multipart.bucket
        self.prefix = settings.minio_upload_prefix
        self.max_bytes = settings.max_upload_bytes
        self.open_seconds = settings.upload_hours * 3600

    async def begin(self, file: NewFile) -> tuple[Upload, bool]:
        """The upload of a file, and whether it is new.

        Raises InvalidName, UnsupportedFile, TooLarge, NameTaken, StoreUnavailable, RedisError.
        """
        name, folder = naming.clean_name(file.name), naming.clean_folder(file.folder)
        if file.size > self.max_bytes:
            raise TooLarge(f"The file has {file.size} bytes; MAX_UPLOAD_BYTES allows {self.max_bytes}.")
        known = await self._of_file(folder, file)
        if known:
            return known, False
        await asyncio.to_thread(self._names.check_folder, f"{self.prefix}{folder}")
        upload = secrets.token_hex(16)
        key = await self._names.take(f"{self.prefix}{folder}", name, upload)
        spec = await self._begin(upload, key, folder, file)
        winner = await self._records.add(spec)
        if winner == upload:
            log.info("upload begun", extra={"upload": upload, "key": key, "bytes": file.size})
            return Upload(Record(spec, spec.created), ()), True
        await self._drop(spec)  # another process started an upload of the same file first
        return await self.get(winner), False

    def path_of(self, folder: str, name: str) -> str:
        """Where a file would be, `bucket/key`, if nothing has its name. Raises InvalidName, UnsupportedFile."""
        return f"{self.bucket}/{self.prefix}{naming.clean_folder(folder)}{naming.clean_name(name)}"

    async def record(self, upload: str) -> Record:
        """What is recorded of an upload. Raises UploadNotFound, RedisError."""
        return await self._arrivals.record(upload)

    async def get(self, upload: str) -> Upload:
        """Raises UploadNotFound, StoreUnavailable, RedisError."""
        return await self._arrivals.upload(await self._arrivals.record(upload))

    async def open(self) -> list[Upload]:
        """The open uploads, newest first."""
        records = await self._records.open(SHOWN)
        outcomes = await asyncio.gather(*(self._arrivals.upload(record) for record in records), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, UploadNotFound):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Upload) and not outcome.record.stored]

    async def part_urls(self, upload: str, numbers: Sequence[int]) -> dict[int, str]:
        """PUT URLs of parts, valid for an hour. Raises UploadNotFound, UploadComplete, InvalidRequest."""
        record = await self._arrivals.record(upload)
        if record.stored:
            raise UploadComplete("All its parts have arrived.")
        spec = record.spec
        sizes = naming.part_sizes(spec.size, spec.part_size)
        beyond = [number for number in numbers if not 1 <= number <= len(sizes)]
        if beyond:
            raise InvalidRequest(f"The upload has parts 1 to {len(sizes)}; there is no {beyond[0]}.")
        await self._records.touch(spec)
        return {
            number: self._multipart.part_url(
                spec.key, spec.upload_id, number, length=sizes[number - 1], expires=PART_URL_SECONDS
            )
            for number in numbers
        }

    async def complete(self, upload: str) -> Record:
        """Makes an object of the parts; a complete upload returns its record again.

        Raises UploadIncomplete and NameTaken, which change nothing; UploadNotFound, StoreUnavailable.
        """
        return await self._completions.run(upload, lambda: self._complete(upload))

    async def _complete(self, upload: str) -> Record:
        record = await self._arrivals.record(upload)
        if record.stored:
            return record
        spec = record.spec
        parts = own_parts(spec, await self._arrivals.parts(record))
        if parts is None:
            return await self._arrivals.record(upload)
        if await self._arrivals.head(spec):
            return await self._arrivals.confirmed(upload, NameTaken(f"There is an object {spec.key!r} by now."))
        await self._records.completing(spec, etag_of(parts))
        try:
            await asyncio.to_thread(self._multipart.complete, spec.key, spec.upload_id, parts)
        except (NameTaken, UploadNotFound, StoreUnavailable) as error:  # another process may have completed it just now
            return await self._arrivals.confirmed(upload, error)
        return await self._arrivals.confirmed(
            upload, UploadNotFound("The object has gone again already."), is_ours=True
        )

    async def remove(self, upload: str) -> None:
        """Aborts an open upload, or removes the object of a complete one that is no video.

        Raises UploadNotFound, UploadComplete, StoreUnavailable.
        """
        record = await self._arrivals.record(upload)
        if record.stored is None:
            await self._drop(record.spec)
            await self._records.forget(record.spec)
            return
        if record.verdict is None or record.verdict["ok"]:
            raise UploadComplete(f"It is {record.spec.key!r} now.")
        info = await self._arrivals.head(record.spec)
        if info and info.version != record.stored.version:
            raise UploadComplete(f"{record.spec.key!r} is another object by now, which is not this upload's.")
        if info:
            await self._arrivals.remove(record.spec)
        await self._records.forget(record.spec)

    async def _of_file(self, folder: str, file: NewFile) -> Upload | None:
        """The open upload of the same file, if the store still has it."""
        record = await self._records.of_file(folder, file.fingerprint, file.size)
        if record is None:
            return None
        try:
            upload = await self._arrivals.upload(record)
        except UploadNotFound:
            return None
        if upload.record.stored:
            return None
        await self._records.touch(record.spec)
        return upload

    async def _begin(self, upload: str, key: str, folder: str, file: NewFile) -> UploadSpec:
        content_type = naming.content_type(key, file.type)
        try:
            upload_id = await asyncio.to_thread(self._multipart.begin, key, content_type)
        except BaseException:
            await self._records.release(naming.claim(key), upload)
            raise
        return UploadSpec(
            id=upload,
            bucket=self.bucket,
            key=key,
            folder=folder,
            size=file.size,
            part_size=naming.part_size(file.size),
            fingerprint=file.fingerprint,
            upload_id=upload_id,
            claim=naming.claim(key),
            created=time.time(),
        )

    async def _drop(self, spec: UploadSpec) -> None:
        await asyncio.to_thread(self._multipart.abort, spec.key, spec.upload_id)
        await self._records.release(spec.claim, spec.id)


@asynccontextmanager
async def running(
    settings: Settings,
    store: Store,
    client: redis.asyncio.Redis,
    transcoder: Transcoder,
    library: Library,
) -> AsyncIterator[Uploads | None]:
    """The uploads with their background tasks; None where there is no upload bucket."""
    if settings.minio_upload_bucket is None:
        yield None
        return
    multipart = Multipart(settings)
    records = Records(client, seconds=settings.upload_hours * 3600)
    validator = Validator(records, transcoder, library)
    sweeper = Sweeper(settings, multipart, records, validator)
    await sweeper.start()
    try:
        yield Uploads(settings, store, multipart, records, validator, library)
    finally:
        await sweeper.stop()
        await validator.stop()
