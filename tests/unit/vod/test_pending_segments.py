"""What is known of segments in the making: one file that was seen says nothing of the others of its number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from mam.settings import Settings
from mam.vod.access import Access
from mam.vod.pending_segments import PendingSegments, SegmentName, SegmentPending

SETTINGS = Settings(_env_file=None, transcode_api_key="the key of the tests", segment_wait_seconds=0.2)
REVISION = "0123456789ab"


class Bus:
    """Events by hand."""

    def __init__(self) -> None:
        self.told: list[Callable[[Any], None]] = []

    def on_event(self, callback: Callable[[Any], None]) -> None:
        self.told.append(callback)

    @asynccontextmanager
    async def watch(self, _: str) -> AsyncIterator[asyncio.Event]:
        yield asyncio.Event()

    def made(self, *numbers: int) -> None:
        for callback in self.told:
            callback({"job": REVISION, "event": "made", "segments": list(numbers)})


def making(there: set[str], bus: Bus) -> PendingSegments:
    """Over a bucket that holds the files `there`, while a worker is still at work."""

    async def seek(_: str, __: int) -> str:
        return "running"

    def head(_: str, key: str) -> bool:
        return key.removeprefix(f"film/{REVISION}/") in there

    parts: list[Any] = [SimpleNamespace(head=head), SimpleNamespace(), SimpleNamespace(seek=seek), bus]
    return PendingSegments(SETTINGS, Access(SETTINGS), *parts)


def name(path: str) -> SegmentName:
    rendition, _, file = path.partition("/")
    return SegmentName("film", REVISION, rendition, file)


@pytest.mark.parametrize("seen", ["source/init.mp4", "audio-0/00000.m4s", "audio-0/init.mp4"])
def test_a_segment_is_waited_for_though_another_file_of_its_number_is_there(seen: str) -> None:
    async def claim() -> None:
        there, bus = {seen}, Bus()
        found = making(there, bus)
        assert seen in await found.locate(name(seen))
        with pytest.raises(SegmentPending):
            await found.locate(name("source/00000.m4s"))
        there |= {"source/init.mp4", "source/00000.m4s", "audio-0/init.mp4", "audio-0/00000.m4s"}
        bus.made(0)
        for path in there:
            assert path in await found.locate(name(path))

    asyncio.run(claim())
