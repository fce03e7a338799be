"""Objects in buckets: reading ranges, writing, listing, removing. Errors of the store become errors of this system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from mam.errors import StoreForbids, StoreUnavailable
from mam.settings import Settings
from mam.store import connections, list_xml
from mam.store.connections import TASK, Patience
from mam.store.errors import ABSENT, DENIED, UNKNOWN_KEY, Act, Refused, store_errors
from mam.store.info import ObjectInfo
from mam.store.requests import send
from mam.store.signing import Place

CONNECTIONS = 32  # A process keeps this many connections open: more than the threads of any pool here.
NO_OBJECT = ".no-object"  # No object has this key.
NO_PLAY_KEY = "Create the key with `python -m mam store-keys` (docs/access.md)."
BROKEN_READS = 3  # A small object whose body ends early is read this often.


class Store:
    """One S3-compatible store. Safe to share between threads."""

    def __init__(self, settings: Settings, patience: Patience = TASK) -> None:
        self._place = partial(Place.inside, settings)
        self._play = Place.playing(settings)
        self._pool = connections.pool(CONNECTIONS, patience)
        self._client = Minio(
            settings.minio_endpoint,
            settings.minio_usr,
            settings.minio_pwd.get_secret_value(),
            secure=settings.minio_secure,
            region=settings.minio_region,  # without it the client repeatedly asks the store
            http_client=self._pool,
        )

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """An object's properties; None when the object or its bucket does not exist.

        Raises StoreUnavailable.
        """
        with store_errors(absent_ok=True, key=key):
            stat = self._client.stat_object(bucket, key)
            etag = (stat.etag or "").strip('"') or None
            size = stat.size or 0
            modified = stat.last_modified.isoformat() if stat.last_modified else ""
            return ObjectInfo(key, size, etag or f"{size}-{modified}", etag, _seconds(stat.last_modified))
        return None

    def get(self, bucket: str, key: str) -> bytes | None:
        """A whole small object; None when it does not exist. Raises StoreUnavailable."""
        for _ in range(BROKEN_READS):
            # rclone ends the body when the object is replaced meanwhile.
            with suppress(urllib3.exceptions.ProtocolError):
                return self._get(bucket, key)
        with store_errors():
            raise urllib3.exceptions.ProtocolError("the body ends early each time")

    def _get(self, bucket: str, key: str) -> bytes | None:
        with store_errors(absent_ok=True, passing=urllib3.exceptions.ProtocolError, key=key):
            response = self._client.get_object(bucket, key)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()
        return None

    def read(self, bucket: str, key: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        """The object's bytes from `start` to before `stop`; fewer only where it ends.

        Raises NotFound, SourceChanged when its ETag is no longer `etag`, StoreUnavailable.
        """
        if stop <= start:
            return b""
        condition: dict[str, str | list[str] | tuple[str]] | None = {"If-Match": f'"{etag}"'} if etag else None
        with store_errors(key=key):
            response = self._client.get_object(
                bucket, key, offset=start, length=stop - start, request_headers=condition
            )
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()
        raise AssertionError("unreachable")

    def put(self, bucket: str, key: str, data: bytes | memoryview, content_type: str) -> None:
        """Writes one object in one request: completely, or not at all. Raises InvalidName, StoreUnavailable.

        The SDK's `put_object` copies the data, and hashes it over plain HTTP: that takes half of the time of writing a
        segment.
        """
        headers = {"Content-Type": content_type, "Content-Length": str(len(data))}
        with store_errors(Act.WRITE):
            send(self._pool, self._place(bucket), "PUT", key, headers=headers, body=data)

    def listing(self, bucket: str, prefix: str, *, recursive: bool = True) -> Iterator[ObjectInfo]:
        """The objects below `prefix`; with `recursive` false, folders too, their keys ending in a slash.

        Raises NotFound without the bucket, StoreUnavailable.
        """
        for page in self.pages(bucket, prefix, recursive=recursive):
            yield from page

    def pages(self, bucket: str, prefix: str, *, recursive: bool = True) -> Iterator[list[ObjectInfo]]:
        """Like `listing`, up to a thousand objects at a time."""
        query = {"list-type": "2", "delimiter": "" if recursive else "/", "prefix": prefix, "max-keys": "1000"}
        query["encoding-type"] = "url"
        has_more = True
        while has_more:
            with store_errors():
                page, token = list_xml.parse(send(self._pool, self._place(bucket), "GET", query=query))
            yield page
            query["continuation-token"] = token
            has_more = bool(token)

    def buckets(self) -> list[str]:
        """The names of all buckets that the store lists. Raises StoreUnavailable."""
        with store_errors():
            return [bucket.name for bucket in self._client.list_buckets()]
        raise AssertionError("unreachable")

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Removes objects; missing ones count as removed. Raises StoreUnavailable."""
        with store_errors():
            errors = list(self._client.remove_objects(bucket, [DeleteObject(key) for key in keys]))
        failed = [error for error in errors if error.code not in ABSENT]
        if failed:
            raise StoreUnavailable(f"{failed[0].name} could not be removed: {failed[0].message}")

    def ensure_bucket(self, bucket: str) -> None:
        """Creates the bucket when it is missing. Raises StoreUnavailable."""
        with store_errors():
            if not self._client.bucket_exists(bucket):
                try:
                    self._client.make_bucket(bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise

    def check(self, bucket: str) -> None:
        """Raises StoreUnavailable unless the store answers and knows `bucket`."""
        with store_errors():
            if not self._client.bucket_exists(bucket):
                raise StoreUnavailable(f"The bucket {bucket!r} is missing.")

    def check_play_key(self) -> None:
        """Raises StoreForbids when the store does not know the play key, StoreUnavailable.

        The requested object does not exist: a store answers that it is missing, or that the key may not list.
        """
        with store_errors():
            try:
                send(self._pool, self._play, "GET", NO_OBJECT)
            except Refused as error:
                if error.code in UNKNOWN_KEY:
                    raise StoreForbids(
                        f"The object store does not accept MINIO_PLAY_USR: {error.code}.", hint=NO_PLAY_KEY
                    ) from error
                if error.code not in {*ABSENT, DENIED}:
                    raise


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0
