"""Listings of real stores: everything is found once, however it lies in folders."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.servers import start_redis
from mam.events import async_client
from mam.library.catalogue import Query
from mam.library.listing import Listing
from mam.library.service import LibraryService, running
from mam.library.videos import Listed
from mam.settings import Settings
from mam.store.objects import Store
from mam.vod.access import Access
from tests.integration.system import S3, own, settings_of


def test_all_videos_of_a_bucket_are_listed_once(s3: S3, folder: str) -> None:
    bucket = f"listed-{folder}"
    settings = listing(s3, f"{bucket},not-there")
    store = Store(settings)
    store.ensure_bucket(bucket)
    keys = {"top.mp4", "a/Ü b+c%41.mp4", "a/deep/er/x.mov", "b/y.m4v", *(f"many/{n:04d}.mp4" for n in range(1010))}
    for key in keys | {"notes.txt", "b/z.srt"}:
        s3.client.put_object(bucket, key, io.BytesIO(b"123"), 3)
    found = list(Listing(settings, store).all(lambda: None))
    assert sorted(one.key for one in found) == sorted(keys)
    for one in found[:5]:
        info = store.head(bucket, one.key)
        assert info
        assert one.size == info.size
        assert abs(one.modified - info.modified) <= 1  # rclone says the beginning of a write, or its end
    nothing = listing(s3, "not-there")
    assert not list(Listing(nothing, store).all(lambda: None))


class NoTrees:
    """Nothing in the VoD bucket."""

    def by_name(self, name: str) -> None:
        return None

    def plan(self, name: str, revision: str | None = None) -> None:
        return None


def test_what_was_shown_before_anything_was_listed_stays(
    one_s3: S3, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing that is under way meanwhile began earlier, and does not have it."""
    listed, go_on = threading.Event(), threading.Event()
    original = Listing.all

    def slow(self: Listing, alive: Callable[[], None]) -> Iterator[Listed]:
        found = list(original(self, alive))
        listed.set()
        assert go_on.wait(20)
        yield from found

    monkeypatch.setattr(Listing, "all", slow)
    bucket = f"shown-{folder}"

    async def keys(asking: LibraryService) -> list[str]:
        return [asset.key for asset in (await asking.page(Query.of(bucket=bucket), limit=10, cursor=None)).assets]

    async def is_listed(asking: LibraryService) -> None:
        while asking.library.work.listed_at is None:
            await asyncio.sleep(0.01)

    async def story(settings: Settings, store: Store) -> None:
        redis = async_client(settings)
        async with running(settings, Access(settings), store, redis, lambda *_: NoTrees()) as asking:
            assert await keys(asking) == []
            assert await asyncio.to_thread(listed.wait, 20)
            one_s3.client.put_object(bucket, "late.mp4", io.BytesIO(b"123"), 3)
            assert await keys(asking) == ["late.mp4"]
            go_on.set()
            await asyncio.wait_for(is_listed(asking), 20)
            assert await keys(asking) == ["late.mp4"]
        await redis.aclose()

    with start_redis(tmp_path / "redis", persist=False) as server:
        settings = listing(one_s3, bucket, redis_port=server.port)
        store = Store(settings)
        store.ensure_bucket(bucket)
        asyncio.run(story(settings, store))


def listing(s3: S3, buckets: str, *, redis_port: int = 1) -> Settings:
    """The settings of a system that has these source buckets, and takes no uploads."""
    env = {name: value for name, value in own(s3.server.address, redis_port).items() if "UPLOAD" not in name}
    return settings_of({**env, "MINIO_SOURCE_BUCKETS": buckets})
