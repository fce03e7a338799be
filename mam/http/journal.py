"""Who did what: one line in the log for each change that a person or a program asks for, and for what is refused."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from fastapi import Depends, Request

SESSION_COOKIE = "mam_session"
MOST = 200  # characters of an object's name

log = logging.getLogger("mam.journal")


def address(request: Request) -> str:
    """Where a request comes from, as the server sees it: a proxy's own address unless it is trusted."""
    return request.client.host if request.client else ""


def note(request: Request, action: str, thing: str = "", *, outcome: str = "done") -> None:
    """Writes a line: the action, on what, from which address, by which session, and how it went."""
    fields = {"actor": address(request), "object": thing[:MOST], "outcome": outcome}
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        fields["session"] = hashlib.sha256(token.encode()).hexdigest()[:8]  # tells sessions apart, opens none
    log.info(action, extra={name: value for name, value in fields.items() if value})


class Entry:
    """A dependency that does nothing by itself: a route that has it gets a line for each request (`routing.py`)."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self) -> None: ...


def entry(action: str) -> Any:
    """For the dependencies of a route that changes something. `action`: in the log's words, such as `cancel job`."""
    return Depends(Entry(action))
