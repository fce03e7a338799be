"""Pages of another origin, in a headless Chromium, that play a playlist with one of several players and say what
happened."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Browser, sync_playwright

PAGE = Path(__file__).with_name("player.html")
PLAYERS = {  # npm package -> what is asked of npm, and the script in it that the page loads
    "hls.js": ("hls.js@1", "dist/hls.min.js"),
    "shaka-player": ("shaka-player@5", "dist/shaka-player.compiled.js"),
    "video.js": ("video.js@8", "dist/video.min.js"),
}
HLS_PARSER = "hls-parser@0.16.1"
# Each window would load the pages of its address bar, which nobody uses: 0.6 s of a processor's time for each test.
# Chromium heeds the last such list alone, so that the rest is what Playwright's own has.
UNUSED = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *(
        "HttpsFirstBalancedModeAutoEnable",
        "LensOverlay",
        "MediaRouter",
        "PaintHolding",
        "ThirdPartyStoragePartitioning",
    ),
    *("AvoidCorsURLLoaderRestartOnRedirect", "TcpPortRandomizationWin", "OptimizationHints"),
    *("NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
)
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
    f"--disable-features={','.join(UNUSED)}",
]


def chromium() -> str | None:
    """The browser's path, or None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def install_packages(folder: Path) -> Path:
    """All players, and hls-parser, from npm; returns the folder they lie in. Raises CalledProcessError where npm cannot
    get them."""
    (folder / "package.json").write_text("{}")
    wanted = [HLS_PARSER, *(package for package, _ in PLAYERS.values())]
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *wanted],
        cwd=folder, check=True, timeout=180,
    )  # fmt: skip
    return folder / "node_modules"


@dataclass(frozen=True, slots=True)
class Appended:
    """What a player gave to a SourceBuffer at once. `offset`: seconds that the browser adds to the times in it."""

    number: int
    buffer: int
    offset: Fraction
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the page has sent so far."""

    reports: Queue[dict[str, Any]] = field(default_factory=Queue)
    appended: list[Appended] = field(default_factory=list)

    def report(self, limit: float) -> dict[str, Any]:
        try:
            said = self.reports.get(timeout=limit + 30)
        except Empty:
            said = {"failed": "the browser said nothing", "errors": []}
        appended = sorted(self.appended, key=lambda part: part.number)
        return {**said, "appended": [part for part in appended if part.number < said.get("appended", len(appended))]}


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page, and takes what it sends."""

    def __init__(self, *args: Any, heard: _Heard, **kwargs: Any) -> None:
        self._heard = heard
        super().__init__(*args, **kwargs)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = urlsplit(self.path)
        if target.path == "/result":
            self._heard.reports.put(json.loads(body))
        elif target.path == "/shot":
            (Path(self.directory) / "shot.png").write_bytes(body)
        else:
            said = {name: values[0] for name, values in parse_qs(target.query).items()}
            offset = Fraction(said["offset"]).limit_denominator(10**9)
            self._heard.appended.append(Appended(int(said["number"]), int(said["buffer"]), offset, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        pass


@contextmanager
def running() -> Iterator[Browser]:
    """A browser for many pages. While it runs, `asyncio.run` is refused in this thread."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield found
        found.close()


def play(
    browser: Browser,
    url: str,
    folder: Path,
    players: Path,
    *,
    player: str = "hls.js",
    seeks: Sequence[float] = (),
    sights: Sequence[tuple[float, float]] = (),
    rate: float = 1,
    shot: float = 0.5,
    limit: float = 60,
) -> dict[str, Any]:
    """Plays `url` to the end, or seeks and then jumps to just before it. `players`: what `install_packages` returned.

    A browser shows few pictures on a busy machine. At the end it goes back to each range of `sights`, in seconds, of
    which it has shown none.

    Returns the page's report; `failed` stands in it when it gave up. Beside what the page says there is `appended`:
    all that the browser was given to decode before the end. The picture at `shot` seconds lies in `folder`/shot.png.
    """
    asked = {"url": url, "seeks": ",".join(map(str, seeks)), "rate": rate, "shot": shot, "limit": limit}
    with _begun(browser, folder, players, player, {**asked, "sights": json.dumps(sights)}) as heard:
        return heard.report(limit)


def play_at_once(
    browser: Browser, url: str, folder: Path, players: Path, names: Sequence[str], *, limit: float, **asked: Any
) -> dict[str, dict[str, Any]]:
    """The reports of several players that play at the same time, each in a profile of its own; options as of `play`."""
    asked = {"url": url, "seeks": "", "shot": 0.5, **asked, "limit": limit}
    with ExitStack() as pages:
        heard = {name: pages.enter_context(_begun(browser, folder / name, players, name, asked)) for name in names}
        return {name: each.report(limit) for name, each in heard.items()}


@contextmanager
def _begun(browser: Browser, folder: Path, players: Path, player: str, asked: dict[str, Any]) -> Iterator[_Heard]:
    """A page that plays, in a profile of its own, and what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PAGE, folder / "player.html")
    shutil.copy(players / player / PLAYERS[player][1], folder / f"{player}.js")
    heard = _Heard()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, heard=heard, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = browser.new_context()
    try:
        address = f"http://127.0.0.1:{server.server_port}/player.html"
        profile.new_page().goto(f"{address}?{urlencode({**asked, 'player': player})}", wait_until="commit")
        yield heard
    finally:
        profile.close()
        server.shutdown()
        server.server_close()
