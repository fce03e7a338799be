"""The routes of both services: they check keys before bodies, take strict JSON only, and log changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from mam.credentials.scopes import NotPermitted
from mam.errors import InvalidRequest, MamError
from mam.http import audit
from mam.http.auth import GUARDS, Guard, passes
from mam.http.trail import DONE

CALL = "call"  # What the audit trail calls a request that changes nothing, and was refused for lack of a scope.
_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters: JSON can express them, and no store can hold them


class Route(APIRoute):
    """A route whose guards run before its body is read, and whose guarded answers are not cached."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        calls = [dependency.dependency for dependency in self.dependencies]
        guards: list[Guard] = [GUARDS[call] for call in calls if call in GUARDS]
        entries = [call.action for call in calls if isinstance(call, audit.Journaled)]

        async def answer(request: Request) -> Response:
            for guard in guards:
                await passes(request, guard)
            response = await _handled(handle, request)
            if guards:
                response.headers.setdefault("Cache-Control", "no-store")
            return response

        async def journaled(request: Request) -> Response:
            try:
                response = await answer(request)
            except MamError as error:
                audit.note(request, entries[0], audit.target_of(request), outcome=error.code)
                raise
            # For requests that are passed on to the other service.
            failed = response.status_code >= HTTPStatus.BAD_REQUEST
            outcome = str(response.status_code) if failed else DONE
            audit.note(request, entries[0], audit.target_of(request), outcome=outcome)
            return response

        async def watched(request: Request) -> Response:
            try:
                return await answer(request)
            except NotPermitted as error:
                audit.note(request, CALL, f"{request.method} {request.url.path}", outcome=error.code)
                raise

        return journaled if entries else watched


async def _handled(handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    """Handles a request; the framework's error for an unreadable body becomes InvalidRequest."""
    try:
        return await handle(StrictRequest(request.scope, request.receive))
    except HTTPException as error:
        if isinstance(error.__cause__, MamError):
            raise error.__cause__ from None
        if error.status_code == HTTPStatus.BAD_REQUEST:  # no code of this system raises it
            raise InvalidRequest("body: it cannot be read.") from error
        raise


class StrictRequest(Request):
    """A request that refuses JSON that Python accepts and other programs do not."""

    async def json(self) -> Any:
        """Raises InvalidRequest."""
        if not hasattr(self, "_json"):
            try:
                text = (await self.body()).decode()
                self._json = json.loads(text, parse_constant=_refuse)
            except (ValueError, RecursionError) as error:
                raise InvalidRequest(f"body: it is no JSON ({error}).") from error
            if "\\u" in text and _SURROGATES.search(json.dumps(self._json, ensure_ascii=False)):
                raise InvalidRequest("body: it holds half a character (an unpaired surrogate).")
        return self._json


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
