"""Makes a virtual environment and installs packages into it: `python -m dev.install .venv requirements-dev.txt`.

With the Python that the machine has: nothing is installed yet.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from dev import steps

PIP = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]


def main(folder: str, requirements: str) -> int:
    steps.say("installing Python packages, once: some 300 MB to download")
    status = steps.run([sys.executable, "-m", "venv", folder], doing=f"making {folder}")
    python = str(Path(folder) / "bin" / "python")
    return status or steps.run([python, *PIP, "-r", requirements], doing="packages", told=told)


def told(line: str) -> str | None:
    """What a line of pip's is worth: `Collecting numpy>=2.0 (from …)`, `Downloading numpy-2.1-….whl (16.4 MB)`."""
    word, _, rest = line.strip().partition(" ")
    if word == "Collecting":
        return f"looking for {re.split(r'[^A-Za-z0-9._-]', rest)[0]}"
    if word == "Downloading":
        name, _, size = rest.partition(" ")
        return f"downloading {name.rpartition('/')[2].partition('-')[0]} {size}"
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
