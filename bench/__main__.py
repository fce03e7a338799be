"""`python -m bench`: measures, and prints a table of ratios. Exit status 1 when a bar was missed."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import (
    CACHE,
    access,
    click,
    encode,
    fleet,
    ladder,
    library,
    memory,
    networks,
    pictures,
    planning,
    playlist,
    remux,
    segments,
    signed_viewers,
    start,
    viewers,
)
from bench.run import Run, say
from bench.stack import isolate
from bench.table import Failure, Row, markdown
from dev.servers import available_s3

LINES: dict[str, Callable[[Run], Iterator[Row]]] = {
    "remux": remux.whole,
    "remux-feature": remux.feature,
    "encode": encode.overhead,
    "sandbox": encode.contained,
    "sign": playlist.sign,
    "plan": planning.index_and_plan,
    "memory": memory.remux,
    "pictures": pictures.made,
    "cold": start.cold,
    "cold-encode": start.cold_encode,
    "seek": start.seek,
    "seek-encode": start.seek_encode,
    "ladder": ladder.start,
    "ladder-seek": ladder.seek,
    "ladder-encode": ladder.one_decode,
    "ladder-fleet": fleet.ladder_speed_up,
    "networks": networks.watched,
    "click": click.first_picture,
    "cached": playlist.cached,
    "signed": access.signed,
    "signed-viewers": signed_viewers.watching,
    "segments": segments.direct,
    "library": library.hundred_thousand,
    "viewers": viewers.thousand,
    "busy": fleet.busy,
    "cancel": fleet.cancel,
    "seams": fleet.seams,
    "fleet": fleet.speed_up,
    "processes": memory.afterwards,  # the last: after all the others
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument(
        "lines", nargs="*", metavar="LINE", help="which lines (--list shows them); all of them unless given"
    )
    parser.add_argument("--list", action="store_true", help="show which lines there are, and how they are measured")
    parser.add_argument("--quick", action="store_true", help="shorter films, fewer runs: to see whether it works")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the table as JSON too")
    parser.add_argument("--no-fail", action="store_true", help="exit status 0 even when a bar was missed")
    given = parser.parse_args(argv)
    if unknown := [name for name in given.lines if name not in LINES]:
        parser.error(f"no such line: {', '.join(unknown)} (there are: {', '.join(LINES)})")
    if given.list:
        print("\n\n".join(f"{name}\n    {measured.__doc__}".rstrip() for name, measured in LINES.items()))
        return 0
    path = given.json.absolute() if given.json else None
    with _the_only_one():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # in order, as by Ctrl-C: children are stopped
        isolate()
        _allow_many_files()
        rows = measure([name for name in LINES if not given.lines or name in given.lines], quick=given.quick)
    print(f"{machine()}{'; --quick' if given.quick else ''}\n\n{markdown(row for _, row in rows)}")
    if path:
        path.write_text(json.dumps(report(rows, quick=given.quick), indent=1) + "\n")
    return 1 if any(row.within is False for _, row in rows) and not given.no_fail else 0


def measure(names: Sequence[str], *, quick: bool) -> list[tuple[str, Row]]:
    """The rows of each line; what went wrong is a row too, and the other lines are measured all the same."""
    rows: list[tuple[str, Row]] = []
    with Run(quick=quick) as run:
        for name in names:
            begun = time.monotonic()
            try:
                for row in LINES[name](run):
                    rows.append((name, row))  # one by one: an error later takes none of them away
                    say(" | ".join(row.cells()))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is reported in the table
                rows.append((name, Failure(name, f"{type(error).__name__}: {error}")))
            say(f"{name} took {time.monotonic() - begun:.0f} s")
    return rows


def report(rows: Sequence[tuple[str, Row]], *, quick: bool) -> dict[str, Any]:
    return {"machine": machine(), "quick": quick, "lines": [{"line": name, **row.to_json()} for name, row in rows]}


def machine() -> str:
    """What it was measured on, and how busy that was."""
    load = f", load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    store = next(iter(available_s3()), "no S3 server")
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {store}{load}"


@contextmanager
def _the_only_one() -> Iterator[None]:
    """Two at once would share the cache, and disturb each other's figures."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("Another benchmark is running in this folder: wait for it, or stop it.")
        yield


def _allow_many_files() -> None:
    """As many open files as the system allows, here and in all children: a thousand viewers need a thousand sockets."""
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
