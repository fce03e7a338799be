"""One browser for all tests of pages in a test process; each test has tabs of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import chromium, running
from tests.integration.system import Stack
from tests.pages.browsing import Tab, are_built, tab


@pytest.fixture(scope="package")  # not longer: while playwright runs, asyncio.run() is refused in this thread
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium here")
    if not are_built():
        pytest.skip("the pages are not built: run `make pages`")
    with running() as found:
        yield found


@pytest.fixture
def site(one_stack: Stack) -> Stack:
    """The running system that pages are looked at of."""
    return one_stack


@pytest.fixture
def person(browser: Browser, site: Stack) -> Iterator[Tab]:
    """A person at a desktop computer, not signed in."""
    with tab(browser, site) as found:
        yield found
