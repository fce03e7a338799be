"""What a child process is told before it begins: to die with its parent, and to let others go first."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

# Loaded before any fork: between fork and exec as little as possible should happen.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


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
