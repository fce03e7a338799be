"""The journal: a log line for each change that a client requests, and for each refused one."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from fastapi import Depends, Request

SESSION_COOKIE = "mam_session"
MOST = 200  # An object's name is cut to this many characters.

log = logging.getLogger("mam.journal")


def address(request: Request) -> str:
    """The client's address as the server sees it: a proxy's own address unless the proxy is trusted."""
    return request.client.host if request.client else ""


def note(request: Request, action: str, target: str = "", *, outcome: str = "done") -> None:
    """Writes a line: the action, its target, the client's address and session, and the outcome."""
    fields = {"actor": address(request), "object": target[:MOST], "outcome": outcome}
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        fields["session"] = hashlib.sha256(token.encode()).hexdigest()[
            :8
        ]  # identifies the session without giving access to it
    log.info(action, extra={name: value for name, value in fields.items() if value})


class Entry:
    """A dependency that does nothing by itself: a route with it logs a line for each request (`routing.py`)."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self) -> None: ...


def entry(action: str) -> Any:
    """A dependency for a route that changes something. `action`: its name in the log, such as `cancel job`."""
    return Depends(Entry(action))
