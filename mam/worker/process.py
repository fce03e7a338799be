"""What a worker's processes do as they start: forget the operator's environment, share memory, report for work."""

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
LARGE_BLOCK, KEPT_FREE = 32 << 20, 32 << 20  # bytes: larger blocks, and more free memory than that, go back
SLOTS = "MAM_WORKER_SLOTS"  # environment of a worker's processes: how many they are

log = logging.getLogger(__name__)


def settle() -> None:
    """In a worker's main process, before it starts its others: reads the settings, then forgets where they came from.

    Its children inherit what it read.
    """
    worker_settings()
    forget_environment(is_kept)
    box.hide()


def refuse_restarts() -> None:
    """Celery would begin again on SIGHUP, with an environment that no longer has the settings."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:  # with a terminal, that ends the worker, as it should
        signal.signal(signal.SIGHUP, lambda *_: log.warning("SIGHUP is ignored: stop the worker, and start another"))


def share_memory() -> None:
    """Has threads share two of glibc's arenas, and those keep what is used over and over.

    A segment is a few megabytes, and several threads make segments: left alone, each thread keeps what it once needed,
    and every segment's memory comes fresh from the system, which takes as long as making the segment.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            for option, value in ((M_ARENA_MAX, 2), (M_MMAP_THRESHOLD, LARGE_BLOCK), (M_TRIM_THRESHOLD, KEPT_FREE)):
                mallopt(option, value)


def say_ready() -> None:
    """In a worker: tells the service that started it that it takes tasks."""
    pipe = os.environ.pop(READY_PIPE, None)
    if pipe is not None:
        os.write(int(pipe), b"1")
        os.close(int(pipe))


def count_slots(slots: int) -> None:
    """To be called before a worker starts its processes: how many there will be."""
    os.environ[SLOTS] = str(slots)


def slots() -> int:
    """Processes of this one's worker; outside of one, as many as there are cores."""
    return max(1, int(os.environ.get(SLOTS, cores())))
