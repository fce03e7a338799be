"""Presigned URLs (AWS Signature Version 4, query-string form) for many objects at once.

Everything but the path is the same for all segments of a playlist, so the signing key, the credential scope and the
query string are computed once. The SDK's `presigned_get_object` is the reference; a test compares the two.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import quote

from mam.settings import Settings

Sign = Callable[[str], str]


def signer(settings: Settings, *, expires: int, now: datetime | None = None) -> Sign:
    """A function from a key in the VoD bucket to a GET URL that lives `expires` seconds, for the public endpoint."""
    scheme = "https" if settings.public_secure else "http"
    host = _host_header(settings.public_endpoint, secure=settings.public_secure)
    bucket, region = settings.minio_bucket_vod, settings.minio_region
    stamp = (now or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    key = b"AWS4" + settings.minio_pwd.get_secret_value().encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={quote(f'{settings.minio_usr}/{scope}', safe='')}"
        f"&X-Amz-Date={stamp}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
    )
    tail = f"\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD".encode()
    prefix = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n".encode()

    def sign(object_key: str) -> str:
        path = f"/{bucket}/{quote(object_key, safe='/-_.~')}"
        digest = hashlib.sha256(b"GET\n" + path.encode() + tail).hexdigest()
        signature = hmac.digest(key, prefix + digest.encode(), "sha256").hex()
        return f"{scheme}://{host}{path}?{query}&X-Amz-Signature={signature}"

    return sign


def _host_header(endpoint: str, *, secure: bool) -> str:
    """The Host that clients send: without the scheme's default port."""
    return endpoint.removesuffix(":443" if secure else ":80")
