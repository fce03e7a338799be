"""The client of a request, once its key or session is known."""

from __future__ import annotations

from starlette.requests import Request

from mam.credentials.scopes import Caller

HEADER = "x-api-key"
_CALLER = "mam.caller"  # This key of an ASGI scope holds the client.
_DELEGATED = "mam.delegated"  # This one, whether the other service named it.


def set_caller(request: Request, caller: Caller, *, is_delegated: bool = False) -> None:
    """`is_delegated`: the other service sent the request for this client, or for itself."""
    request.scope[_CALLER], request.scope[_DELEGATED] = caller, is_delegated


def is_delegated(request: Request) -> bool:
    return bool(request.scope.get(_DELEGATED))


def caller_or_none(request: Request) -> Caller | None:
    caller: Caller | None = request.scope.get(_CALLER)
    return caller


def known_caller(request: Request) -> Caller:
    """The client, in a route whose guard has admitted it."""
    caller: Caller = request.scope[_CALLER]
    return caller
