"""The API key: one header, compared in constant time."""

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


require_api_key = Depends(api_key(lambda request: request.app.state.settings.transcode_api_key.get_secret_value()))
# What people at a page may do too. Until there are sessions, who has the key.
require_access = require_api_key
