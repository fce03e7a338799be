"""The benchmarks: `make bench`, or `python -m bench`. One command, one table of ratios.

Nothing here is a timed test. Every line sets what the product does beside a baseline measured in the same run, in
turns with it where that is possible, so that a slow or busy machine slows both.
"""

from __future__ import annotations

from pathlib import Path

CACHE = Path(__file__).resolve().parent / ".cache"  # git-ignored; `make clean` removes it
SCRATCH = CACHE / "run"  # where one run works; emptied at its start
