"""The source buckets' videos as the store lists them: all of them, or quickly the first few. Blocking."""

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

AT_ONCE = 4  # listings that go on at a time
SPREAD = 64  # folders at the top of a bucket that are listed side by side; more, and one listing of all is quicker
PAGE = 1000  # objects that a store gives at a time

TOP = "/"  # stands for the objects at the top of a bucket: no usable key begins with it

log = logging.getLogger(__name__)
Alive = Callable[[], None]


class Listing:
    """Lists what there is."""

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
        """Every video, in no order. `alive`: called again and again; what it raises ends the listing.

        Raises StoreUnavailable.
        """
        with ThreadPoolExecutor(AT_ONCE, "listing") as pool:
            parts = [(bucket, prefix) for bucket in self._buckets(self._patient) for prefix in self._parts(bucket)]
            for found in pool.map(lambda part: list(self._below(part[0], part[1], alive)), parts):
                yield from found

    def first(self, bucket: str, folder: str) -> tuple[list[Listed], list[Folder]]:
        """What the first page of one listing shows of a folder, in this bucket or ('') in all: objects and folders."""
        found: list[Listed] = []
        folders: list[Folder] = []
        buckets = self.buckets() if not bucket else [bucket]
        for name in buckets:
            for info in islice(self._listed(self._store, name, folder), PAGE):
                if info.key.endswith("/") and info.key != folder:
                    folders.append(Folder(name, info.key, None))
                elif is_video(info.key):
                    found.append(listed(name, info))
        if len(buckets) > 1 and not folder:
            folders = [Folder(name, "", None) for name in buckets]
        return found, folders

    def _parts(self, bucket: str) -> list[str]:
        """Prefixes that together hold the whole bucket: its folders, and TOP for what lies beside them."""
        top = list(islice(self._listed(self._patient, bucket, ""), PAGE))
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
            yield list(self._listed(self._patient, bucket, ""))
            return
        with _nothing_where_it_may_not_be_listed(bucket):
            yield from self._patient.pages(bucket, prefix)

    def _listed(self, store: Store, bucket: str, folder: str) -> Iterator[ObjectInfo]:
        """What lies directly in a folder."""
        with _nothing_where_it_may_not_be_listed(bucket):
            yield from store.listing(bucket, folder, recursive=False)


@contextmanager
def _nothing_where_it_may_not_be_listed(bucket: str) -> Iterator[None]:
    """A bucket that is not there, or may be read and not listed, shows nothing."""
    try:
        yield
    except NotFound:
        return
    except StoreForbids:
        log.warning("a source bucket may not be listed", extra={"bucket": bucket})


def listed(bucket: str, info: ObjectInfo) -> Listed:
    return Listed(bucket, info.key, info.size, info.modified, mark(info.version))
