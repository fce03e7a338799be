"""The worker that the transcoding service starts itself: Celery in child processes, so one command is a whole service.

Media is opened there and nowhere else; a crash takes a child, never the service.
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

STOP_SECONDS = 20  # a running chunk gets 5 (worker_soft_shutdown_timeout), then it is handed back
LOOK_SECONDS = 1  # between looks at the workers, and at who has them
VIEWER_PROCESSES = 2  # for viewers alone: one may be busy with the opening of another video
WORKER_NICE = 10

log = logging.getLogger(__name__)


def _prepare_batch() -> None:
    """For workers that take batch work: while they do, viewers' workers and the services go first."""
    die_with_parent()
    stand_back(WORKER_NICE)


def command(queues: str, processes: int, name: str) -> list[str]:
    """The worker's command line: the same as for one that is deployed apart."""
    return [
        sys.executable, "-m", "celery", "--quiet", "--app", "mam.worker.tasks", "worker",
        "--queues", queues, "--concurrency", str(processes), "--hostname", f"{name}-{os.getpid()}@%h",
        "--loglevel", "WARNING", "--without-mingle", "--without-gossip",
    ]  # fmt: skip


class EmbeddedWorkers:
    """Two workers: a few processes for viewers alone, and `EMBEDDED_WORKERS` that take anything, viewers first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock: IO[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._silent: dict[str, int] = {}  # pipes of workers that have not said yet that they are ready

    async def start(self) -> None:
        """Starts the workers; where another process of the same service has them, as soon as that one has ended."""
        if self._settings.embedded_workers > 0:
            self._lead()
            self._task = supervised("embedded workers", self._keep)

    async def check(self) -> None:
        """Raises Unavailable until all workers that this process started take tasks."""
        for name, pipe in list(self._silent.items()):
            with suppress(BlockingIOError):
                os.read(pipe, 1)  # its word, or nothing because it has ended: then it is started again
                self._hang_up(name)
        if self._silent:
            raise Unavailable(f"Workers are starting: {', '.join(self._silent)}.")

    async def stop(self) -> None:
        """Stops the workers politely; what they were making is handed back to the queue or finished."""
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
        """Takes the lead when it is free, and starts workers again that have ended."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._processes:
                self._lead()
            for name, process in list(self._processes.items()):
                if process.poll() is not None:
                    log.error("worker ended, starting another", extra={"worker": name, "status": process.returncode})
                    self._spawn(name)

    def _lead(self) -> None:
        """One set of workers per machine and broker, however many processes serve requests (`--workers N`)."""
        if self._lock is None:
            self._lock = shared_file(self._settings, "workers").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for name in ("viewers", "anything"):
            self._spawn(name)

    def _spawn(self, name: str) -> None:
        """From the event loop's thread, which lives as long as the process: PDEATHSIG goes by the thread."""
        viewers = name == "viewers"
        queues = ",".join(VIEWERS if viewers else QUEUES)
        processes = VIEWER_PROCESSES if viewers else self._settings.embedded_workers
        self._hang_up(name)
        listening, speaking = os.pipe()
        os.set_blocking(listening, False)
        self._processes[name] = subprocess.Popen(
            command(queues, processes, name),
            preexec_fn=die_with_parent if viewers else _prepare_batch,
            start_new_session=True,  # Ctrl-C in a terminal reaches the service alone, which then stops them in order
            pass_fds=[speaking],
            # Celery's soft shutdown; and where to say that it is ready
            env={**environment(), "REMAP_SIGTERM": "SIGQUIT", READY_PIPE: str(speaking)},
        )
        os.close(speaking)
        self._silent[name] = listening

    def _hang_up(self, name: str) -> None:
        pipe = self._silent.pop(name, None)
        if pipe is not None:
            os.close(pipe)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
