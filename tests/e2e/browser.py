"""A headless Chromium that plays a playlist with hls.js from another origin, and says what happened."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import urlencode

PAGE = Path(__file__).with_name("player.html")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


def chromium() -> str | None:
    """The browser's path, or None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def install_hls_js(folder: Path) -> Path:
    """hls.js from npm. Raises CalledProcessError where npm cannot get it."""
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "hls.js@1"],
        cwd=folder, check=True, timeout=120,
    )  # fmt: skip
    return folder / "node_modules" / "hls.js" / "dist" / "hls.min.js"


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page, and takes its report."""

    def __init__(self, *args: Any, reports: Queue[dict[str, Any]], **kwargs: Any) -> None:
        self._reports = reports
        super().__init__(*args, **kwargs)

    def do_POST(self) -> None:
        self._reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        pass


def play(url: str, folder: Path, hls_js: Path, *, seeks: Sequence[float] = (), limit: float = 60) -> dict[str, Any]:
    """Plays `url`, seeks, goes on to the end. Returns the page's report; `failed` stands in it when it gave up."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PAGE, folder / "player.html")
    shutil.copy(hls_js, folder / "hls.js")
    browser = chromium()
    assert browser is not None
    reports: Queue[dict[str, Any]] = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, reports=reports, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    query = urlencode({"url": url, "seeks": ",".join(map(str, seeks)), "limit": limit})
    page = f"http://127.0.0.1:{server.server_port}/player.html?{query}"
    process = subprocess.Popen(
        [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", page],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return reports.get(timeout=limit + 30)
    except Empty:
        return {"failed": "the browser said nothing", "errors": []}
    finally:
        process.terminate()
        process.wait(10)
        server.shutdown()
        server.server_close()
