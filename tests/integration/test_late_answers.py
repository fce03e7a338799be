"""Playlists built from an answer of the transcoding service that is out of date when it arrives. On a real Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import create_autospec

import pytest
from prometheus_client import CollectorRegistry

from dev.servers import LOOPBACK, Server, start_redis
from mam.access.viewers import ANYONE
from mam.cache.memory import PlaylistMemory
from mam.cache.shared_reads import SharedReads
from mam.cache.store import PlaylistCache
from mam.events import async_client
from mam.http.transcoder import Accepted, Transcoder
from mam.naming import Asset
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.store.objects import Store
from mam.vod.access import Access
from mam.vod.conversions import Conversions
from mam.vod.missing import MissingAssets
from mam.vod.origins import Origins
from mam.vod.outcomes import Outcomes
from mam.vod.pending_segments import PendingSegments
from mam.vod.playback import Playback
from mam.vod.rendering import Renderer
from tests.unit.hls.plans import every, plan_of

PLAN = plan_of(every(6, 3))
ASSET = Asset(PLAN.source.bucket, PLAN.source.key)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with start_redis(tmp_path / "redis", persist=False) as server:
        yield server


class SlowTranscoder:
    """The transcoding service at the moment it has said "being made", and the answer is still on its way."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.requests = 0

    async def convert(self, _: Asset, __: str, *, client: str = "") -> Accepted:
        self.requests += 1
        self.asked.set()
        assert await asyncio.to_thread(self.may_answer.wait, 10)
        return Accepted(PLAN.video, PLAN.revision)


def with_viewing(
    server: Server, claim: Callable[[Playback, PlaylistCache, SlowTranscoder, Any], Awaitable[None]]
) -> None:
    """Runs a claim about a VoD process whose bucket holds the plan alone."""

    async def run() -> None:
        settings = Settings(
            redis_host=LOOPBACK,
            redis_port=server.port,
            transcode_api_key="the key of the tests is no secret",
            viewer_profiles=["auto", "source"],
            _env_file=None,
        )
        client = async_client(settings)
        cache, slow = PlaylistCache(client, ttl=60), SlowTranscoder()
        trees = create_autospec(Trees, instance=True)
        trees.by_asset.return_value, trees.by_name.return_value, trees.plan.return_value = None, None, PLAN
        access, store, outcomes = Access(settings), create_autospec(Store, instance=True), Outcomes(CollectorRegistry())
        viewing = Playback(
            settings, access=access, store=store, trees=trees, reads=SharedReads(cache, PlaylistMemory(client)),
            outcomes=outcomes, missing=MissingAssets(lambda _: False),
            conversions=Conversions(settings, store, cast(Transcoder, slow)),
            renderer=Renderer(
                settings, access=access, trees=trees, cache=cache,
                pending=create_autospec(PendingSegments, instance=True), origins=Origins(trees), outcomes=outcomes,
            ),
        )  # fmt: skip
        try:
            await claim(viewing, cache, slow, client)
        finally:
            await client.aclose()

    asyncio.run(run())


async def goes_live(client: Any) -> None:
    """What the commit does to the cache."""
    await PlaylistCache(client, ttl=60).invalidate(PLAN.video)


def asks(viewing: Playback, way: str) -> Awaitable[Any]:
    return viewing.by_name(PLAN.video, "", "", ANYONE) if way == "name" else viewing.by_asset(ASSET, "", "", ANYONE)


@pytest.mark.parametrize("way", ["name", "asset"])
def test_a_playlist_in_the_making_is_not_kept_when_the_video_went_live_meanwhile(server: Server, way: str) -> None:
    async def claim(viewing: Playback, cache: PlaylistCache, slow: SlowTranscoder, client: Any) -> None:
        asking = asyncio.ensure_future(asks(viewing, way))
        await asyncio.to_thread(slow.asked.wait, 10)
        await goes_live(client)
        slow.may_answer.set()
        await asking
        (lookup,) = await cache.get((PLAN.video,))
        assert lookup.playlist is None

    with_viewing(server, claim)


@pytest.mark.parametrize("way", ["name", "asset"])
def test_it_is_kept_when_it_did_not(server: Server, way: str) -> None:
    async def claim(viewing: Playback, cache: PlaylistCache, slow: SlowTranscoder, _: Any) -> None:
        slow.may_answer.set()
        playlist = await asks(viewing, way)
        (lookup,) = await cache.get((PLAN.video,))
        assert lookup.playlist == playlist

    with_viewing(server, claim)


def test_who_asks_after_it_went_live_does_not_share_an_answer_from_before(server: Server) -> None:
    async def claim(viewing: Playback, cache: PlaylistCache, slow: SlowTranscoder, client: Any) -> None:
        before = asyncio.ensure_future(asks(viewing, "asset"))
        await asyncio.to_thread(slow.asked.wait, 10)
        await goes_live(client)
        slow.asked.clear()
        after = asyncio.ensure_future(asks(viewing, "asset"))
        assert await asyncio.to_thread(slow.asked.wait, 10)  # it asks for itself
        slow.may_answer.set()
        await asyncio.gather(before, after)

    with_viewing(server, claim)


def test_a_rendition_of_what_was_just_begun_needs_no_other_request_until_the_video_changes(server: Server) -> None:
    (first, *_) = PLAN.renditions

    async def claim(viewing: Playback, _: PlaylistCache, slow: SlowTranscoder, client: Any) -> None:
        slow.may_answer.set()
        await viewing.by_asset(ASSET, PLAN.kind, "", ANYONE)
        assert slow.requests == 1
        rendition = await viewing.by_asset(ASSET, PLAN.kind, first.name, ANYONE)
        assert slow.requests == 1
        await goes_live(client)
        again = await viewing.by_asset(ASSET, PLAN.kind, first.name, ANYONE)
        assert slow.requests == 2
        assert len(again.body) == len(rendition.body)

    with_viewing(server, claim)
