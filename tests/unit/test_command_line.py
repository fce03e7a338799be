"""`python3 -m mam` with whichever Python: it finds the one that has the packages, or says how to get them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.servers import ROOT

NOWHERE = "http://127.0.0.1:1/playlist.m3u8"


def mam(*arguments: str, bare: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """`bare`: by a Python without any package."""
    python = [sys.executable, *(["-I", "-S"] if bare else [])]
    begin = f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['mam', *{list(arguments)!r}]"
    argv = [*python, "-c", f"{begin}; runpy.run_module('mam', run_name='__main__', alter_sys=True)"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env={**os.environ, **env}, check=False)


@pytest.mark.parametrize("bare", [True, False])
def test_alone_it_says_what_there_is(bare: bool) -> None:
    done = mam(bare=bare)
    assert done.returncode == 0
    assert "check" in done.stdout
    assert "make run" in done.stdout


@pytest.mark.skipif(not Path(ROOT, ".venv", "bin", "python").exists(), reason="the packages are not in .venv")
def test_without_packages_it_finds_those_of_the_project() -> None:
    done = mam("check", NOWHERE)
    assert done.returncode == 2
    assert "127.0.0.1:1" in done.stderr  # it has tried
    assert "Check the URL" in done.stderr


def test_where_nothing_is_installed_it_says_what_to_do() -> None:
    done = mam("check", NOWHERE, MAM_PYTHON="as if it had been started anew")
    assert done.returncode == 3
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr
