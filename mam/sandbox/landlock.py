"""Landlock: what a process may still open, as a ruleset that it and its children are held to (Linux 5.13 or later)."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
PATH_BENEATH = 1

EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # from this version on, the lowest bits that are known
NET_SINCE, NET_ALL = 4, 0b11  # TCP: bind, connect
SCOPES_SINCE, SCOPES_ALL = 6, 0b11  # abstract UNIX sockets, signals

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@cache
def version() -> int:
    """The version of the kernel's interface; 0 where there is none, or where a container may not use it."""
    found = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION) if _libc else 0
    return max(0, int(found))


def reading_only(paths: Iterable[str]) -> int:
    """A ruleset that allows to read and execute these files (and what lies in these folders), and nothing else.

    No writing, no TCP; no signals and no abstract sockets to processes outside, where the kernel knows of that. Paths
    that are not there are passed over. Returns a file descriptor. Raises OSError.
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
    """A ruleset that forbids next to nothing, devices alone: a process in it cannot look into processes outside of it.

    Returns a file descriptor. Raises OSError.
    """
    return _ruleset(MAKE_CHAR | MAKE_BLOCK, 0, 0, known=1)


def restrict(ruleset: int) -> None:
    """Holds this thread, and what it starts, to the ruleset. Needs no_new_privs. Raises OSError."""
    _checked(_libc.syscall(RESTRICT_SELF, ruleset, 0) if _libc else -1)


def _ruleset(files: int, net: int, scopes: int, *, known: int) -> int:
    attributes = struct.pack("=QQQ", files, net, scopes)
    size = 24 if known >= SCOPES_SINCE else 16 if known >= NET_SINCE else 8
    assert _libc
    ruleset: int = _checked(_libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    os.set_inheritable(ruleset, False)
    return ruleset


def _allow(ruleset: int, path: str) -> None:
    there = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = EXECUTE | READ_FILE | (READ_DIR if Path(path).is_dir() else 0)
        rule = struct.pack("=Qi", rights, there)
        assert _libc
        _checked(_libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
    finally:
        os.close(there)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
