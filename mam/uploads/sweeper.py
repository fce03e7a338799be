"""Aborts abandoned uploads: by their records, and by the store where there is no record."""

from __future__ import annotations

import asyncio
import logging
import time

import redis

from mam.background import Periodic
from mam.errors import MamError
from mam.settings import Settings
from mam.store.multipart import Multipart
from mam.uploads.naming import is_media
from mam.uploads.records import Records
from mam.uploads.validation import Validator

MOST_SECONDS, LEAST_SECONDS = 300.0, 1.0  # The interval between sweeps, by any process, is within these bounds.
LOOKS = 100  # This many sweeps take place within the time after which an upload is stale.

log = logging.getLogger(__name__)


class Sweeper(Periodic):
    """Sweeps every few minutes, one process at a time."""

    def __init__(self, settings: Settings, multipart: Multipart, records: Records, validator: Validator) -> None:
        self._stale_seconds = settings.upload_hours * 3600
        super().__init__(
            "sweeper of uploads", seconds=min(MOST_SECONDS, max(LEAST_SECONDS, self._stale_seconds / LOOKS))
        )
        self._prefix = settings.minio_upload_prefix
        self._multipart = multipart
        self._records = records
        self._validator = validator

    async def take_turn(self) -> None:
        try:
            if await self._records.is_sweeper(self._seconds * 0.9):
                await self.look()
        except (MamError, redis.RedisError) as error:
            log.warning("stale uploads not looked for", extra={"error": str(error)})

    async def look(self) -> None:
        """Aborts stale uploads, and repeats the validation of files without a verdict."""
        await self._judge_again()
        await self._sweep_known()
        await self._sweep_unknown()

    async def _judge_again(self) -> None:
        for record in await self._records.unjudged():
            if is_media(record.spec.key):
                self._validator.schedule(record.spec)
            else:  # the process ended just after the completion
                await self._records.no_verdict(record.spec.id)

    async def _sweep_known(self) -> None:
        for record in await self._records.open():
            if record.touched < time.time() - self._stale_seconds:
                await self._abort(record.spec.key, record.spec.upload_id, "no client continued it")
                await self._records.forget(record.spec)

    async def _sweep_unknown(self) -> None:
        """Aborts stale uploads without a record, of other programs too, like a lifecycle rule of the bucket."""
        unfinished = await asyncio.to_thread(lambda: list(self._multipart.unfinished(self._prefix)))
        stale = [upload for upload in unfinished if upload.started < time.time() - self._stale_seconds]
        if not stale:
            return
        known = {record.spec.upload_id for record in await self._records.open()}
        for upload in stale:
            if upload.upload_id not in known:
                await self._abort(upload.key, upload.upload_id, "unknown to Redis")

    async def _abort(self, key: str, upload_id: str, reason: str) -> None:
        await asyncio.to_thread(self._multipart.abort, key, upload_id)
        log.info("upload swept", extra={"key": key, "reason": reason})
