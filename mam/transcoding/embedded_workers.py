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
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from mam.background import supervised
from mam.errors import Unavailable
from mam.jobs.queues import QUEUES, VIEWERS
from mam.processes import cores, die_with_parent, forget_environment, stand_back
from mam.sandbox import box
from mam.settings import SERVICES_ALONE, Settings, worker_settings

STOP_SECONDS = 20  # a running chunk gets 5 (worker_soft_shutdown_timeout), then it is handed back
LOOK_SECONDS = 1  # between looks at the workers, and at who has them
VIEWER_PROCESSES = 2  # for viewers alone: one may be busy with the opening of another video
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # <malloc.h>
LARGE_BLOCK, KEPT_FREE = 32 << 20, 32 << 20  # bytes: larger blocks, and more free memory than that, go back
WORKER_NICE = 10
READY_PIPE = "MAM_READY_PIPE"  # environment of a worker: the file descriptor of a pipe to its service
SLOTS = "MAM_WORKER_SLOTS"  # environment of a worker's processes: how many they are
# Variables that a worker keeps, by how their names begin: what Python, Celery and libraries go by. Nothing else that
# the operator's shell holds is any business of a process that opens strangers' files.
KEPT_VARIABLES = (
    "PATH", "HOME", "USER", "LOGNAME", "HOSTNAME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "GLIBC_", "MALLOC_",
    "SSL_CERT_", "PYTHON", "VIRTUAL_ENV", "OMP_", "OPENBLAS_", "MKL_", "IMAGEIO_FFMPEG_EXE", "MAM_",
    "CELERY_", "C_", "MP_LOG", "_MP_", "FORKED_BY_MULTIPROCESSING", "NOSETPS", "REMAP_SIGTERM",
)  # fmt: skip

log = logging.getLogger(__name__)


def _prepare_batch() -> None:
    """For workers that take batch work: while they do, viewers' workers and the services go first."""
    die_with_parent()
    stand_back(WORKER_NICE)


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


def environment() -> dict[str, str]:
    """What the service gives to a worker: its settings but for those of SERVICES_ALONE, and the kept variables."""
    needed = {*Settings.model_fields} - SERVICES_ALONE
    return {name: value for name, value in os.environ.items() if _is_kept(name) or name.lower() in needed}


def settle() -> None:
    """In a worker's main process, before it starts its others: reads the settings, then forgets where they came from.

    Its children inherit what it read.
    """
    worker_settings()
    forget_environment(_is_kept)
    box.hide()


def refuse_restarts() -> None:
    """Celery would begin again on SIGHUP, with an environment that no longer has the settings."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:  # with a terminal, that ends the worker, as it should
        signal.signal(signal.SIGHUP, lambda *_: log.warning("SIGHUP is ignored: stop the worker, and start another"))


def _is_kept(name: str) -> bool:
    return name.startswith(KEPT_VARIABLES)


def count_slots(slots: int) -> None:
    """To be called before a worker starts its processes: how many there will be."""
    os.environ[SLOTS] = str(slots)


def slots() -> int:
    """Processes of this one's worker; outside of one, as many as there are cores."""
    return max(1, int(os.environ.get(SLOTS, cores())))


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


def shared_file(settings: Settings, name: str) -> Path:
    """A file for locks that all workers of a machine, a broker and a user share."""
    broker = f"{settings.redis_host}:{settings.redis_port}/{settings.broker_db}:{os.getuid()}"
    return own_folder() / f"mam-{name}-{hashlib.sha256(broker.encode()).hexdigest()[:12]}.lock"


def own_folder() -> Path:
    """A folder for files of this user alone: in a folder that all may write to, others could hold a lock or aim a link.

    Raises Unavailable where somebody else has the name.
    """
    folder = Path(tempfile.gettempdir()) / f"mam-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Unavailable(
            f"{folder} is not a folder of this user alone.", hint="Remove it, or set TMPDIR to another one."
        )
    return folder


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
