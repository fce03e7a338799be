"""Whether what has arrived is a video: the transcoding service looks at it, in the background."""

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
from mam.uploads.records import Begun, Records

AT_ONCE = 4  # files that are looked at: they take workers from viewers
FINAL = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)  # asked again, the answer would be the same

log = logging.getLogger(__name__)


class Shelf(Protocol):
    """Where it is shown of what nothing can be made."""

    async def judged(self, asset: Asset, version: str, failure: Failure) -> None: ...


class Validator:
    """Asks for each file once; what could not be answered is asked again by the sweeper."""

    def __init__(self, records: Records, transcoder: Transcoder, shelf: Shelf) -> None:
        self._records = records
        self._shelf = shelf
        self._transcoder = transcoder
        self._errands = Errands("judging of uploads")
        self._judging: set[str] = set()
        self._free = asyncio.Semaphore(AT_ONCE)

    def soon(self, begun: Begun) -> None:
        """Has a file looked at, unless that is under way."""
        if begun.id not in self._judging:
            self._judging.add(begun.id)
            self._errands.send(self._judge(begun)).add_done_callback(lambda _: self._judging.discard(begun.id))

    async def stop(self) -> None:
        await self._errands.stop()

    async def _judge(self, begun: Begun) -> None:
        try:
            async with self._free:
                verdict = await self._verdict(Asset(begun.bucket, begun.key))
            if verdict:
                await self._show(begun, verdict)
                await self._records.judge(begun, verdict)
                log.info("upload judged", extra={"upload": begun.id, "key": begun.key, "is_video": verdict["ok"]})
        except (Unavailable, redis.RedisError) as error:
            log.warning("upload not judged yet", extra={"upload": begun.id, "error": str(error)})

    async def _show(self, begun: Begun, verdict: dict[str, Any]) -> None:
        """The record of the upload is forgotten after a day; the library keeps why."""
        record = await self._records.get(begun.id)
        if verdict["ok"] or record is None or record.arrived is None:
            return
        why = Failure(code=verdict["code"], message=verdict["message"], hint=verdict["hint"])
        await self._shelf.judged(Asset(begun.bucket, begun.key), record.arrived.version, why)

    async def _verdict(self, asset: Asset) -> dict[str, Any] | None:
        """None when it is unknown for the moment."""
        try:
            plan = await self._transcoder.plan(asset)
        except ConversionFailed as error:
            if error.status not in FINAL:
                return None
            return {"ok": False, "code": error.code, "message": error.detail, "hint": error.hint}
        return {"ok": True, "duration": plan["duration_seconds"], "summary": summary(plan["streams"])}


def summary(streams: list[dict[str, Any]]) -> str:
    """What is in the file, in a line: `h264 1920x1080, aac, 2 subtitles`."""
    pictures = [
        f"{stream['codec']} {stream['width']}x{stream['height']}" if stream.get("width") else str(stream["codec"])
        for stream in streams
        if stream["kind"] == "video"
    ]
    sounds = [str(stream["codec"]) for stream in streams if stream["kind"] == "audio"]
    texts = sum(stream["kind"] == "subtitles" for stream in streams)
    return ", ".join([*pictures, *sounds, *([f"{texts} subtitles"] if texts else [])])
