"""What a process may use, and what a child is told before it begins: to die with its parent, to let others go first."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

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


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends, however it ends.

    It goes by the *thread* that started the process: start children from one that lives as long as it should.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def stand_back(nice: int) -> None:
    """Gives this process's group that nice value, also against other sessions.

    Linux may share the processor between sessions, each of which counts as one however nice its processes are: then
    the session's own value matters, which is written to `autogroup`.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PGRP, 0, nice)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))
