"""Objects in buckets: reading ranges, writing, listing, removing. Errors of the store become errors of this system."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http import HTTPStatus

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error

from mam.errors import InvalidName, MamError, NotFound, SourceChanged, StoreForbids, StoreUnavailable
from mam.settings import Settings
from mam.store import connections, list_xml
from mam.store.connections import TASK, Patience
from mam.store.info import ObjectInfo

CONNECTIONS = 32  # kept open per process: more than any pool of threads here
BROKEN_READS = 3  # tries of a small object whose body ends early
PUT_LIFETIME = timedelta(minutes=10)  # of the signature of a write: it is sent at once
MAX_FILE_NAME_BYTES = 255  # of most file systems, in which stores keep objects
DENIED = "AccessDenied"
_ABSENT = {"NoSuchKey", "NoSuchBucket", "NoSuchObject", "ResourceNotFound"}
# Names that the store cannot have: a part longer than a file's name may be, say. They are not there, either.
_IMPOSSIBLE = {"XMinioInvalidObjectName", "KeyTooLongError", "KeyTooLong", "InvalidObjectName", "InvalidBucketName"}
SKEWED = "RequestTimeTooSkewed"
LONG_HINT = (
    "Give each part of the object's name, between slashes, 240 bytes at most."  # 255 of a file, and ours behind it
)
CLOCK_HINT = "Set the clocks of this machine and of the store: signatures hold for 15 minutes around their own time."


class Store:
    """One S3-compatible store. Safe to share between threads."""

    def __init__(self, settings: Settings, patience: Patience = TASK) -> None:
        self._pool = connections.pool(CONNECTIONS, patience)
        self._client = Minio(
            settings.minio_endpoint,
            settings.minio_usr,
            settings.minio_pwd.get_secret_value(),
            secure=settings.minio_secure,
            region=settings.minio_region,  # without it the client asks the store for it, again and again
            http_client=self._pool,
        )

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """What the store knows of an object; None when it, or its bucket, is not there.

        Raises StoreUnavailable.
        """
        with _store_errors(absent_ok=True, key=key):
            found = self._client.stat_object(bucket, key)
            etag = (found.etag or "").strip('"') or None
            size = found.size or 0
            modified = found.last_modified.isoformat() if found.last_modified else ""
            return ObjectInfo(key, size, etag or f"{size}-{modified}", etag, _seconds(found.last_modified))
        return None

    def get(self, bucket: str, key: str) -> bytes | None:
        """A whole small object; None when it is not there. Raises StoreUnavailable."""
        for _ in range(BROKEN_READS):
            with suppress(urllib3.exceptions.ProtocolError):  # rclone breaks off when the object is replaced meanwhile
                return self._get(bucket, key)
        with _store_errors():
            raise urllib3.exceptions.ProtocolError("the body ends early each time")

    def _get(self, bucket: str, key: str) -> bytes | None:
        with _store_errors(absent_ok=True, passing=urllib3.exceptions.ProtocolError, key=key):
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
        with _store_errors(key=key):
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
        """Writes one object in one request: it is there whole, or not at all. Raises StoreUnavailable.

        Not by the SDK's `put_object`, which copies the data, and over plain HTTP hashes it: half of the time it takes
        to write a segment.
        """
        with _store_errors():
            url = self._client.get_presigned_url("PUT", bucket, key, expires=PUT_LIFETIME)
            headers = {"Content-Type": content_type, "Content-Length": str(len(data))}
            response = self._pool.urlopen("PUT", url, body=data, headers=headers)
        if response.status != HTTPStatus.OK:
            said = re.search(rb"<Code>(\w+)</Code>", response.data)
            reason = said[1].decode() if said else f"status {response.status}"
            if reason in _IMPOSSIBLE:
                raise InvalidName("The object store cannot hold the name.", hint=LONG_HINT)
            refused = StoreForbids if reason == DENIED else StoreUnavailable
            raise refused(f"The object store refused to write: {reason}.")

    def listing(self, bucket: str, prefix: str, *, recursive: bool = True) -> Iterator[ObjectInfo]:
        """The objects below `prefix`; with `recursive` false, folders too, their keys ending in a slash.

        Raises NotFound without the bucket, StoreUnavailable.
        """
        for page in self.pages(bucket, prefix, recursive=recursive):
            yield from page

    def pages(self, bucket: str, prefix: str, *, recursive: bool = True) -> Iterator[list[ObjectInfo]]:
        """The same, up to a thousand at a time."""
        query: dict[str, str | list[str] | tuple[str]]
        query = {"list-type": "2", "delimiter": "" if recursive else "/", "prefix": prefix, "max-keys": "1000"}
        query["encoding-type"] = "url"
        more = True
        while more:
            with _store_errors():
                answer = self._client._execute("GET", bucket, query_params=query)
                found, token = list_xml.parse(answer.data)
            yield found
            query["continuation-token"] = token
            more = bool(token)

    def buckets(self) -> list[str]:
        """The names of all buckets that the store lists. Raises StoreUnavailable."""
        with _store_errors():
            return [bucket.name for bucket in self._client.list_buckets()]
        raise AssertionError("unreachable")

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Removes objects; those that are not there count as removed. Raises StoreUnavailable."""
        with _store_errors():
            errors = list(self._client.remove_objects(bucket, [DeleteObject(key) for key in keys]))
        failed = [error for error in errors if error.code not in _ABSENT]
        if failed:
            raise StoreUnavailable(f"{failed[0].name} could not be removed: {failed[0].message}")

    def ensure_bucket(self, bucket: str) -> None:
        """Creates the bucket when it is missing. Raises StoreUnavailable."""
        with _store_errors():
            if not self._client.bucket_exists(bucket):
                try:
                    self._client.make_bucket(bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise

    def check(self, bucket: str) -> None:
        """Raises StoreUnavailable unless the store answers and knows `bucket`."""
        with _store_errors():
            if not self._client.bucket_exists(bucket):
                raise StoreUnavailable(f"The bucket {bucket!r} is missing.")


@contextmanager
def _store_errors(*, absent_ok: bool = False, passing: type[Exception] = MamError, key: str = "") -> Iterator[None]:
    """Maps what the client raises, but for `passing`. With `absent_ok`, "not there" ends the block quietly.

    `key`: that was asked for; one that no file system holds is not there, however the store puts it.
    """
    try:
        yield
    except (MamError, passing):
        raise
    except (S3Error, InvalidResponseError) as error:
        if _is_absent(error) or (_is_overlong(key) and not _is_denied(error)):
            if absent_ok:
                return
            raise NotFound("The object is not in the store.") from error
        if isinstance(error, S3Error) and error.code == "PreconditionFailed":
            raise SourceChanged("The object changed while it was read.") from error
        refused = StoreForbids if _is_denied(error) else StoreUnavailable
        hint = CLOCK_HINT if isinstance(error, S3Error) and error.code == SKEWED else None
        raise refused(f"The object store refused: {_reason(error)}.", hint=hint) from error
    except ValueError as error:  # the client's own opinion of a name
        if absent_ok:
            return
        raise NotFound("No object has such a name.") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(f"The object store cannot be reached ({type(error).__name__}).") from error


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0


def _is_overlong(key: str) -> bool:
    return any(len(part.encode()) > MAX_FILE_NAME_BYTES for part in key.split("/"))


def _is_denied(error: S3Error | InvalidResponseError) -> bool:
    return isinstance(error, S3Error) and error.code == DENIED


def _is_absent(error: S3Error | InvalidResponseError) -> bool:
    if isinstance(error, S3Error):
        return error.code in _ABSENT | _IMPOSSIBLE
    return "NoSuchBucket" in str(error) or "NoSuchKey" in str(error)  # rclone's answer has no XML type


def _reason(error: S3Error | InvalidResponseError) -> str:
    return f"{error.code}, {error.message}" if isinstance(error, S3Error) else "its answer is no S3 answer"
