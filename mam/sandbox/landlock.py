"""Landlock: rulesets that limit what a process and its children may open (Linux 5.13 or later)."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # The numbers are the same on every architecture.
VERSION = 1  # This is LANDLOCK_CREATE_RULESET_VERSION.
PATH_BENEATH = 1

EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # From each version on, the kernel knows so many rights, as the lowest bits.
NET_SINCE, NET_ALL = 4, 0b11  # The bits are the TCP rights: bind, connect.
SCOPES_SINCE, SCOPES_ALL = 6, 0b11  # The bits are the scopes: abstract UNIX sockets, signals.

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@cache
def version() -> int:
    """The version of the kernel's interface; 0 where there is none, or where a container may not use it."""
    answer = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION) if _libc else 0
    return max(0, int(answer))


def reading_only(paths: Iterable[str]) -> int:
    """A ruleset that allows to read and execute these files (and the files in these folders), and nothing else.

    It forbids writing and TCP, and signals and abstract sockets to processes outside, where the kernel supports that.
    Missing paths are skipped. Returns a file descriptor. Raises OSError.
    """
    known = version()
    files = (1 << FILE_RIGHTS[max(since for since in FILE_RIGHTS if since <= known)]) - 1
    ruleset = _ruleset(
        files, NET_ALL if known >= NET_SINCE else 0, SCOPES_ALL if known >= SCOPES_SINCE else 0, known=known
    )
    for path in paths:
        with suppress(FileNotFoundError):
            _allow(ruleset, path)
    return ruleset


def apart() -> int:
    """A ruleset that forbids only to make devices: with any ruleset, a process cannot inspect processes outside of it.

    Returns a file descriptor. Raises OSError.
    """
    return _ruleset(MAKE_CHAR | MAKE_BLOCK, 0, 0, known=1)


def restrict(ruleset: int) -> None:
    """Applies the ruleset to this thread and what it starts. Needs no_new_privs. Raises OSError."""
    _checked(_libc.syscall(RESTRICT_SELF, ruleset, 0) if _libc else -1)


def _ruleset(files: int, net: int, scopes: int, *, known: int) -> int:
    attributes = struct.pack("=QQQ", files, net, scopes)
    size = 24 if known >= SCOPES_SINCE else 16 if known >= NET_SINCE else 8
    assert _libc
    ruleset: int = _checked(_libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    os.set_inheritable(ruleset, False)
    return ruleset


def _allow(ruleset: int, path: str) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = EXECUTE | READ_FILE | (READ_DIR if Path(path).is_dir() else 0)
        rule = struct.pack("=Qi", rights, descriptor)
        assert _libc
        _checked(_libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
