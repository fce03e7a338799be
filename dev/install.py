"""Installs the packages of a requirements file into this Python: `python -m dev.install requirements-dev.txt`."""

from __future__ import annotations

import sys

from dev import steps


def main(requirements: str) -> int:
    steps.say("installing Python packages into .venv, once (some 300 MB to download)")
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return steps.run([*pip, "-r", requirements], doing="packages", told=told)


def told(line: str) -> str | None:
    """What a line of pip's is worth: `Collecting numpy>=2.0 (from …)`, `Downloading numpy-2.1-….whl (16.4 MB)`."""
    word, _, rest = line.strip().partition(" ")
    if word in ("Collecting", "Downloading"):
        name, _, size = rest.partition(" ")
        return f"{word.lower()} {name.rpartition('/')[2]}{f' {size}' if word == 'Downloading' and size else ''}"
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
