"""A person at a page: a tab of headless Chromium that notices whatever a person must not meet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from dev.servers import ROOT
from mam.web.assets import FOLDER
from tests.integration.system import API_KEY, Stack

UI = ROOT / "mam" / "web" / "ui"
AXE = UI / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 60_000  # milliseconds that anything may take on a machine that is busy with other tests
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}

expect.set_options(timeout=PATIENCE)


def are_built() -> bool:
    return (FOLDER / "manifest.json").is_file()


@dataclass
class Tab:
    """A tab, with what went wrong in it. `allowed`: patterns of console errors that the test provokes on purpose."""

    page: Page
    site: Stack
    console: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # requests to hosts that are neither the service nor the store
    allowed: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://{self.site.vod.address}"

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def sign_in(self, path: str = "/", *, key: str = API_KEY) -> Page:
        """Opens a page with a session. How a person gets one by typing the key is the claim of `test_sign_in.py`."""
        answer = self.page.context.request.post(
            f"{self.origin}/session", data={"api_key": key}, headers={"x-mam-request": "1"}
        )
        assert answer.ok, answer.text()
        self.page.goto(self.origin + path)
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        return self.page

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it is, as `rule: element`."""
        self.page.evaluate(axe())
        # preload copies the styles of shadow roots into a document of its own, which the page's policy forbids.
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        options = {"runOnly": tags, "preload": False}
        found: dict[str, Any] = self.page.evaluate("options => axe.run(document, options)", options)
        return [f"{rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]]

    def wrong(self) -> list[str]:
        """Console errors that no test provoked, errors nobody caught, and requests to strangers."""
        said = [line for line in self.console if not any(re.search(pattern, line) for pattern in self.allowed)]
        return said + [f"a request to {url}" for url in self.strangers]

    def watch(self) -> None:
        hosts = {self.site.vod.address, self.site.s3.server.address}

        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.console.append(f"{message.type}: {message.text} ({json.dumps(message.location)})")

        def request(asked: Request) -> None:
            url = urlsplit(asked.url)
            if url.scheme in ("http", "https", "ws", "wss") and url.netloc not in hosts:
                self.strangers.append(asked.url)

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self.page.on("request", request)


@contextmanager
def tab(browser: Browser, site: Stack, *, context: BrowserContext | None = None, **options: Any) -> Iterator[Tab]:
    """A tab in a fresh profile, or a second one in `context`. Fails when something went wrong in it unnoticed."""
    if context is None:
        # Without a GPU, each frame of an animation is painted by the processor.
        usual = {"permissions": ["clipboard-read", "clipboard-write"], "reduced_motion": "reduce"}
        own = browser.new_context(**{"viewport": DESKTOP, **usual, **options})
    page = (context or own).new_page()
    page.set_default_timeout(PATIENCE)
    found = Tab(page, site)
    found.watch()
    try:
        yield found
        assert found.wrong() == []
    finally:
        page.close()
        if context is None:
            own.close()


def sign_in(page: Page, url: str, api_key: str) -> None:
    """Opens a page and signs in there."""
    page.goto(url)
    page.get_by_label("API key").fill(api_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@cache
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `make pages`")
    return AXE.read_text("utf-8")
