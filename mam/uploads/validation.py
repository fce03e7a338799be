"""Checks whether an uploaded file is a video: the transcoding service reads it, in the background."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Protocol

import redis

from mam.background import Errands
from mam.errors import ConversionFailed, Failure, Unavailable
from mam.http.transcoder import Transcoder
from mam.naming import Asset
from mam.uploads.records import Records, UploadSpec

AT_ONCE = 4  # This many files are checked at a time: they take workers from viewers.
# These answers are final: a repeated check would get the same one.
FINAL = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)

log = logging.getLogger(__name__)


class Library(Protocol):
    """The library, which shows unusable files."""

    async def judged(self, asset: Asset, version: str, failure: Failure) -> None: ...


class Validator:
    """Checks each file once; the sweeper repeats checks without a verdict."""

    def __init__(self, records: Records, transcoder: Transcoder, library: Library) -> None:
        self._records = records
        self._library = library
        self._transcoder = transcoder
        self._errands = Errands("judging of uploads")
        self._judging: set[str] = set()
        self._free = asyncio.Semaphore(AT_ONCE)

    def schedule(self, spec: UploadSpec) -> None:
        """Schedules the check of a file, unless it is running."""
        if spec.id not in self._judging:
            self._judging.add(spec.id)
            self._errands.send(self._judge(spec)).add_done_callback(lambda _: self._judging.discard(spec.id))

    async def stop(self) -> None:
        await self._errands.stop()

    async def _judge(self, spec: UploadSpec) -> None:
        try:
            async with self._free:
                verdict = await self._verdict(Asset(spec.bucket, spec.key))
            if verdict:
                await self._show(spec, verdict)
                await self._records.judge(spec, verdict)
                log.info("upload judged", extra={"upload": spec.id, "key": spec.key, "is_video": verdict["ok"]})
        except (Unavailable, redis.RedisError) as error:
            log.warning("upload not judged yet", extra={"upload": spec.id, "error": str(error)})

    async def _show(self, spec: UploadSpec, verdict: dict[str, Any]) -> None:
        """Records a bad verdict in the library: the upload's record is removed after a day."""
        record = await self._records.get(spec.id)
        if verdict["ok"] or record is None or record.stored is None:
            return
        failure = Failure(code=verdict["code"], message=verdict["message"], hint=verdict["hint"])
        await self._library.judged(Asset(spec.bucket, spec.key), record.stored.version, failure)

    async def _verdict(self, asset: Asset) -> dict[str, Any] | None:
        """The verdict on a file; None while it is unknown."""
        try:
            plan = await self._transcoder.plan(asset)
        except ConversionFailed as error:
            if error.status not in FINAL:
                return None
            return {"ok": False, "code": error.code, "message": error.detail, "hint": error.hint}
        return {"ok": True, "duration": plan["duration_seconds"], "summary": summary(plan["streams"])}


def summary(streams: list[dict[str, Any]]) -> str:
    """The streams of a file in one line: `h264 1920x1080, aac, 2 subtitles`."""
    pictures = [
        f"{stream['codec']} {stream['width']}x{stream['height']}" if stream.get("width") else str(stream["codec"])
        for stream in streams
        if stream["kind"] == "video"
    ]
    sounds = [str(stream["codec"]) for stream in streams if stream["kind"] == "audio"]
    texts = sum(stream["kind"] == "subtitles" for stream in streams)
    return ", ".join([*pictures, *sounds, *([f"{texts} subtitles"] if texts else [])])
