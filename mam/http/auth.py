"""Permissions: by the API key, a header compared in constant time, or by the session of a page."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader

from mam.errors import Forbidden, MamError
from mam.http import journal
from mam.http.journal import SESSION_COOKIE
from mam.http.services import services_of
from mam.settings import Settings

HEADER = "x-api-key"
PAGE_HEADER = "x-mam-request"  # A form of another site cannot send this header.
_SAFE = ("GET", "HEAD")
_PASSED = "mam.passed"  # This key of an ASGI scope holds the checks that the request has passed.

_header = APIKeyHeader(name=HEADER, auto_error=False, description="The value of TRANSCODE_API_KEY.")
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


def has_key(request: Request) -> bool:
    """Whether the request carries an API key."""
    return is_api_key(request.headers.get(HEADER, ""), services_of(request).settings)


def is_api_key(text: str, settings: Settings) -> bool:
    # Digests are compared: compare_digest refuses text that is not ASCII, and its time depends on the length.
    return any(hmac.compare_digest(_digest(text), _digest(key)) for key in settings.api_keys())


async def check_key(request: Request) -> None:
    """Raises Forbidden unless the request carries the API key, TooManyAttempts."""
    if not request.headers.get(HEADER):
        raise Forbidden("The API key is missing.")
    is_right, tries = has_key(request), services_of(request).tries
    try:
        tries.count(journal.address(request), is_right=is_right)
        if not is_right:
            raise Forbidden("The API key is wrong.")
    except MamError as error:
        journal.note(request, "API key", request.url.path, outcome=error.code)
        raise


def session_of(request: Request) -> str | None:
    """The session token of a request; None where it has an API key, or neither."""
    return None if request.headers.get(HEADER) else request.cookies.get(SESSION_COOKIE)


async def check_access(request: Request) -> None:
    """Admits clients with the API key and, where there are pages, pages with a session.

    Raises Forbidden, SessionExpired, TooManyAttempts.
    """
    sessions, cookie = services_of(request).sessions, session_of(request)
    if not cookie or sessions is None:
        await check_key(request)
        return
    if request.method not in _SAFE:
        await check_page(request)
    await sessions.check(cookie)


async def is_keyed(request: Request) -> bool:
    """Whether the request has the API key or an open session: for routes that need neither.

    Raises TooManyAttempts: whoever tries keys is counted here too.
    """
    if not request.headers.get(HEADER) and not session_of(request):
        return False
    try:
        await passes(request, check_access)
    except MamError as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return False
    return True


async def check_page(request: Request) -> None:
    """Refuses forms of other sites, which must not change anything, nor sign in or out. Raises Forbidden."""
    if PAGE_HEADER not in request.headers:
        raise Forbidden(
            f"The header {PAGE_HEADER} is missing.",
            hint=f"Pages send {PAGE_HEADER}: 1 with requests that change something.",
        )


async def _key(request: Request, _: Annotated[str | None, Security(_header)] = None) -> None:
    await passes(request, check_key)


async def _access(
    request: Request,
    _key: Annotated[str | None, Security(_header)] = None,
    _session: Annotated[str | None, Security(_cookie)] = None,
) -> None:
    await passes(request, check_access)


async def _page(
    request: Request, _: Annotated[str | None, Header(alias=PAGE_HEADER, description="`1`, or any other value.")] = None
) -> None:
    await passes(request, check_page)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


require_api_key = Depends(_key)
require_access = Depends(_access)
require_page = Depends(_page)

# The checks that run before a request's body is read, in the order of a route's dependencies (`routing.py`).
GUARDS: dict[object, Guard] = {_key: check_key, _access: check_access, _page: check_page}
