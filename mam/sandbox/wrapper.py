"""Runs in a child of a worker, gives up what ffmpeg does not need, and becomes ffmpeg.

`python -I -S` runs it as a script, which imports nothing of the project and starts within some ten milliseconds. The
worker (box.py) makes the limits and filters that it applies. A limit that cannot be applied ends it, so that nothing
runs unconfined by accident.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_RESTRICT_SELF = 446
SIGKILL = 9
# Python ignores SIGPIPE and SIGXFSZ. They are numbers here, because importing `signal` takes three milliseconds.
IGNORED = (13, 25)
LIBRARY_PATH = "LD_LIBRARY_PATH"  # A program may need this variable to start at all.


def main(parent: str, limits: str, ruleset: str, program: str, execve: str, path: str, *argv: str) -> None:
    """`parent`: its pid; `limits`: `resource=value,…`; `ruleset`: Landlock's file descriptor, or empty; `program`: the
    seccomp filter in hexadecimal, or empty; `execve`: the call's number; `path`: the program, run as `argv`."""
    for limit in limits.split(","):
        name, _, value = limit.partition("=")
        lower(int(name), int(value))
    for number in IGNORED:
        libc.signal(number, None)
    if sys.platform == "linux":
        die_with(int(parent))
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    address = ctypes.create_string_buffer(os.fsencode(path))
    arguments = strings(argv)
    environment = strings(f"{name}={os.environ[name]}" for name in (LIBRARY_PATH,) if name in os.environ)
    if ruleset:
        check(libc.syscall(LANDLOCK_RESTRICT_SELF, int(ruleset), 0))
        os.close(int(ruleset))
    if program:
        apply_filter(once(int(execve), ctypes.addressof(address)))
        apply_filter(bytes.fromhex(program))  # It must be last: it forbids to add another.
    libc.execve(address, arguments, environment)
    check(-1)


def lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))


def die_with(parent: int) -> None:
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:  # The worker ended before the call.
        sys.exit("the worker has ended")


def once(execve: int, address: int) -> bytes:
    """A filter that allows execve only with the path at this address. No later program of this process knows the
    address, or has anything there."""
    load, jump_equal, answer = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050001  # Refused calls fail with EPERM.
    instructions = (
        (load, 0, 0, 0), (jump_equal, 0, 5, execve),
        (load, 0, 0, 16), (jump_equal, 0, 2, address & 0xFFFFFFFF),
        (load, 0, 0, 20), (jump_equal, 1, 0, address >> 32),
        (answer, 0, 0, refuse), (answer, 0, 0, allow),
    )  # fmt: skip
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def apply_filter(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    sock_fprog = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(sock_fprog))


def prctl(option: int, *values: int) -> None:
    check(libc.prctl(option, *(ctypes.c_ulong(value) for value in (*values, 0, 0, 0)[:4])))


def check(result: int) -> None:
    if result < 0:
        sys.exit(f"cannot be started in its sandbox: {os.strerror(ctypes.get_errno())}")


def strings(values: object) -> ctypes.Array[ctypes.c_char_p]:
    encoded = [os.fsencode(value) for value in values]  # type: ignore[attr-defined]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


libc = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    main(*sys.argv[1:])
