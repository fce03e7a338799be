"""The documentation of both services in a browser: whole, under its policy, and from the service alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, ConsoleMessage, expect

from dev.servers import Server
from tests.integration.system import Stack


@pytest.mark.browser
@pytest.mark.parametrize("service", ["vod", "transcoder"])
def test_the_documentation_opens_and_asks_nobody_else(browser: Browser, site: Stack, service: str) -> None:
    server: Server = getattr(site, service)
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://{server.address}/docs")
    first = page.locator(".opblock-summary").first
    first.click()
    expect(page.locator(".opblock-body").first).to_be_visible()
    assert complaints == []
    assert asked
    assert all(url.startswith((f"http://{server.address}/", "data:")) for url in asked), asked
    page.close()
