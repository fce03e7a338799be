"""Runs in a child of a worker, gives up what ffmpeg does not need, and becomes ffmpeg.

A script of its own, started with `python -I -S`: it imports nothing of the project and begins within some ten
milliseconds. What it applies was made by the worker (box.py). A limit that cannot be applied ends it: nothing runs
unconfined by accident.
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
IGNORED = (13, 25)  # SIGPIPE and SIGXFSZ, by Python; numbers, for `signal` takes three milliseconds to import
LIBRARY_PATH = "LD_LIBRARY_PATH"  # the one variable that a program may need to start at all


def main(parent: str, limits: str, ruleset: str, program: str, execve: str, path: str, *argv: str) -> None:
    """`parent`: its pid; `limits`: `resource=value,…`; `ruleset`: Landlock's file descriptor, or empty; `program`: the
    seccomp filter in hexadecimal, or empty; `execve`: the call's number; `path`: what is run, as `argv`."""
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
        apply_filter(bytes.fromhex(program))  # the last: no other can be added under it
    libc.execve(address, arguments, environment)
    check(-1)


def lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))


def die_with(parent: int) -> None:
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit("the worker has ended")


def once(execve: int, address: int) -> bytes:
    """A filter that allows execve with the path at this address alone: no later image of this process knows it, nor has
    anything there."""
    load, jump_equal, answer = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050001  # EPERM
    instructions = (
        (load, 0, 0, 0), (jump_equal, 0, 5, execve),
        (load, 0, 0, 16), (jump_equal, 0, 2, address & 0xFFFFFFFF),
        (load, 0, 0, 20), (jump_equal, 1, 0, address >> 32),
        (answer, 0, 0, refuse), (answer, 0, 0, allow),
    )  # fmt: skip
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)


def apply_filter(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(described))


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
