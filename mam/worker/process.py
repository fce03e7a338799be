"""How a worker's processes start: they forget the operator's environment, share memory, and report to the service."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from contextlib import suppress

from mam.jobs.worker_environment import READY_PIPE, is_kept
from mam.processes import cores, forget_environment
from mam.sandbox import box
from mam.settings import worker_settings

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # <malloc.h>
LARGE_BLOCK, KEPT_FREE = 32 << 20, 32 << 20  # bytes: larger blocks, and free memory beyond that, return to the system
SLOTS = "MAM_WORKER_SLOTS"  # This environment variable tells a worker's processes how many of them there are.

log = logging.getLogger(__name__)


def settle() -> None:
    """Runs in a worker's main process before it forks: reads the settings, then clears the environment of them.

    The child processes inherit the settings.
    """
    worker_settings()
    forget_environment(is_kept)
    box.hide()


def refuse_restarts() -> None:
    """Celery would restart on SIGHUP, in an environment that no longer has the settings."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:  # with a terminal, that ends the worker, as it should
        signal.signal(signal.SIGHUP, lambda *_: log.warning("SIGHUP is ignored: stop the worker, and start another"))


def share_memory() -> None:
    """Limits glibc to two memory arenas for all threads, and has them keep freed memory for reuse.

    A segment is a few megabytes, and several threads make segments. By default each thread keeps an arena of its own,
    and the memory of every segment comes fresh from the system, which takes as long as making the segment.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            for option, value in ((M_ARENA_MAX, 2), (M_MMAP_THRESHOLD, LARGE_BLOCK), (M_TRIM_THRESHOLD, KEPT_FREE)):
                mallopt(option, value)


def say_ready() -> None:
    """Tells the service that started this worker that it takes tasks."""
    pipe = os.environ.pop(READY_PIPE, None)
    if pipe is not None:
        os.write(int(pipe), b"1")
        os.close(int(pipe))


def count_slots(slots: int) -> None:
    """Records how many processes a worker is about to start."""
    os.environ[SLOTS] = str(slots)


def slots() -> int:
    """The number of processes of this worker; outside a worker, the number of cores."""
    return max(1, int(os.environ.get(SLOTS, cores())))
