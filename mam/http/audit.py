"""The audit trail: a line of JSON for each sign-in, refused key and change, in the log and in the trail of all."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from fastapi import Depends, Request

from mam.credentials.scopes import Caller
from mam.http import request_id
from mam.http.caller import caller_or_none, is_delegated
from mam.http.logging import AUDIT
from mam.http.services import services_of
from mam.http.trail import DONE, Entry

SESSION_COOKIE = "mam_session"
MOST = 1100  # An object's name is cut to this many characters: a bucket and a whole key fit.
_OBJECT = "mam.object"  # This key of an ASGI scope holds what a request is about.

log = logging.getLogger(AUDIT)


def address(request: Request) -> str:
    """The client's address as the server sees it: a proxy's own address unless the proxy is trusted."""
    return request.client.host if request.client else ""


def about(request: Request, target: str) -> None:
    """Names what a request is about, where its path does not."""
    request.scope[_OBJECT] = target


def target_of(request: Request) -> str:
    """What a request is about: as `about` said, else by its path."""
    named: str | None = request.scope.get(_OBJECT)
    return named or "/".join(str(value) for value in request.path_params.values())


def note(request: Request, action: str, target: str = "", *, outcome: str = DONE, caller: Caller | None = None) -> None:
    """Records an action. One for another client is recorded by the service that the client called."""
    if is_delegated(request):
        return
    caller = caller or caller_or_none(request)
    entry = Entry(
        time=round(time.time(), 6),
        action=action,
        object=target[:MOST],
        outcome=outcome,
        key=caller.key if caller else "",
        session=caller.session if caller else "",
        address=address(request),
        request_id=request_id.current(),
    )
    trail = services_of(request).trail
    if trail.takes(entry):
        log.info(json.dumps(entry.model_dump(exclude_defaults=True), ensure_ascii=True))
        trail.add(entry)


class Journaled:
    """A dependency that does nothing by itself: requests of a route with it are recorded (`routing.py`)."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self) -> None: ...


def entry(action: str) -> Any:
    """A dependency for a route that changes something. `action`: its name in the trail, such as `cancel job`."""
    return Depends(Journaled(action))
