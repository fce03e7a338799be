"""What npm has for these tests, installed once per session."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.browser import chromium, install_packages


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the packages of npm lie in."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("no node and npm here")
    try:
        return install_packages(tmp_path_factory.mktemp("npm"))
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"npm cannot get the players: {error}")


@pytest.fixture(scope="session")
def players(packages: Path) -> Path:
    """The folder that the players lie in, where there is a browser for them."""
    if chromium() is None:
        pytest.skip("no Chromium here")
    return packages
