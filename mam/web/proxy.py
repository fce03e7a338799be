"""The way from pages to the transcoding service: a few calls, passed on with the API key, which no page ever sees."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

import httpx
from starlette.requests import Request
from starlette.responses import Response

from mam.http import transcoder
from mam.http.streams import EventStream
from mam.settings import Settings

ANSWER_SECONDS = 150  # a source without an index is read whole before its plan stands
STREAM_SECONDS = 40  # of silence: an event stream says something every 15
_PASSED_ON = ("content-type", "location", "retry-after", "cache-control")


class TranscoderProxy:
    """Passes requests on. One per process; `close` it."""

    def __init__(self, settings: Settings) -> None:
        self._client = transcoder.client(settings, seconds=ANSWER_SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def answer(self, request: Request, path: str) -> Response:
        """The transcoding service's answer to the same request at `path`. Raises TranscoderUnavailable."""
        body = await request.body()
        headers = {name: request.headers[name] for name in ("content-type",) if name in request.headers}
        try:
            found = await self._client.request(
                request.method, path, params=request.url.query, content=body, headers=headers
            )
        except httpx.HTTPError as error:
            raise transcoder.away(error) from error
        if found.status_code == HTTPStatus.FORBIDDEN:
            raise transcoder.refused()
        return Response(found.content, found.status_code, headers=_kept(found.headers))

    async def events(self, path: str, *, over: Sequence[Callable[[], Awaitable[object]]]) -> Response:
        """An event stream of the transcoding service's, as it comes, until the first of `over` returns.

        Raises TranscoderUnavailable.
        """
        timeout = httpx.Timeout(STREAM_SECONDS, connect=transcoder.CONNECT_SECONDS)
        asked = self._client.build_request("GET", path, timeout=timeout)
        try:
            found = await self._client.send(asked, stream=True)
        except httpx.HTTPError as error:
            raise transcoder.away(error) from error

        if not found.is_success:
            body = await found.aread()
            await found.aclose()
            if found.status_code == HTTPStatus.FORBIDDEN:
                raise transcoder.refused()
            return Response(body, found.status_code, headers=_kept(found.headers))

        async def chunks() -> AsyncGenerator[bytes, None]:
            try:
                async for chunk in found.aiter_raw():
                    yield chunk
            except httpx.HTTPError:
                return  # the page asks again
            finally:
                await found.aclose()

        return EventStream(chunks(), until=over)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _PASSED_ON if name in headers}
