"""Requests that this system signs and sends itself: those that the SDK lacks, or sends more slowly.

The signature is in the URL and does not cover the body, so a body is neither copied nor hashed. All other requests use
the SDK's public methods (mam/store/objects.py), over the same connections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from http import HTTPStatus
from typing import Any

import urllib3

from mam.store.errors import Refused
from mam.store.signing import Place, signer_at

LIFETIME = 600  # The signature of a request that is sent at once lasts this many seconds.
_ERROR = re.compile(rb"<Error\b[^>]*>.*?<Code>(\w+)</Code>(?:.*?<Message>(.*?)</Message>)?", re.DOTALL)


def send(
    pool: urllib3.PoolManager,
    place: Place,
    method: str,
    key: str = "",
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | memoryview | None = None,
    seconds: float | None = None,
) -> bytes:
    """The body of the store's answer. `key`: '' for the bucket itself. `seconds`: a time limit instead of the pool's.

    Raises Refused, ValueError for a name that no request can carry, and urllib3's errors (see store_errors).
    """
    if {".", ".."} & set(key.split("/")):
        raise ValueError("HTTP clients take such parts out of a path")
    url = signer_at(place, method=method, query=query, expires=LIFETIME)(key)
    options: dict[str, Any] = {"timeout": seconds} if seconds else {}
    response = pool.urlopen(method, url, body=body, headers=dict(headers or {}), **options)
    error = _ERROR.search(response.data)
    # An error may have status 200: a store that joins many parts starts its answer before it knows the outcome.
    if error:
        raise Refused(error[1].decode(), unescape((error[2] or b"").decode("utf-8", "replace")))
    if response.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise Refused(f"status {response.status}")
    return bytes(response.data)
