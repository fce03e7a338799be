"""Request ids: one word in the answer, in problems, in log lines and in what is asked of the transcoding service."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

HEADER = "x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # what can stand in a log line as it is
_current: ContextVar[str] = ContextVar("request_id", default="")


def begin(given: bytes | None) -> str:
    """The id of the request that this task is about: the client's own if that is sane, else a new one."""
    name = given.decode() if given is not None and _SANE.fullmatch(given) else secrets.token_hex(8)
    _current.set(name)
    return name


def current() -> str:
    """The id of the request that is being answered; empty outside of requests."""
    return _current.get()
