"""Requests for the library, answered from memory; the store is read only where memory is incomplete."""

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
from mam.library.folders import Folder, below
from mam.library.listing import Listing, listed
from mam.library.sync import LibrarySync
from mam.library.sync_work import SyncWork
from mam.library.videos import is_video
from mam.library.views import AssetList, AssetView, FolderView
from mam.naming import Asset
from mam.settings import Settings
from mam.store.objects import Store


class Access(Protocol):
    """Which assets clients with a key may see."""

    def check_bucket(self, bucket: str) -> None: ...

    def check_listed(self, asset: Asset) -> None: ...

    def shows(self, source: str) -> bool: ...


@asynccontextmanager
async def running(
    settings: Settings,
    access: Access,
    store: Store,
    client: redis.asyncio.Redis,
    trees_in: Callable[[Store, str], Trees],
) -> AsyncIterator[LibraryService]:
    """The library, with the tasks that keep it in step with Redis and the store. `trees_in`: makes a bucket's trees.

    `store` answers requests. Whole buckets are read with a more patient client: one slow answer among a hundred
    thousand must not restart a listing.
    """
    bucket, patient = settings.minio_bucket_vod, Store(settings)
    work = SyncWork(
        settings,
        sync_client(settings, REQUEST),
        Listing(settings, store, patient=patient),
        BucketScan(store, trees_in(store, bucket), bucket),
        full_scan=BucketScan(patient, trees_in(patient, bucket), bucket),
    )
    library = LibrarySync(work, client, seconds=settings.library_seconds)
    await library.start()
    try:
        yield LibraryService(access, store, library)
    finally:
        await library.stop()


class LibraryService:
    """Answers requests for the library. For coroutines."""

    def __init__(self, access: Access, store: Store, library: LibrarySync) -> None:
        self._access = access
        self._store = store
        self.library = library
        self._work = library.work

    async def page(self, query: Query, *, limit: int, cursor: str | None) -> AssetList:
        """A page of assets. Raises NotFound for a bucket that may not be streamed, InvalidRequest for a bad cursor."""
        if query.bucket:
            self._access.check_bucket(query.bucket)
        await self.library.keep_fresh()
        if self._work.listed_at is None:
            page = await asyncio.to_thread(self._first, query, limit)
        else:
            page = await asyncio.to_thread(self._work.catalogue.page, query, limit=limit, cursor=cursor)
        entries = await self._completed(
            [entry for entry in page.entries if self._access.shows(f"{entry.bucket}/{entry.key}")]
        )
        if query.state:
            entries = [entry for entry in entries if entry.state == query.state]
        depends_on_status = query.state or query.sort.endswith("duration")
        return AssetList(
            assets=[AssetView.of(entry) for entry in entries],
            folders=[FolderView.of(folder) for folder in page.folders],
            total=page.total,
            next_cursor=page.cursor,
            listed_at=self._work.listed_at,
            complete=self._work.listed_at is not None and (self._work.complete or not depends_on_status),
        )

    async def asset(self, asset: Asset) -> AssetView:
        """One asset, as the store has it now. Raises NotFound, StoreUnavailable."""
        self._access.check_listed(asset)
        info, entry = (
            await asyncio.to_thread(self._store.head, asset.bucket, asset.key),
            self._work.catalogue.get(asset.bucket, asset.key),
        )
        if info is None:
            if entry is not None:
                await self.library.removed(asset)
            raise NotFound(f"There is no object {asset}.")
        current = listed(asset.bucket, info)
        if is_video(asset.key) and (entry is None or entry.listed != current):
            await self.library.added(asset, info.size, info.version, info.modified)
        (shown,) = await self._completed(
            [Entry(current, self._work.catalogue.record(asset.bucket, asset.key))], always=True
        )
        return AssetView.of(shown)

    def knows(self, asset: Asset) -> bool:
        """Whether the library lists an asset, as far as this process has heard."""
        return self._work.catalogue.get(asset.bucket, asset.key) is not None

    async def _completed(self, entries: list[Entry], *, always: bool = False) -> list[Entry]:
        """The entries, with statuses from the VoD bucket for those without one, until the bucket was scanned.

        `always`: also after the scan, since other tools do not announce their trees.
        """
        unknown = [entry for entry in entries if entry.record is None]
        if not unknown or (self._work.complete and not always):
            return entries
        assets = [Asset(entry.bucket, entry.key) for entry in unknown]
        records = dict(zip(assets, await asyncio.to_thread(self._work.scan_for, assets), strict=True))
        return [
            entry if entry.record is not None else entry.knowing(records[Asset(entry.bucket, entry.key)])
            for entry in entries
        ]

    def _first(self, query: Query, limit: int) -> Page:
        """The first page before any listing, from one read of the store. Raises StoreUnavailable."""
        objects, folders = self._work.listing.first(query.bucket, query.folder)
        self._work.notice(objects)
        part = Catalogue()
        part.change(objects)
        part.know({(one.bucket, one.key): self._work.catalogue.record(one.bucket, one.key) for one in objects})
        page = part.page(query, limit=limit)
        shown: list[Folder] = [] if query.is_flat else below(query.prefixes, folders)
        return Page(page.entries, shown, page.total, None)
