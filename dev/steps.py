"""Long commands of an installation, told of in a line now and then: nobody is to wonder whether anything happens."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

SILENCE_SECONDS = 8.0  # after so long it is said that it goes on
OFTEN_SECONDS = 1.0  # between two lines
KEPT_LINES = 40  # of its output, which are shown when it fails


def run(
    argv: Sequence[str],
    *,
    doing: str,
    told: Callable[[str], str | None] = lambda line: None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> int:
    """Runs a command and tells how it gets on; returns its exit status, and shows its last lines when that is not 0.

    `doing`: what it does, as in "installing packages". `told`: what to say of a line of its output; None: nothing.
    """
    process = subprocess.Popen(
        argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    last: list[str] = []
    began = said = time.monotonic()
    at = "still at it"
    while True:
        try:
            line = lines.get(timeout=SILENCE_SECONDS)
            if line is None:
                break
            last = [*last[1 - KEPT_LINES :], line]
            news = told(line)
            at = news or at
        except queue.Empty:
            news = None
        now = time.monotonic()
        if (news and now - said >= OFTEN_SECONDS) or now - said >= SILENCE_SECONDS:
            say(f"{doing}, {now - began:.0f} s: {at}")
            said = now
    status = process.wait()
    if status:
        print(*last, sep="\n", file=sys.stderr, flush=True)
    return status


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip())
    lines.put(None)
