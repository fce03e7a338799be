"""Processes as /proc shows them: who descends from whom, how much memory each has, how much it has worked."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError)  # ended between two looks


def available() -> bool:
    """Whether this system says such things at all."""
    return sys.platform == "linux"


def tree(pid: int) -> list[int]:
    """The process and all that descend from it, parents first."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(*GONE):
                children[_parent(int(entry.name))].append(int(entry.name))
    found = [pid]
    for one in found:  # grows while it is walked
        found += sorted(children[one])
    return found


def words(pid: int) -> list[str]:
    """Its command line; empty when it has ended."""
    with suppress(*GONE):
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def resident(pid: int) -> int:
    """Bytes of memory it has now (VmRSS); 0 when it has ended."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most bytes it ever had (VmHWM), or had since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Starts VmHWM anew, at what the process has now (proc(5), clear_refs)."""
    with suppress(*GONE):
        (PROC / str(pid) / "clear_refs").write_text("5")


def worked(pids: list[int]) -> int:
    """Clock ticks (1/100 s) of CPU time that these processes have used."""
    return sum(_ticks(pids))


def worked_with_children(pids: list[int]) -> int:
    """The same, with that of all their children that have ended."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            total += sum(map(int, _stat(pid)[11:15]))  # utime, stime, cutime, cstime
    return total


def _ticks(pids: list[int]) -> Iterator[int]:
    for pid in pids:
        with suppress(*GONE):
            fields = _stat(pid)
            yield int(fields[11]) + int(fields[12])  # utime, stime


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """The fields of stat(5) behind the name, which may hold anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _status(pid: int, field: str) -> int:
    with suppress(*GONE):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0
