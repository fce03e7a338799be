"""How the routes of both services take requests: keys before bodies, strict JSON, and a line in the log for changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from mam.errors import InvalidRequest, MamError
from mam.http import journal
from mam.http.auth import GUARDS, Guard, passes

_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters: JSON can say them, and nothing can store them


class Route(APIRoute):
    """A route whose guards are asked before its body is read, and whose keyed answers no cache keeps."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        calls = [dependency.dependency for dependency in self.dependencies]
        guards: list[Guard] = [GUARDS[call] for call in calls if call in GUARDS]
        entries = [call.action for call in calls if isinstance(call, journal.Entry)]

        async def answer(request: Request) -> Response:
            for guard in guards:
                await passes(request, guard)
            response = await _understood(handle, request)
            if guards:
                response.headers.setdefault("Cache-Control", "no-store")
            return response

        async def noted(request: Request) -> Response:
            thing = "/".join(str(value) for value in request.path_params.values())
            try:
                response = await answer(request)
            except MamError as error:
                journal.note(request, entries[0], thing, outcome=error.code)
                raise
            failed = response.status_code >= HTTPStatus.BAD_REQUEST  # of what is passed on
            journal.note(request, entries[0], thing, outcome=str(response.status_code) if failed else "done")
            return response

        return noted if entries else answer


async def _understood(handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    """What the framework says of a body that it cannot read, in this system's words."""
    try:
        return await handle(StrictRequest(request.scope, request.receive))
    except HTTPException as error:
        if isinstance(error.__cause__, MamError):
            raise error.__cause__ from None
        if error.status_code == HTTPStatus.BAD_REQUEST:  # nothing of ours raises it
            raise InvalidRequest("body: it cannot be read.") from error
        raise


class StrictRequest(Request):
    """A request whose JSON holds nothing that Python takes and others do not."""

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
