"""Server-sent events as responses that end when they are told to, also where the client reads no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"
KEEPALIVE = b": nothing new\n\n"
KEEPALIVE_SECONDS = 15  # proxies close streams that say nothing
LAST_SECONDS = 0.5  # that a client has to take what is on its way, when its stream ends
CONNECTION = "mam.connection"  # in an ASGI scope: what the server calls the request's transport


def event(kind: str, data: str) -> bytes:
    """One event. `data`: a line, such as JSON."""
    return f"event: {kind}\ndata: {data}\n\n".encode()


def remember_connection(scope: Scope, send: Send) -> None:
    """Lets event streams of this request hang up. Behind another server than uvicorn, they end when the client reads.

    `send`: the server's own, before any middleware has wrapped it.
    """
    scope[CONNECTION] = getattr(getattr(send, "__self__", None), "transport", None)


class EventStream(StreamingResponse):
    """A stream of events. `over`: the first of these to return ends it at once, also in the middle of a write.

    A client that has stopped reading is hung up on: what is on its way to it would keep the connection, and with it the
    process, for as long as the client likes.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        status_code: int = 200,  # FastAPI reads it here, for the documentation
        *,
        over: Sequence[Callable[[], Awaitable[object]]],
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would collect events, too
        super().__init__(frames, status_code, headers)
        self._frames = frames
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = asyncio.create_task(self.stream_response(send))
        gone = asyncio.create_task(self.listen_for_disconnect(receive))
        over = [asyncio.ensure_future(is_over()) for is_over in self._over]
        tasks: list[asyncio.Task[Any]] = [streaming, gone, *over]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = streaming.done()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._frames.aclose()
        if ended:
            with suppress(OSError):  # the client has gone
                streaming.result()
        elif any(not task.cancelled() for task in over):
            await _hang_up(scope, send)


async def _hang_up(scope: Scope, send: Send) -> None:
    """Ends the response; and the connection, unless its client takes what is on its way."""
    with suppress(asyncio.TimeoutError, OSError):
        await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), LAST_SECONDS)
    transport: asyncio.Transport | None = scope.get(CONNECTION)
    if transport is None:
        return
    deadline = asyncio.get_running_loop().time() + LAST_SECONDS
    while transport.get_write_buffer_size():
        if asyncio.get_running_loop().time() > deadline:
            transport.abort()
            await asyncio.sleep(0)  # the server hears of it
            return
        await asyncio.sleep(LAST_SECONDS / 10)
