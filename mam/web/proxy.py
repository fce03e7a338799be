"""Passes a few calls of pages on to the transcoding service, with the API key, which no page ever sees."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

import httpx
from starlette.requests import Request
from starlette.responses import Response

from mam.credentials import delegation
from mam.http import transcoder
from mam.http.caller import known_caller
from mam.http.streams import EventStream
from mam.settings import Settings

ANSWER_SECONDS = 150  # A source without an index is read whole before its plan is made.
STREAM_SECONDS = 40  # It limits silence: an event stream sends something every 15 seconds.
_PASSED_HEADERS = ("content-type", "location", "retry-after", "cache-control")


class TranscoderProxy:
    """Passes requests on. A process has one; `close` it."""

    def __init__(self, settings: Settings) -> None:
        self._client = transcoder.client(settings, seconds=ANSWER_SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def answer(self, request: Request, path: str) -> Response:
        """The transcoding service's answer to the same request at `path`. Raises TranscoderUnavailable."""
        body = await request.body()
        headers = {name: request.headers[name] for name in ("content-type",) if name in request.headers}
        headers[delegation.HEADER] = delegation.written(known_caller(request))
        try:
            response = await self._client.request(
                request.method, path, params=request.url.query, content=body, headers=headers
            )
        except httpx.HTTPError as error:
            raise transcoder.away(error) from error
        _check_key(response)
        return Response(response.content, response.status_code, headers=_passed_on(response.headers))

    async def events(
        self, request: Request, path: str, *, until: Sequence[Callable[[], Awaitable[object]]]
    ) -> Response:
        """An event stream of the transcoding service, passed on as it arrives until the first of `until` returns.

        Raises TranscoderUnavailable.
        """
        timeout = httpx.Timeout(STREAM_SECONDS, connect=transcoder.CONNECT_SECONDS)
        headers = {delegation.HEADER: delegation.written(known_caller(request))}
        passed = self._client.build_request("GET", path, timeout=timeout, headers=headers)
        try:
            response = await self._client.send(passed, stream=True)
        except httpx.HTTPError as error:
            raise transcoder.away(error) from error

        if not response.is_success:
            body = await response.aread()
            await response.aclose()
            _check_key(response)
            return Response(body, response.status_code, headers=_passed_on(response.headers))

        async def chunks() -> AsyncGenerator[bytes, None]:
            try:
                async for chunk in response.aiter_raw():
                    yield chunk
            except httpx.HTTPError:
                return  # The page connects again.
            finally:
                await response.aclose()

        return EventStream(chunks(), until=until)


def _check_key(response: httpx.Response) -> None:
    """Raises TranscoderUnavailable where the service refuses this service's key."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if transcoder.is_refusal(response.status_code, body):
        raise transcoder.refused()


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _PASSED_HEADERS if name in headers}
