"""Who may do what: the API key, one header compared in constant time; or the session of a person at a page."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from mam.errors import Forbidden

HEADER = "x-api-key"
_header = APIKeyHeader(name=HEADER, auto_error=False, description="The value of TRANSCODE_API_KEY.")


def api_key(expected: Callable[[Request], str]) -> Callable[..., Awaitable[None]]:
    """A dependency that raises Forbidden unless the request carries the key that `expected` gives for its app."""

    async def check(request: Request, given: Annotated[str | None, Security(_header)] = None) -> None:
        # Digests: compare_digest refuses text that is not ASCII, and lengths would show.
        wanted = hashlib.sha256(expected(request).encode()).digest()
        got = hashlib.sha256((given or "").encode()).digest()
        if not given or not hmac.compare_digest(got, wanted):
            raise Forbidden("The API key is missing." if not given else "The API key is wrong.")

    return check


_check_key = api_key(lambda request: request.app.state.settings.transcode_api_key.get_secret_value())
require_api_key = Depends(_check_key)


SESSION_COOKIE = "mam_session"
PAGE_HEADER = "x-mam-request"  # no form of another site can send it
_SAFE = ("GET", "HEAD")


def session_of(request: Request) -> str | None:
    """The token of the session that a request comes by; None where it has a key, or neither."""
    return None if request.headers.get(HEADER) else request.cookies.get(SESSION_COOKIE)


async def _check_access(request: Request, given: Annotated[str | None, Security(_header)] = None) -> None:
    """Lets whoever has the key in, and people at a page with a session. `app.state.sessions` knows those, if any.

    Raises Forbidden, SessionExpired.
    """
    sessions, cookie = getattr(request.app.state, "sessions", None), session_of(request)
    if not cookie or sessions is None:
        await _check_key(request, given)
        return
    if request.method not in _SAFE and PAGE_HEADER not in request.headers:
        raise Forbidden(
            f"The header {PAGE_HEADER} is missing.", hint=f"Pages send {PAGE_HEADER}: 1 with what changes something."
        )
    await sessions.check(cookie)


require_access = Depends(_check_access)
