"""The worker that the transcoding service starts itself: Celery in child processes, so one command is a whole service.

Media is opened there and nowhere else; a crash takes a child, never the service.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import hashlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from mam.settings import Settings

STOP_SECONDS = 28  # a running chunk gets 20 (worker_soft_shutdown_timeout), then it is handed back
RESTART_SECONDS = 1
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def command(queues: str, processes: int, name: str) -> list[str]:
    """The worker's command line: the same as for one that is deployed apart."""
    return [
        sys.executable, "-m", "celery", "--app", "mam.transcoding.tasks", "worker",
        "--queues", queues, "--concurrency", str(processes), "--hostname", f"{name}-{os.getpid()}@%h",
        "--loglevel", "WARNING", "--without-mingle", "--without-gossip",
    ]  # fmt: skip


class EmbeddedWorkers:
    """Two workers: one process for viewers alone, and `EMBEDDED_WORKERS` that take anything, viewers first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock: IO[str] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    async def start(self) -> None:
        """Starts the workers, unless another process of the same service (`--workers N`) has done so."""
        count = self._settings.embedded_workers
        if count == 0 or not self._take_lock():
            return
        # From this thread, which lives as long as the process: the children's PDEATHSIG goes by the thread.
        for name, queues, processes in (("viewers", "interactive", 1), ("anything", "interactive,batch", count)):
            self._spawn(name, queues, processes)
            self._tasks.append(asyncio.create_task(self._keep(name, queues, processes), name=f"worker-{name}"))

    async def stop(self) -> None:
        """Stops the workers politely; what they were making is handed back to the queue or finished."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            await asyncio.to_thread(_wait, process)
        if self._lock:
            self._lock.close()

    def _take_lock(self) -> bool:
        """One set of workers per machine and broker."""
        chosen = self._settings
        broker = f"{chosen.redis_host}:{chosen.redis_port}/{chosen.broker_db}:{os.getuid()}"
        name = f"mam-workers-{hashlib.sha256(broker.encode()).hexdigest()[:12]}.lock"
        self._lock = (Path(tempfile.gettempdir()) / name).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process of this service has the workers")
            return False
        return True

    def _spawn(self, name: str, queues: str, processes: int) -> None:
        self._processes[name] = subprocess.Popen(
            command(queues, processes, name),
            preexec_fn=die_with_parent,
            start_new_session=True,  # Ctrl-C in a terminal reaches the service alone, which then stops them in order
            env={**os.environ, "REMAP_SIGTERM": "SIGQUIT"},  # Celery's soft shutdown
        )

    async def _keep(self, name: str, queues: str, processes: int) -> None:
        """Starts the worker again whenever it ends."""
        while not self._stopping:
            while self._processes[name].poll() is None:
                await asyncio.sleep(RESTART_SECONDS)
            log.error("worker ended, starting another", extra={"worker": name})
            self._spawn(name, queues, processes)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
