"""Request ids: the same one in the answer, in problems, in log lines and in requests to the transcoding service."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

HEADER = "x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # An id of these characters needs no quoting in a log line.
_current: ContextVar[str] = ContextVar("request_id", default="")


def begin(client_id: bytes | None) -> str:
    """Sets the id of this task's request: the client's own if that is valid, else a new one."""
    chosen = client_id.decode() if client_id is not None and _SANE.fullmatch(client_id) else secrets.token_hex(8)
    _current.set(chosen)
    return chosen


def current() -> str:
    """The id of the request that is being answered; empty outside of requests."""
    return _current.get()
