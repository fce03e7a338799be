"""One browser for all tests of pages in a test process; each test has tabs of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browser import FLAGS, chromium
from tests.integration.system import Stack
from tests.pages.browsing import Tab, are_built, tab


@pytest.fixture(scope="package")  # not longer: while playwright runs, asyncio.run() is refused in this thread
def browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        pytest.skip("no Chromium here")
    if not are_built():
        pytest.skip("the pages are not built: run `make pages`")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def site(one_stack: Stack) -> Stack:
    """The running system that pages are looked at of."""
    return one_stack


@pytest.fixture
def person(browser: Browser, site: Stack) -> Iterator[Tab]:
    """A person at a desktop computer, not signed in."""
    with tab(browser, site) as found:
        yield found
