"""What npm has for these tests, installed once per session, also where several processes run its tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import chromium, install_packages, running


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the packages of npm lie in."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("no node and npm here")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "npm"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = folder / "installed" / "node_modules"
        try:
            if not installed.exists():
                scratch = tmp_path_factory.mktemp("npm-install")
                install_packages(scratch)
                scratch.replace(installed.parent)  # whole or not at all
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm cannot get the players: {error}")
        return installed


@pytest.fixture(scope="package")  # not longer: while playwright runs, asyncio.run() is refused in this thread
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium here")
    with running() as found:
        yield found


@pytest.fixture(scope="session")
def players(packages: Path) -> Path:
    """The folder that the players lie in, where there is a browser for them."""
    if chromium() is None:
        pytest.skip("no Chromium here")
    return packages
