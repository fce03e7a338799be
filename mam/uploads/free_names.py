"""Free names for new uploads: names without an object or another upload."""

from __future__ import annotations

import asyncio

from mam.errors import InvalidName, NameTaken
from mam.naming import Asset, stem
from mam.store.objects import Store
from mam.uploads import naming
from mam.uploads.records import Records


class FreeNames:
    """Finds free names in one bucket."""

    def __init__(self, store: Store, records: Records, bucket: str) -> None:
        self._store = store
        self._records = records
        self._bucket = bucket

    def check_folder(self, folder: str) -> None:
        """Raises InvalidName where a part of the path is a file: MinIO would not list objects below it."""
        parts = folder.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if self._store.head(self._bucket, path):
                raise InvalidName(f"{path!r} is a file.", hint="Choose another folder.")

    async def take(self, folder: str, name: str, upload: str) -> str:
        """A key without an object or another upload, held for this upload for NAMING_SECONDS.

        `folder`: with the prefix of all uploads. Raises NameTaken.
        """
        for candidate in naming.other_names(name):
            key = f"{folder}{candidate}"
            naming.check(Asset(self._bucket, key))
            claim = naming.claim(key)
            if not await self._records.hold(claim, upload):
                continue
            if not await asyncio.to_thread(self._is_taken, key):
                return key
            await self._records.release(claim, upload)
        raise NameTaken(f"{name!r} is taken, and so are its names with numbers.", hint="Choose another name.")

    def _is_taken(self, key: str) -> bool:
        """Whether an object or a folder has the key, or another medium has its stem."""
        neighbours = {info.key for info in self._store.listing(self._bucket, f"{stem(key)}.", recursive=False)}
        if neighbours & {key, f"{key}/"}:
            return True
        return naming.is_media(key) and any(naming.is_media(other) and stem(other) == stem(key) for other in neighbours)
