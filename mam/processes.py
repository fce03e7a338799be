"""What a process may use, what a child is told before it begins, and what a process forgets."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
UNLIMITED = 1 << 60  # bytes: what version 1 of control groups says without a limit is near 2^63, in whole pages

# Loaded before any fork: between fork and exec as little as possible should happen.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@cache
def cores() -> int:
    """Of the processor, as far as this process may use them: in a container mostly fewer than the machine has."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(quota(Path("/sys/fs/cgroup")) or allowed)))


def quota(cgroup: Path) -> float | None:
    """Cores that a container is limited to; None where it is not. `cgroup`: where a container finds its own."""
    with suppress(OSError, ValueError):
        limit, period = (cgroup / "cpu.max").read_text().split()  # version 2: 'max' without a limit
        return int(limit) / int(period)
    with suppress(OSError, ValueError):
        limit, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(limit) / int(period) if int(limit) > 0 else None
    return None


@cache
def memory() -> int | None:
    """Bytes that this process's container may use; None where nothing limits it."""
    return memory_limit(Path("/sys/fs/cgroup"))


def memory_limit(cgroup: Path) -> int | None:
    """Bytes that a container is limited to; None where it is not. `cgroup`: where a container finds its own."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # version 2: 'max' without a limit; version 1
        with suppress(OSError, ValueError):
            limit = int((cgroup / file).read_text())
            return limit if limit < UNLIMITED else None
    return None


def fitting(size: int) -> int:
    """Processes of `size` bytes to start: one per core, as far as the container's memory allows, and one at least."""
    limit = memory()
    return cores() if limit is None else max(1, min(cores(), limit // size))


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends, however it ends.

    It goes by the *thread* that started the process: start children from one that lives as long as it should.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def stand_back(nice: int, leader: int = 0) -> None:
    """Gives a process's group that nice value, also against other sessions. `leader`: its pid; 0 is this process.

    Linux may share the processor between sessions, each of which counts as one however nice its processes are: then
    the session's own value matters, which is written to `autogroup`.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PGRP, leader, nice)
    with suppress(OSError):
        Path(f"/proc/{leader or 'self'}/autogroup").write_text(str(nice))


def forget_environment(keep: Callable[[str], bool]) -> None:
    """Removes the variables that are not to be kept.

    Also from what the system shows of this process, and of those that it forks: /proc/PID/environ.
    """
    for name in [name for name in os.environ if not keep(name)]:
        del os.environ[name]
    with suppress(OSError, ValueError, IndexError):
        # Behind the command's name, which may hold anything: fields 50 and 51 of proc(5), from the third on.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[47]), int(fields[48])
        if begin:
            _blank(begin, ctypes.string_at(begin, end - begin), keep)


def _blank(begin: int, environment: bytes, keep: Callable[[str], bool]) -> None:
    """Overwrites `NAME=value` strings that lie in memory at `begin`, one behind another."""
    at = begin
    for entry in environment.split(b"\0"):
        name, equals, _ = entry.partition(b"=")
        if equals and not keep(os.fsdecode(name)):
            ctypes.memset(at, 0, len(entry))
        at += len(entry) + 1
