"""Multipart uploads into the upload bucket, with the key that may only put objects there.

All requests are presigned, the server's own too: browsers send the parts with the same kind of signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from mam.errors import StoreUnavailable, UploadNotFound
from mam.settings import Settings
from mam.store import connections
from mam.store.errors import Act, store_errors
from mam.store.requests import send
from mam.store.signing import Place, signer_at

CONNECTIONS = 8  # A process keeps this many connections for uploads open.
COMPLETE_SECONDS = 120  # A store may take this long to join thousands of parts.
PAGE = 1000  # S3 lists at most this many at once.


@dataclass(frozen=True, slots=True)
class Part:
    """An arrived part. `etag`: the store's, without quotes."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A multipart upload that was neither completed nor aborted. `started`: Unix seconds."""

    key: str
    upload_id: str
    started: float


class Multipart:
    """The uploads of one bucket. Blocking, safe to share between threads. All methods raise StoreUnavailable."""

    def __init__(self, settings: Settings) -> None:
        if not settings.minio_upload_bucket or not settings.minio_upload_usr or not settings.minio_upload_pwd:
            raise ValueError("no upload bucket")  # Settings has checked it
        key = (settings.minio_region, settings.minio_upload_usr, settings.minio_upload_pwd)
        self.bucket = settings.minio_upload_bucket
        self._inside = Place(self.bucket, settings.minio_endpoint, settings.minio_secure, *key)
        self._outside = Place(self.bucket, settings.public_endpoint, settings.public_secure, *key)
        self._pool = connections.pool(CONNECTIONS, connections.REQUEST)

    def begin(self, key: str, content_type: str) -> str:
        """Starts an upload, and returns the store's id of it."""
        upload_id = self._call("POST", key, {"uploads": ""}, {"Content-Type": content_type}).findtext("{*}UploadId")
        if not upload_id:
            raise StoreUnavailable("The object store began no upload: its answer is no S3 answer.")
        return upload_id

    def part_url(self, key: str, upload_id: str, number: int, *, length: int, expires: int) -> str:
        """A PUT URL at the public endpoint for exactly this part, of exactly `length` bytes."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        return signer_at(self._outside, method="PUT", query=query, length=length, expires=expires)(key)

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """The arrived parts, in order. Raises UploadNotFound."""
        parts: list[Part] = []
        marker: str | None = "0"
        while marker is not None:
            query = {"uploadId": upload_id, "max-parts": str(PAGE), "part-number-marker": marker}
            page = self._call("GET", key, query)
            parts += [
                Part(int(_text(part, "PartNumber")), int(_text(part, "Size")), _text(part, "ETag").strip('"'))
                for part in page.iterfind("{*}Part")
            ]
            marker = _text(page, "NextPartNumberMarker") if _is_truncated(page) else None
        return sorted(parts, key=lambda part: part.number)

    def complete(self, key: str, upload_id: str, parts: list[Part]) -> None:
        """Makes an object of the parts. Raises UploadNotFound, and NameTaken where the store finds an object.

        MinIO checks and writes atomically; rclone ignores the condition.
        """
        listed = "".join(
            f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{escape(part.etag)}"</ETag></Part>' for part in parts
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        headers = {"Content-Type": "application/xml", "If-None-Match": "*"}
        self._call("POST", key, {"uploadId": upload_id}, headers, body, seconds=COMPLETE_SECONDS)

    def abort(self, key: str, upload_id: str) -> None:
        """Aborts an upload and removes its parts; a missing upload counts as aborted."""
        try:
            self._call("DELETE", key, {"uploadId": upload_id})
        except UploadNotFound:
            return

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        """All open uploads of the bucket whose keys begin with `prefix`, also those of other programs.

        The prefix is not sent to the store: MinIO takes it for a whole key, and lists only the uploads that it has seen
        since its start.
        """
        marker: dict[str, str] | None = {}
        while marker is not None:
            try:
                page = self._call("GET", "", {"uploads": "", "max-uploads": str(PAGE), **marker})
            except UploadNotFound:  # rclone's answer for a bucket that never had uploads
                return
            for upload in page.iterfind("{*}Upload"):
                started = datetime.fromisoformat(_text(upload, "Initiated").replace("Z", "+00:00")).timestamp()
                unfinished = Unfinished(_text(upload, "Key"), _text(upload, "UploadId"), started)
                if unfinished.key.startswith(prefix):
                    yield unfinished
            marker = None
            if _is_truncated(page):
                marker = {
                    "key-marker": _text(page, "NextKeyMarker"),
                    "upload-id-marker": _text(page, "NextUploadIdMarker"),
                }

    def _call(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        seconds: float | None = None,
    ) -> ElementTree.Element:
        with store_errors(Act.UPLOAD, key=key):
            place, options = self._inside, {"query": query, "headers": headers}
            return _parsed(send(self._pool, place, method, key, **options, body=body, seconds=seconds))
        raise AssertionError("unreachable")


def etag_of(parts: list[Part]) -> str | None:
    """The ETag that S3 gives to an object of these parts; None where the parts' ETags are no MD5 sums."""
    try:
        digest = md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    except ValueError:
        return None
    return f"{digest.hexdigest()}-{len(parts)}"


def _parsed(data: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(data or b"<Empty/>")  # noqa: S314 - from our own store; expat limits entities
    except ElementTree.ParseError as error:
        raise StoreUnavailable("The object store's answer is no S3 answer.") from error


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""


def _is_truncated(page: ElementTree.Element) -> bool:
    return _text(page, "IsTruncated") == "true"
