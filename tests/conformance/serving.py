"""A folder over HTTP as streams are to be served: types, gzip, ranges and CORS; each can be switched off."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".m4s": "video/mp4", ".mp4": "video/mp4",
         ".vtt": "text/vtt"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manners:
    """How well the server behaves."""

    types: bool = True
    packs: bool = True
    ranges: bool = True
    cors: bool = True
    moved: bool = False  # segments lie elsewhere, and are redirected to


GOOD = Manners()


@contextmanager
def serving(folder: Path, manners: Manners = GOOD) -> Iterator[str]:
    """Serves a folder; gives its URL, without a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.path.partition("?")[0]
            if manners.moved and asked.endswith(".ts") and not asked.startswith("/moved/"):
                self._send(302, b"", {"Location": f"/moved{asked}"})
                return
            path = folder / asked.removeprefix("/moved").lstrip("/")
            if not path.is_file():
                self._send(404, b"no such file", {})
                return
            self._send_file(path)

        def _send_file(self, path: Path) -> None:
            body, status = path.read_bytes(), 200
            kind = TYPES.get(path.suffix, "") if manners.types else "application/octet-stream"
            headers = {"Content-Type": kind}
            if path.suffix == ".m3u8" and manners.packs and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body)
                headers["Content-Encoding"] = "gzip"
            if manners.ranges and (found := re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))):
                first, last = int(found[1]), int(found[2])
                headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                body, status = body[first : last + 1], 206
            self._send(status, body, headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if manners.cors:
                self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
