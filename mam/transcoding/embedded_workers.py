"""The workers that the transcoding service starts itself as Celery child processes, so that one command runs it all.

Media is opened only there: a crash ends a child, never the service.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO

from mam.background import supervised
from mam.errors import Unavailable
from mam.jobs.queues import QUEUES, VIEWERS
from mam.jobs.shared_files import shared_file
from mam.jobs.worker_environment import READY_PIPE, environment
from mam.processes import die_with_parent, stand_back
from mam.settings import Settings

STOP_SECONDS = 20  # A worker gets this long to stop; a running chunk gets 5 (worker_soft_shutdown_timeout) of it.
LOOK_SECONDS = 1  # The workers, and the lock on them, are checked this often.
VIEWER_PROCESSES = 2  # This many processes serve viewers alone: one may be busy with another video's first segments.
WORKER_NICE = 10  # Batch workers run at this nice value.

log = logging.getLogger(__name__)


def _prepare_batch() -> None:
    """Prepares a worker that takes batch tasks: viewers' workers and the services have precedence over it."""
    die_with_parent()
    stand_back(WORKER_NICE)


def command(queues: str, processes: int, name: str) -> list[str]:
    """A worker's command line, the same as that of a worker deployed by itself."""
    return [
        sys.executable, "-m", "celery", "--quiet", "--app", "mam.worker.tasks", "worker",
        "--queues", queues, "--concurrency", str(processes), "--hostname", f"{name}-{os.getpid()}@%h",
        "--loglevel", "WARNING", "--without-mingle", "--without-gossip",
    ]  # fmt: skip


class EmbeddedWorkers:
    """Two workers: one of a few processes for viewers alone, one of `EMBEDDED_WORKERS` processes for all tasks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock: IO[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starting: dict[str, int] = {}  # the pipes of workers that are not ready yet

    async def start(self) -> None:
        """Starts the workers; where another process of the service runs them, once that process has ended."""
        if self._settings.embedded_workers > 0:
            self._lead()
            self._task = supervised("embedded workers", self._keep)

    async def check(self) -> None:
        """Raises Unavailable until all workers that this process started take tasks."""
        for name, pipe in list(self._starting.items()):
            with suppress(BlockingIOError):
                os.read(pipe, 1)  # a byte when it is ready, nothing when it has ended and is started again
                self._close_pipe(name)
        if self._starting:
            raise Unavailable(f"Workers are starting: {', '.join(self._starting)}.")

    async def stop(self) -> None:
        """Stops the workers politely: they finish their tasks or hand them back to the queue."""
        if self._task:
            self._task.cancel()
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            await asyncio.to_thread(_wait, process)
        if self._lock:
            self._lock.close()

    async def _keep(self) -> None:
        """Takes over the workers when no process runs them, and restarts workers that have ended."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._processes:
                self._lead()
            for name, process in list(self._processes.items()):
                if process.poll() is not None:
                    log.error("worker ended, starting another", extra={"worker": name, "status": process.returncode})
                    self._spawn(name)

    def _lead(self) -> None:
        """Starts the workers unless another process has: one set per machine and broker, even with `--workers N`."""
        if self._lock is None:
            self._lock = shared_file(self._settings, "workers").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for name in ("viewers", "anything"):
            self._spawn(name)

    def _spawn(self, name: str) -> None:
        """Starts a worker. Call it from the event loop's thread: PDEATHSIG follows the thread that starts a process."""
        for_viewers = name == "viewers"
        queues = ",".join(VIEWERS if for_viewers else QUEUES)
        processes = VIEWER_PROCESSES if for_viewers else self._settings.embedded_workers
        self._close_pipe(name)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._processes[name] = subprocess.Popen(
            command(queues, processes, name),
            preexec_fn=die_with_parent if for_viewers else _prepare_batch,
            start_new_session=True,  # Ctrl-C in a terminal reaches only the service, which stops the workers in order
            pass_fds=[writer],
            # Celery's soft shutdown, and the pipe for the worker's ready signal
            env={**environment(), "REMAP_SIGTERM": "SIGQUIT", READY_PIPE: str(writer)},
        )
        os.close(writer)
        self._starting[name] = reader

    def _close_pipe(self, name: str) -> None:
        pipe = self._starting.pop(name, None)
        if pipe is not None:
            os.close(pipe)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
