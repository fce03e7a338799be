"""Questions about the library, answered from memory; the store is asked where memory cannot know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import redis.asyncio

from mam.connections import REQUEST
from mam.errors import NotFound
from mam.events import sync_client
from mam.library.bucket_scan import BucketScan, Trees
from mam.library.catalogue import Catalogue, Page, Query
from mam.library.entries import Entry
from mam.library.folders import Folder
from mam.library.listing import Listing, listed
from mam.library.sync import LibrarySync
from mam.library.sync_work import SyncWork
from mam.library.videos import is_video
from mam.library.views import AssetList, AssetView, FolderView
from mam.naming import Asset
from mam.settings import Settings
from mam.store.objects import Store


class Access(Protocol):
    """Which assets may be watched, and so shown."""

    def check_bucket(self, bucket: str) -> None: ...

    def check_asset(self, asset: Asset) -> None: ...

    def may_watch(self, source: str) -> bool: ...


@asynccontextmanager
async def running(
    settings: Settings,
    access: Access,
    store: Store,
    client: redis.asyncio.Redis,
    trees_in: Callable[[Store, str], Trees],
) -> AsyncIterator[LibraryService]:
    """The library, with what keeps it in step with Redis and the store. `trees_in`: those of a bucket, by a client.

    `store` answers requests. Whole buckets are gone through with a client that waits longer: one slow answer among a
    hundred thousand is no reason to begin again.
    """
    bucket, patient = settings.minio_bucket_vod, Store(settings)
    keeping = SyncWork(
        settings,
        sync_client(settings, REQUEST),
        Listing(settings, store, patient=patient),
        BucketScan(store, trees_in(store, bucket), bucket),
        walking=BucketScan(patient, trees_in(patient, bucket), bucket),
    )
    library = LibrarySync(keeping, client, seconds=settings.library_seconds)
    await library.start()
    try:
        yield LibraryService(access, store, library)
    finally:
        await library.stop()


class LibraryService:
    """For coroutines."""

    def __init__(self, access: Access, store: Store, library: LibrarySync) -> None:
        self._access = access
        self._store = store
        self.library = library
        self._keeping = library.keeping

    async def page(self, query: Query, *, limit: int, cursor: str | None) -> AssetList:
        """Raises NotFound for a bucket that may not be streamed, InvalidRequest for a cursor that is none."""
        if query.bucket:
            self._access.check_bucket(query.bucket)
        await self.library.looked_at()
        if self._keeping.listed_at is None:
            page = await asyncio.to_thread(self._first, query, limit)
        else:
            page = await asyncio.to_thread(self._keeping.catalogue.page, query, limit=limit, cursor=cursor)
        entries = await self._certain(
            [entry for entry in page.entries if self._access.may_watch(f"{entry.bucket}/{entry.key}")]
        )
        if query.state:
            entries = [entry for entry in entries if entry.state == query.state]
        by_what_is_known = query.state or query.sort.endswith("duration")
        return AssetList(
            assets=[AssetView.of(entry) for entry in entries],
            folders=[FolderView.of(folder) for folder in page.folders],
            total=page.total,
            next_cursor=page.cursor,
            listed_at=self._keeping.listed_at,
            complete=self._keeping.listed_at is not None and (self._keeping.complete or not by_what_is_known),
        )

    async def asset(self, asset: Asset) -> AssetView:
        """One of them, as the store has it now. Raises NotFound, StoreUnavailable."""
        self._access.check_asset(asset)
        info, entry = (
            await asyncio.to_thread(self._store.head, asset.bucket, asset.key),
            self._keeping.catalogue.get(asset.bucket, asset.key),
        )
        if info is None:
            if entry is not None:
                await self.library.removed(asset)
            raise NotFound(f"There is no object {asset}.")
        one = listed(asset.bucket, info)
        if is_video(asset.key) and (entry is None or entry.listed != one):
            await self.library.added(asset, info.size, info.version, info.modified)
        (found,) = await self._certain(
            [Entry(one, self._keeping.catalogue.record(asset.bucket, asset.key))], doubtful=True
        )
        return AssetView.of(found)

    async def _certain(self, entries: list[Entry], *, doubtful: bool = False) -> list[Entry]:
        """The entries with what the VoD bucket says of those that nothing is known of, as long as not all is known.

        `doubtful`: also afterwards. Other tools do not say when they put a tree there.
        """
        unknown = [entry for entry in entries if entry.record is None]
        if not unknown or (self._keeping.complete and not doubtful):
            return entries
        assets = [Asset(entry.bucket, entry.key) for entry in unknown]
        records = dict(zip(assets, await asyncio.to_thread(self._keeping.look_at, assets), strict=True))
        return [
            entry if entry.record is not None else entry.knowing(records[Asset(entry.bucket, entry.key)])
            for entry in entries
        ]

    def _first(self, query: Query, limit: int) -> Page:
        """What can be told before anything was listed, from one look at the store. Raises StoreUnavailable."""
        found, folders = self._keeping.listing.first(query.bucket, query.folder)
        self._keeping.notice(found)
        part = Catalogue()
        part.change(found)
        part.know({(one.bucket, one.key): self._keeping.catalogue.record(one.bucket, one.key) for one in found})
        page = part.page(query, limit=limit)
        shown: list[Folder] = [] if query.is_flat else folders
        return Page(page.entries, shown, page.total, None)
