"""HTTP answers with a playlist: gzip as stored, conditional, cacheable for a while."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from mam.cache.store import CachedPlaylist
from mam.hls.playlist import CONTENT_TYPE

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


class Answers:
    """All possible answers with one playlist, made once per read of the cache and shared by its requests."""

    def __init__(self, playlist: CachedPlaylist) -> None:
        self.playlist = playlist

    def to(self, headers: Iterable[tuple[bytes, bytes]]) -> Answer:
        """The answer to a request with these headers: full or 304, gzip or plain."""
        accept_encoding = if_none_match = b""
        for name, value in headers:
            if name == b"accept-encoding":
                accept_encoding = value
            elif name == b"if-none-match":
                if_none_match = value
        full, unchanged = self._gzip if b"gzip" in accept_encoding else self._plain
        return unchanged if if_none_match and _matches(if_none_match, dict(full.headers)[b"etag"]) else full

    @cached_property
    def _etag(self) -> str:
        return hashlib.blake2b(self.playlist.body, digest_size=10).hexdigest()

    @cached_property
    def _gzip(self) -> tuple[Answer, Answer]:
        extra = [(b"content-encoding", b"gzip")]
        return _pair(self.playlist.body, f'"{self._etag}-gzip"', self.playlist.max_age, extra)

    @cached_property
    def _plain(self) -> tuple[Answer, Answer]:
        return _pair(gzip.decompress(self.playlist.body), f'"{self._etag}"', self.playlist.max_age, [])


def _pair(body: bytes, etag: str, max_age: int, extra: Headers) -> tuple[Answer, Answer]:
    caching = f"private, max-age={max_age}" if max_age else "private, no-cache"
    shared = [(b"etag", etag.encode()), (b"cache-control", caching.encode()), (b"vary", b"Accept-Encoding")]
    described = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *extra,
        *shared,
    ]
    return Answer(200, described, body), Answer(304, shared, b"")


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    """If-None-Match, RFC 9110 section 13.1.2: a list, compared weakly."""
    tags = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return b"*" in tags or etag in tags
