"""Cores and memory that a process may use, and what it sets for itself and its children as it starts."""

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
# In bytes. Without a limit, version 1 of control groups reports a number near 2^63, in whole pages.
UNLIMITED = 1 << 60

# The library is loaded before any fork: as little as possible should happen between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@cache
def cores() -> int:
    """Processor cores that this process may use: in a container mostly fewer than the machine has."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(quota(Path("/sys/fs/cgroup")) or allowed)))


def quota(cgroup: Path) -> float | None:
    """Cores that a container is limited to; None without a limit. `cgroup`: the container's own control group."""
    with suppress(OSError, ValueError):
        limit, period = (cgroup / "cpu.max").read_text().split()  # Version 2 writes 'max' without a limit.
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
    """Bytes that a container is limited to; None without a limit. `cgroup`: the container's own control group."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # Version 2 writes 'max' without a limit.
        with suppress(OSError, ValueError):
            limit = int((cgroup / file).read_text())
            return limit if limit < UNLIMITED else None
    return None


def fitting(size: int) -> int:
    """Processes of `size` bytes to start: one per core, as far as the container's memory allows, but at least one."""
    limit = memory()
    return cores() if limit is None else max(1, min(cores(), limit // size))


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends, however it ends.

    Linux watches the *thread* that started the process: start children from a thread that lives long enough.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def stand_back(nice: int, leader: int = 0) -> None:
    """Sets the nice value of a process group, and of its session. `leader`: the group's pid, or 0 for this process.

    Linux may share the processor between sessions, and each counts as one however nice its processes are. Then the
    session's own value matters, which is written to `autogroup`.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PGRP, leader, nice)
    with suppress(OSError):
        Path(f"/proc/{leader or 'self'}/autogroup").write_text(str(nice))


def forget_environment(keep: Callable[[str], bool]) -> None:
    """Removes the variables that `keep` refuses, also from /proc/PID/environ of this process and of its forks."""
    for name in [name for name in os.environ if not keep(name)]:
        del os.environ[name]
    with suppress(OSError, ValueError, IndexError):
        # The third field of proc(5) follows the command's name, which may hold anything; fields 50 and 51 are used.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[47]), int(fields[48])
        if begin:
            _blank(begin, ctypes.string_at(begin, end - begin), keep)


def _blank(begin: int, environment: bytes, keep: Callable[[str], bool]) -> None:
    """Overwrites `NAME=value` strings, which lie in memory from `begin` on, one behind another."""
    position = begin
    for entry in environment.split(b"\0"):
        name, equals, _ = entry.partition(b"=")
        if equals and not keep(os.fsdecode(name)):
            ctypes.memset(position, 0, len(entry))
        position += len(entry) + 1
