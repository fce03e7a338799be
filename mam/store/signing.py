"""Presigned URLs (AWS Signature Version 4, query-string form) for many objects at once.

Everything but the path is the same for all segments of a playlist, so the signing key, the credential scope and the
query string are computed once. The SDK's `presigned_get_object` is the reference; a test compares the two.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

from pydantic import SecretStr

from mam.settings import Settings

Sign = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, its endpoint, and the key for it."""

    bucket: str
    endpoint: str
    secure: bool
    region: str
    user: str
    secret: SecretStr

    @classmethod
    def inside(cls, settings: Settings, bucket: str) -> Place:
        """A bucket at this system's own endpoint, with its own key."""
        return cls(bucket, settings.minio_endpoint, settings.minio_secure, settings.minio_region, *settings.store_key)

    @classmethod
    def playing(cls, settings: Settings) -> Place:
        """The VoD bucket at this system's own endpoint, with the play key."""
        bucket, endpoint, secure = settings.minio_bucket_vod, settings.minio_endpoint, settings.minio_secure
        return cls(bucket, endpoint, secure, settings.minio_region, *settings.play_key)


def download_url(settings: Settings, bucket: str, key: str, *, name: str, expires: int) -> str:
    """A GET URL of an object at the public endpoint, which browsers save under a name."""
    place = Place(bucket, settings.public_endpoint, settings.public_secure, settings.minio_region, *settings.store_key)
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"  # RFC 6266
    return signer_at(place, expires=expires, query={"response-content-disposition": disposition})(key)


def signer(settings: Settings, *, expires: int, now: datetime | None = None) -> Sign:
    """A function from a key in the VoD bucket to a GET URL at the public endpoint, valid for `expires` seconds.

    The play key signs, as all URLs are for viewers.
    """
    place = Place(
        settings.minio_bucket_vod,
        settings.public_endpoint,
        settings.public_secure,
        settings.minio_region,
        *settings.play_key,
    )
    return signer_at(place, expires=expires, now=now)


def signer_at(
    place: Place,
    *,
    expires: int,
    method: str = "GET",
    query: Mapping[str, str] | None = None,
    length: int | None = None,
    now: datetime | None = None,
) -> Sign:
    """A function from a key to a URL for one kind of request; the empty key is the bucket itself.

    `query`: further signed parameters; their names begin with a small letter, so that they sort after those of the
    signature. `length`: the only Content-Length that the store accepts.
    """
    scheme = "https" if place.secure else "http"
    host = _host_header(place.endpoint, secure=place.secure)
    bucket, region = place.bucket, place.region
    extra = "".join(f"&{name}={quote(value, safe='-_.~')}" for name, value in sorted((query or {}).items()))
    headers = ["host"] if length is None else ["content-length", "host"]
    values = f"host:{host}\n" if length is None else f"content-length:{length}\nhost:{host}\n"
    stamp = (now or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    key = b"AWS4" + place.secret.get_secret_value().encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={quote(f'{place.user}/{scope}', safe='')}"
        f"&X-Amz-Date={stamp}&X-Amz-Expires={expires}&X-Amz-SignedHeaders={'%3B'.join(headers)}{extra}"
    )
    head, tail = f"{method}\n".encode(), f"\n{signed}\n{values}\n{';'.join(headers)}\nUNSIGNED-PAYLOAD".encode()
    prefix = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n".encode()

    def sign(object_key: str) -> str:
        path = f"/{bucket}/{quote(object_key, safe='/-_.~')}"
        digest = hashlib.sha256(head + path.encode() + tail).hexdigest()
        signature = hmac.digest(key, prefix + digest.encode(), "sha256").hex()
        return f"{scheme}://{host}{path}?{signed}&X-Amz-Signature={signature}"

    return sign


def _host_header(endpoint: str, *, secure: bool) -> str:
    """The Host that clients send: without the scheme's default port."""
    return endpoint.removesuffix(":443" if secure else ":80")
