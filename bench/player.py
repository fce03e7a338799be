"""A player as far as the network sees it: the playlist, then segments, redirects followed, connections kept."""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import accumulate
from urllib.parse import urljoin, urlsplit

from bench.stack import BenchError

TIMEOUT = 900  # seconds
REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """A media playlist. `starts[n]`, `durations[n]`: seconds of segment n."""

    uris: tuple[str, ...]
    durations: tuple[float, ...]

    @property
    def starts(self) -> tuple[float, ...]:
        return tuple(accumulate(self.durations, initial=0.0))[:-1]

    @classmethod
    def parse(cls, text: str, url: str) -> Stream:
        """Raises BenchError for anything but a finished media playlist."""
        lines = text.splitlines()
        if not lines or lines[0] != "#EXTM3U" or "#EXT-X-ENDLIST" not in lines:
            raise BenchError(f"No VOD playlist: {text[:200]!r}")
        uris = tuple(urljoin(url, line) for line in lines if line and not line.startswith("#"))
        seconds = tuple(float(line[8:].split(",")[0]) for line in lines if line.startswith("#EXTINF:"))
        return cls(uris, seconds)


class Player:
    """One viewer: a new one has no connections yet."""

    def __init__(self) -> None:
        self._connections: dict[str, HTTPConnection] = {}

    def open(self, url: str) -> Stream:
        """Fetches a playlist."""
        return Stream.parse(self.fetch(url, {"Accept-Encoding": "gzip"}).decode(), url)

    def start(self, url: str) -> tuple[float, Stream]:
        """Seconds from asking for the playlist to the last byte of the first segment; and the playlist."""
        begun = time.perf_counter()
        stream = self.open(url)
        if not self.fetch(stream.uris[0]):
            raise BenchError("The first segment is empty.")
        return time.perf_counter() - begun, stream

    def seconds_of(self, url: str) -> float:
        """Seconds to fetch a segment."""
        begun = time.perf_counter()
        self.fetch(url)
        return time.perf_counter() - begun

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> bytes:
        """A body, wherever redirects lead. Raises BenchError unless it comes with status 200."""
        for _ in range(REDIRECTS):
            parts = urlsplit(url)
            if parts.netloc not in self._connections:
                self._connections[parts.netloc] = HTTPConnection(parts.netloc, timeout=TIMEOUT)
            connection = self._connections[parts.netloc]
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request("GET", target, headers=headers or {})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, answer.getheader("Location", ""))
                continue
            if answer.status != 200:
                raise BenchError(f"GET {parts.path} answered {answer.status}: {body[:300]!r}")
            return gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body
        raise BenchError(f"More than {REDIRECTS} redirects from {url}")
