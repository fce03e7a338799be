"""Permissions: by an API key in a header, or by the session of a page; each route names the scope that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader

from mam.credentials import delegation, rates
from mam.credentials.api_keys import ApiKey
from mam.credentials.scopes import Caller, Scope
from mam.errors import Forbidden, MamError
from mam.http import audit
from mam.http.audit import SESSION_COOKIE
from mam.http.caller import HEADER, known_caller, set_caller
from mam.http.services import services_of

PAGE_HEADER = "x-mam-request"  # A form of another site cannot send this header.
_SAFE = ("GET", "HEAD")
_PASSED = "mam.passed"  # This key of an ASGI scope holds the checks that the request has passed.

_header = APIKeyHeader(
    name=HEADER, auto_error=False, description="A value of TRANSCODE_API_KEY, or a key of API_KEYS_FILE."
)
_cookie = APIKeyCookie(
    name=SESSION_COOKIE, auto_error=False, description="The cookie that POST /session sets for pages."
)

Guard = Callable[[Request], Awaitable[None]]


async def passes(request: Request, guard: Guard) -> None:
    """Runs a guard once per request. Raises the guard's error."""
    passed: set[Guard] = request.scope.setdefault(_PASSED, set())
    if guard not in passed:
        await guard(request)
        passed.add(guard)


def session_of(request: Request) -> str | None:
    """The session token of a request; None where it has an API key, or neither."""
    return None if request.headers.get(HEADER) else request.cookies.get(SESSION_COOKIE)


async def check_caller(request: Request) -> None:
    """Admits clients with an API key and, where there are pages, pages with a session.

    Raises Forbidden, SessionExpired, TooManyAttempts, TooManyRequests.
    """
    sessions, cookie = services_of(request).sessions, session_of(request)
    if not cookie or sessions is None:
        await _admit_by_key(request)
        return
    if request.method not in _SAFE:
        await check_page(request)
    set_caller(request, await sessions.caller(cookie))


async def _admit_by_key(request: Request) -> None:
    text, keys = request.headers.get(HEADER, ""), services_of(request).keys
    if not text:
        raise Forbidden("The API key is missing.")
    try:
        delegated, is_service = request.headers.get(delegation.HEADER), keys.is_service(text)
        key = keys.find(text)
        await services_of(request).tries.count(audit.address(request), is_right=is_service or key is not None)
        if delegated and is_service:
            set_caller(request, delegation.read(delegated), is_delegated=True)
            return
        if key is None:
            raise Forbidden("The API key is wrong.")
        await _check_use(request, key)
    except MamError as error:
        audit.note(request, "API key", request.url.path, outcome=error.code)
        raise
    set_caller(request, key.caller)


async def _check_use(request: Request, key: ApiKey) -> None:
    """Raises Forbidden for an expired key, TooManyRequests."""
    services = services_of(request)
    if services.keys.named(key.id) is None:
        raise Forbidden("The API key has expired.")
    await rates.charge(services.redis, key)


async def caller_if_any(request: Request) -> Caller | None:
    """The client's key or open session, for routes that need neither; None without a valid one.

    Raises TooManyAttempts, TooManyRequests: whoever tries keys is counted here too.
    """
    if not request.headers.get(HEADER) and not session_of(request):
        return None
    try:
        await passes(request, check_caller)
    except MamError as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return None
    return known_caller(request)


async def check_page(request: Request) -> None:
    """Refuses forms of other sites, which must not change anything, nor sign in or out. Raises Forbidden."""
    if PAGE_HEADER not in request.headers:
        raise Forbidden(
            f"The header {PAGE_HEADER} is missing.",
            hint=f"Pages send {PAGE_HEADER}: 1 with requests that change something.",
        )


def _guard(scope: Scope) -> Guard:
    async def check(request: Request) -> None:
        await passes(request, check_caller)
        known_caller(request).check(scope)

    return check


class _WithKey:
    """A dependency of routes that only clients with a key call."""

    def __init__(self, scope: Scope) -> None:
        self.guard = _guard(scope)

    async def __call__(self, request: Request, _: Annotated[str | None, Security(_header)] = None) -> None:
        await passes(request, self.guard)


class _WithAccess(_WithKey):
    """A dependency of routes that pages call too."""

    async def __call__(
        self,
        request: Request,
        _key: Annotated[str | None, Security(_header)] = None,
        _session: Annotated[str | None, Security(_cookie)] = None,
    ) -> None:
        await passes(request, self.guard)


async def _page(
    request: Request, _: Annotated[str | None, Header(alias=PAGE_HEADER, description="`1`, or any other value.")] = None
) -> None:
    await passes(request, check_page)


require_page = Depends(_page)

# The checks that run before a request's body is read, in the order of a route's dependencies (`routing.py`).
GUARDS: dict[object, Guard] = {_page: check_page}


def require_key(scope: Scope) -> Any:
    """A dependency: only clients whose API key has the scope."""
    return _registered(_WithKey(scope))


def require_access(scope: Scope) -> Any:
    """A dependency: only clients whose API key or session has the scope."""
    return _registered(_WithAccess(scope))


def _registered(needed: _WithKey) -> Any:
    GUARDS[needed] = needed.guard
    return Depends(needed)


async def caller_of(request: Request) -> Caller:
    """The client that a route's guard has admitted."""
    return known_caller(request)


Asking = Annotated[Caller, Depends(caller_of)]
