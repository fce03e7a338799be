"""Listings of the videos in the source buckets: of all, or quickly of the first few. Blocking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from mam.errors import NotFound, StoreForbids
from mam.library.folders import Folder
from mam.library.videos import Listed, is_video, mark
from mam.settings import Settings
from mam.store.info import ObjectInfo
from mam.store.objects import Store

AT_ONCE = 4  # This many listings run at a time.
SPREAD = 64  # Up to this many top folders of a bucket are listed in parallel; with more, a single listing is quicker.
PAGE = 1000  # A store lists this many objects at a time.

TOP = "/"  # This prefix stands for the objects at the top of a bucket: no usable key begins with it.

log = logging.getLogger(__name__)
Alive = Callable[[], None]


class Listing:
    """Lists the source buckets."""

    def __init__(self, settings: Settings, store: Store, *, patient: Store | None = None) -> None:
        """`patient`: a client for listing everything; `store` by default."""
        self._settings = settings
        self._store = store
        self._patient = patient or store

    def buckets(self) -> list[str]:
        """The buckets whose assets may become streams. Raises StoreUnavailable."""
        return self._buckets(self._store)

    def _buckets(self, store: Store) -> list[str]:
        names = self._settings.minio_source_buckets
        names = store.buckets() if names is None else names
        return sorted({name for name in names if self._settings.may_stream(name)})

    def all(self, alive: Alive) -> Iterator[Listed]:
        """Every video, in no order. `alive`: called repeatedly; an error that it raises ends the listing.

        Raises StoreUnavailable.
        """
        with ThreadPoolExecutor(AT_ONCE, "listing") as pool:
            parts = [(bucket, prefix) for bucket in self._buckets(self._patient) for prefix in self._parts(bucket)]
            for videos in pool.map(lambda part: list(self._below(part[0], part[1], alive)), parts):
                yield from videos

    def first(self, bucket: str, folder: str) -> tuple[list[Listed], list[Folder]]:
        """The videos and subfolders of a folder on the first page of a listing, in one bucket or ('') in all."""
        videos: list[Listed] = []
        folders: list[Folder] = []
        buckets = self.buckets() if not bucket else [bucket]
        for name in buckets:
            for info in islice(self._in_folder(self._store, name, folder), PAGE):
                if info.key.endswith("/") and info.key != folder:
                    folders.append(Folder(name, info.key, None))
                elif is_video(info.key):
                    videos.append(listed(name, info))
        if len(buckets) > 1 and not folder:
            folders = [Folder(name, "", None) for name in buckets]
        return videos, folders

    def _parts(self, bucket: str) -> list[str]:
        """Prefixes that cover the whole bucket: its top folders, and TOP for the objects beside them."""
        top = list(islice(self._in_folder(self._patient, bucket, ""), PAGE))
        folders = [info.key for info in top if info.key.endswith("/")]
        if len(top) == PAGE or not 1 < len(folders) <= SPREAD:
            return [""]
        return [*folders, TOP]

    def _below(self, bucket: str, prefix: str, alive: Alive) -> Iterator[Listed]:
        for infos in self._pages(bucket, prefix):
            alive()
            yield from (listed(bucket, info) for info in infos if is_video(info.key))

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[ObjectInfo]]:
        if prefix == TOP:
            yield list(self._in_folder(self._patient, bucket, ""))
            return
        with _empty_if_unlistable(bucket):
            yield from self._patient.pages(bucket, prefix)

    def _in_folder(self, store: Store, bucket: str, folder: str) -> Iterator[ObjectInfo]:
        """The objects and subfolders directly in a folder."""
        with _empty_if_unlistable(bucket):
            yield from store.listing(bucket, folder, recursive=False)


@contextmanager
def _empty_if_unlistable(bucket: str) -> Iterator[None]:
    """Ends a listing without an error where the bucket is missing, or may be read but not listed."""
    try:
        yield
    except NotFound:
        return
    except StoreForbids:
        log.warning("a source bucket may not be listed", extra={"bucket": bucket})


def listed(bucket: str, info: ObjectInfo) -> Listed:
    return Listed(bucket, info.key, info.size, info.modified, mark(info.version))
