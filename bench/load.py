"""As many requests a second as a server answers. `python -m bench.load URL` is the generator, a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from typing import cast
from urllib.parse import urlsplit

CONNECTIONS = 32
WARM_UP = 0.5  # seconds that do not count


class LoadFailed(Exception):
    """The server did not answer every request with 200."""


def requests_per_second(url: str, *, seconds: float, gzip: bool = True, connections: int = CONNECTIONS) -> float:
    """Kept-alive connections, each asking again when its answer is there: wrk where it is installed, else our own."""
    encoding = "gzip" if gzip else "identity"
    wrk = shutil.which("wrk")
    if wrk:
        header = f"Accept-Encoding: {encoding}"
        argv = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-H", header, url]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        found = re.search(r"Requests/sec:\s*([0-9.]+)", said)
        if not found or not float(found[1]) or "Non-2xx" in said or "Socket errors" in said:
            raise LoadFailed(said[-400:])
        return float(found[1])
    argv = [
        sys.executable, "-m", "bench.load", url,
        "--seconds", str(seconds), "--encoding", encoding, "--connections", str(connections),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise LoadFailed(done.stderr[-400:])
    return float(json.loads(done.stdout)["rate"])


class _Connection(asyncio.Protocol):
    """Asks, counts the bytes of the answer, asks again. Looks at nothing but the status and the length."""

    def __init__(self, request: bytes, closed: asyncio.Event) -> None:
        self._request = request
        self._closed = closed
        self._head = b""
        self._left = 0
        self.answers = 0
        self.error = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, which asyncio does not know
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._left:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
            if not head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 302 ")) or not length:
                self.fail(head.decode("latin-1")[:300])
                return
            self._left = int(length[1]) - len(body)
        else:
            self._left -= len(data)
        if not self._left:
            self.answers += 1
            self._transport.write(self._request)

    def fail(self, error: str) -> None:
        self.error = error
        self._transport.close()
        self._closed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.error = self.error or f"The server closed a connection ({error})."
        self._closed.set()


async def generate(url: str, seconds: float, encoding: str, count: int) -> float:
    """Answers a second, over `count` connections. Raises LoadFailed when one of them fails."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()
    closed = asyncio.Event()
    connections = [_Connection(request, closed) for _ in range(count)]
    loop = asyncio.get_running_loop()
    for connection in connections:
        await loop.create_connection(partial(_itself, connection), parts.hostname or "", parts.port or 80)
    await _sleep(WARM_UP, closed)
    before, begun = sum(each.answers for each in connections), time.perf_counter()
    await _sleep(seconds, closed)
    rate = (sum(each.answers for each in connections) - before) / (time.perf_counter() - begun)
    if closed.is_set():
        raise LoadFailed(next(each.error for each in connections if each.error))
    if not rate:
        raise LoadFailed(f"No answer from {url} within {seconds:g} s.")
    return rate


def _itself(connection: _Connection) -> _Connection:
    return connection


async def _sleep(seconds: float, closed: asyncio.Event) -> None:
    """That long, or until a connection is closed."""
    await asyncio.wait([asyncio.ensure_future(closed.wait())], timeout=seconds)


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser("python -m bench.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--encoding", default="gzip")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    given = parser.parse_args()
    print(json.dumps({"rate": uvloop.run(generate(given.url, given.seconds, given.encoding, given.connections))}))


if __name__ == "__main__":
    main()
