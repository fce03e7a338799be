"""What is known of segments in the making: one file that was seen says nothing of the others of its number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from mam.settings import Settings
from mam.vod.pending_segments import PendingSegments, SegmentName, SegmentPending
from tests.unit.hls.test_multivariant import ladder_plan

SETTINGS = Settings(_env_file=None, transcode_api_key="the key of the tests is no secret", segment_wait_seconds=0.2)
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

    def made(self, *numbers: int, job: str = REVISION) -> None:
        self.tell(job=job, event="made", segments=list(numbers))

    def tell(self, **event: Any) -> None:
        for callback in self.told:
            callback(event)


def making(there: set[str], bus: Bus, asked: list[tuple[str, int | None]] | None = None) -> PendingSegments:
    """Over a bucket that holds the files `there`, while a worker is still at work. `asked`: what it was asked for."""

    async def seek(job: str, number: int | None, _: str) -> str:
        if asked is not None:
            asked.append((job, number))
        return "running"

    def head(_: str, key: str) -> bool:
        return key.removeprefix(f"film/{REVISION}/") in there

    parts: list[Any] = [SimpleNamespace(head=head), SimpleNamespace(), SimpleNamespace(seek=seek), bus]
    return PendingSegments(SETTINGS, *parts)


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


def test_a_group_is_waited_for_by_itself() -> None:
    """That a segment of one is there says nothing of another's."""

    async def claim() -> None:
        bus, asked = Bus(), list[tuple[str, int | None]]()
        found = making({"source/00003.m4s", "audio-0/00003.m4s"}, bus, asked)
        for path in ("v360/00003.m4s", "v540/00003.m4s"):
            with pytest.raises(SegmentPending):
                await found.locate(name(path))
        bus.made(3)
        bus.made(3, job=f"{REVISION}-v540")
        assert "source/00003" in await found.locate(name("source/00003.m4s"))
        assert "audio-0/00003" in await found.locate(name("audio-0/00003.m4s"))
        with pytest.raises(SegmentPending):
            await found.locate(name("v360/00003.m4s"))
        assert {job for job, _ in asked} == {f"{REVISION}-v360", f"{REVISION}-v540"}

    asyncio.run(claim())


def test_the_initialization_section_of_a_rung_is_there_before_its_segments() -> None:
    async def claim() -> None:
        there, bus, asked = set[str](), Bus(), list[tuple[str, int | None]]()
        found = making(there, bus, asked)
        with pytest.raises(SegmentPending):
            await found.locate(name("v360/init.mp4"))
        assert asked[0] == (f"{REVISION}-v360", None)  # no segment is made for it
        there.add("v360/init.mp4")
        bus.tell(job=f"{REVISION}-v360", event="initialized", files=["v360/init.mp4"])
        asked.clear()
        assert "v360/init.mp4" in await found.locate(name("v360/init.mp4"))
        assert asked == []
        with pytest.raises(SegmentPending):
            await found.locate(name("v360/00000.m4s"))

    asyncio.run(claim())


def test_with_a_video_its_rungs_are_forgotten() -> None:
    """Its base is queued again after the video was deleted."""

    async def claim() -> None:
        bus = Bus()
        found = making({"v360/00003.m4s"}, bus)
        assert "v360/00003" in await found.locate(name("v360/00003.m4s"))
        bus.made(4, job=f"{REVISION}-v360")
        bus.tell(job=REVISION, event="queued")
        with pytest.raises(SegmentPending):
            await found.locate(name("v360/00004.m4s"))

    asyncio.run(claim())


@pytest.mark.parametrize(
    ("live", "watched", "asked_for"),
    [
        (False, "", [0]),  # the first player begins
        (False, "source/00000.m4s", [None]),  # it changes to the rung, and may request the same segment or the next
        (True, "", [None]),  # its place is not known: the other segments come from the store
        (False, "v360/00000.m4s", []),  # the rung is watched already
    ],
)
def test_the_playlist_of_a_rung_has_it_started(live: bool, watched: str, asked_for: list[int | None]) -> None:
    """`watched`: the file that was requested before."""

    async def claim() -> None:
        plan = ladder_plan()
        assert plan.revision == REVISION
        (rung,) = plan.of_groups("v360").renditions
        asked = list[tuple[str, int | None]]()
        found = making({watched}, Bus(), asked)
        if watched:
            assert await found.locate(name(watched))
        asked.clear()
        found.warm(plan, rung, live=live)
        await found._reports.stop(cancel=False)
        assert asked == [(f"{REVISION}-v360", number) for number in asked_for]

    asyncio.run(claim())


def test_a_client_that_waited_long_enough_comes_back_at_once() -> None:
    assert SegmentPending.retry_seconds == 1
    assert Settings.model_fields["segment_wait_seconds"].default < 8  # players give up after ten
