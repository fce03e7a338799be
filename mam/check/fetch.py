"""Fetches playlists and segments like a browser on another site, and records facts about the answers."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError  # raised by reading a raw body

from mam.errors import Unavailable

PAGE = "https://player.example"  # The site of the simulated player.
REDIRECTS = 5  # At most this many redirects are followed.
MAX_SEGMENT = 256 << 20  # A larger segment is refused: six seconds at 300 Mb/s.
MAX_PLAYLIST = 64 << 20  # A larger playlist, after decompression, is refused.
BLOCK = 1 << 16  # A body is read in blocks of this size.
TIMEOUT = (10, 150)  # Seconds to connect, and of silence: a segment of a video in the making takes a while.
GZIP = 16 + zlib.MAX_WBITS


class Unreachable(Unavailable):
    code, title = "unreachable", "There is no answer at this URL"
    hint = "Check the URL and that its server runs."


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. `open`: all answers, with redirects, allow the page to read them (CORS). `body`: without gzip."""

    url: str
    status: int
    content_type: str
    body: bytes
    gzipped: bool
    redirected: bool
    open: bool


class Client:
    """The connections of one check. Proxies of the environment are not used."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.clear()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def playlist(self, url: str) -> Answer:
        return self._follow(url, {"Accept-Encoding": "gzip"}, MAX_PLAYLIST)

    def segment(self, url: str) -> Answer:
        return self._follow(url, {"Accept-Encoding": "identity"}, MAX_SEGMENT)

    def part(self, url: str, length: int) -> Answer:
        """The first `length` bytes."""
        headers = {"Accept-Encoding": "identity", "Range": f"bytes=0-{length - 1}"}
        return self._follow(url, headers, MAX_SEGMENT)

    def _follow(self, url: str, headers: dict[str, str], limit: int) -> Answer:
        """Fetches a URL, following redirects. Raises Unreachable without a complete HTTP answer."""
        origin, readable = PAGE, True
        for hop in range(REDIRECTS + 1):
            sent_headers = {**headers, "Origin": origin}
            try:
                with self._session.get(
                    url, headers=sent_headers, allow_redirects=False, stream=True, timeout=TIMEOUT
                ) as response:
                    readable &= response.headers.get("Access-Control-Allow-Origin") in ("*", origin)
                    location = response.headers.get("Location") if 300 <= response.status_code < 400 else None
                    if location is None:
                        return _answer(url, response, limit, redirected=hop > 0, readable=readable)
            except (requests.RequestException, HTTPError, zlib.error, ValueError) as error:
                raise Unreachable(f"{place(url)}: {type(error).__name__}") from error
            url, origin = _onward(url, location, origin)
        raise Unreachable(f"{place(url)}: more than {REDIRECTS} redirects")


def _onward(url: str, location: str, origin: str) -> tuple[str, str]:
    """The target of a redirect, and the Origin that a browser sends there: "null" after a redirect between two foreign
    sites. Raises Unreachable."""
    try:
        target = urljoin(url, location)
        is_same = urlsplit(target)[:2] == urlsplit(url)[:2]
    except ValueError as error:
        raise Unreachable(f"{place(url)} redirects to what is no URL.") from error
    return target, origin if is_same else "null"


def _answer(url: str, response: requests.Response, limit: int, *, redirected: bool, readable: bool) -> Answer:
    gzipped = response.headers.get("Content-Encoding", "") == "gzip"
    unpack = zlib.decompressobj(GZIP) if gzipped else None
    body = bytearray()
    while block := response.raw.read(BLOCK, decode_content=False):  # undecoded, to limit its decompressed size
        body += unpack.decompress(block, limit + 1 - len(body)) if unpack else block
        if len(body) > limit:
            raise Unreachable(f"{place(url)}: more than {limit} bytes")
    return Answer(
        url,
        response.status_code,
        response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        bytes(body),
        gzipped,
        redirected,
        readable,
    )


def place(url: str) -> str:
    """A URL for reports: without the query of a signed one."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL at all
        return url.partition("?")[0]
    query = "" if "signature" in parts.query.lower() else parts.query
    return parts._replace(query=query, fragment="").geturl()
