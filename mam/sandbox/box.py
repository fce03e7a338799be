"""Sandboxes for programs that decode strangers' media, and for the workers that start them."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mam.sandbox import landlock, seccomp, wrapper

GIB = 1 << 30
LIMITS = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,  # ffmpeg writes only to pipes.
    resource.RLIMIT_NOFILE: 32,  # ffmpeg has three pipes, and opens its libraries one after another.
    # Seconds of processor time. Slow encoders are allowed, and a watchdog ends a stalled one: this limit ends an
    # endless computation. The largest possible chunk (some 12 segments of 30 s in 8K) takes hours on a slow machine.
    resource.RLIMIT_CPU: 24 * 3600,
}
if sys.platform == "linux":
    LIMITS[resource.RLIMIT_AS] = 6 * GIB  # 8192x4320 with a few threads needs about 1 GiB.
# RLIMIT_NPROC is not set: it counts all threads of a user, in other containers too. The filter allows no processes.

# These folders may be read where the loader (musl's) does not list the libraries it would load.
LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/local/lib")
LIBRARY = re.compile(r"(/.+) \(0x[0-9a-f]+\)$")
TRACE_SECONDS = 20
PR_SET_DUMPABLE, PR_GET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 21, 38

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A program with limits, an empty environment and, as far as the kernel supports it, no access to anything else.

    `ruleset`: the file descriptor of a Landlock ruleset, or None; `program`: a seccomp filter, or empty.
    """

    path: str
    ruleset: int | None = None
    program: bytes = b""

    @property
    def passed(self) -> tuple[int, ...]:
        """File descriptors that the command needs."""
        return () if self.ruleset is None else (self.ruleset,)

    @property
    def environment(self) -> dict[str, str]:
        """The program's environment: only the path of libraries, where it is set."""
        return {name: os.environ[name] for name in (wrapper.LIBRARY_PATH,) if name in os.environ}

    def command(self, argv: list[str]) -> list[str]:
        """The command line that becomes `argv` once it has given up everything else."""
        machine = seccomp.machine()
        return [
            sys.executable, "-I", "-S", wrapper.__file__,
            str(os.getpid()),
            ",".join(f"{name}={value}" for name, value in LIMITS.items()),
            "" if self.ruleset is None else str(self.ruleset),
            self.program.hex(),
            str(seccomp.execve(machine)) if machine else "",
            self.path, *argv,
        ]  # fmt: skip


@cache
def sandbox(executable: str, *readable: str) -> Sandbox:
    """The sandbox of a program, which may read its own file, its libraries and the `readable` paths.

    Raises FileNotFoundError when the program is missing.
    """
    executable_path = shutil.which(executable)
    if executable_path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), executable)
    path = os.path.realpath(executable_path)
    if is_script(path):
        return Sandbox(executable_path)
    files = [path, "/etc/ld.so.cache", *(libraries(path) or LIBRARY_FOLDERS), *readable]
    ruleset = landlock.reading_only(files) if landlock.version() else None
    return Sandbox(executable_path, ruleset, seccomp.computing(seccomp.machine()) if filters() else b"")


def weaknesses(executable: str) -> Iterator[str]:
    """Sentences for a person about missing confinement of this program; none when the sandbox is complete."""
    if is_script(os.path.realpath(shutil.which(executable) or executable)):
        yield f"{executable} is a script: whatever it starts is confined by limits and an empty environment alone"
        return
    if not landlock.version():
        yield "the kernel has no Landlock (Linux 5.13), or this container may not use it: ffmpeg can read files"
    elif landlock.version() < landlock.NET_SINCE and not filters():
        yield "Landlock here knows nothing of the network (Linux 6.7)"
    if not filters():
        yield "no filter of system calls for this machine: ffmpeg can open sockets and start processes"


@cache
def filters() -> bool:
    """Whether the kernel supports filters of system calls, and there is one for this machine."""
    if _libc is None or not seccomp.machine():
        return False
    _libc.prctl(wrapper.PR_SET_SECCOMP, wrapper.SECCOMP_MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT  # The kernel tried to read a filter.


def libraries(path: str) -> list[str]:
    """The shared libraries of a program, and its loader; empty where the loader does not list them."""
    if sys.platform != "linux":
        return []
    environment = {"LD_TRACE_LOADED_OBJECTS": "1"}
    if wrapper.LIBRARY_PATH in os.environ:
        environment[wrapper.LIBRARY_PATH] = os.environ[wrapper.LIBRARY_PATH]
    trace = subprocess.run(
        [path], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRACE_SECONDS, check=False
    )
    lines = os.fsdecode(trace.stdout).splitlines()
    return [match[1] for line in lines if (match := LIBRARY.search(line))]


def is_script(path: str) -> bool:
    """Whether an interpreter runs the file."""
    with Path(path).open("rb") as file:
        return file.read(2) == b"#!"


def hide() -> None:
    """Hides this process's memory and environment from other processes of its user, and forbids core dumps."""
    if _libc is not None:
        _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def settle() -> None:
    """Confines a worker's process, as its first act, and the children that it starts.

    It gives up new privileges, access to other processes, and system calls that only an intruder would use. It does
    without what the kernel does not support.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if landlock.version():
        ruleset = landlock.apart()
        landlock.restrict(ruleset)
        os.close(ruleset)
    if filters():
        wrapper.apply_filter(seccomp.sparing(seccomp.machine()))
