"""Server-sent events as responses that can be ended, even when the client has stopped reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"
KEEPALIVE = b": nothing new\n\n"
KEEPALIVE_SECONDS = 15  # A comment is sent this often: proxies close silent streams.
LAST_SECONDS = 0.5  # A client has this long to read the last bytes when its stream ends.
CONNECTION = "mam.connection"  # This key of an ASGI scope holds the request's transport.


def event(kind: str, data: str) -> bytes:
    """One event. `data`: a line, such as JSON."""
    return f"event: {kind}\ndata: {data}\n\n".encode()


def remember_connection(scope: Scope, send: Send) -> None:
    """Lets event streams of this request close its connection. Without uvicorn, they end when the client reads.

    `send`: the server's own, before any middleware has wrapped it.
    """
    scope[CONNECTION] = getattr(getattr(send, "__self__", None), "transport", None)


class EventStream(StreamingResponse):
    """A stream of events. `until`: the first of these to return ends the stream at once, even during a write.

    The connection of a client that has stopped reading is aborted: unsent bytes would keep it, and with it the process,
    for as long as the client likes.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        status_code: int = 200,  # FastAPI reads it here, for the documentation
        *,
        until: Sequence[Callable[[], Awaitable[object]]],
    ) -> None:
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }  # the latter keeps nginx from buffering events
        super().__init__(frames, status_code, headers)
        self._frames = frames
        self._until = until

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = asyncio.create_task(self.stream_response(send))
        disconnect = asyncio.create_task(self.listen_for_disconnect(receive))
        endings = [asyncio.ensure_future(ending()) for ending in self._until]
        tasks: list[asyncio.Task[Any]] = [streaming, disconnect, *endings]
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
        elif any(not task.cancelled() for task in endings):
            await _hang_up(scope, send)


async def _hang_up(scope: Scope, send: Send) -> None:
    """Ends the response, and aborts the connection unless its client reads the last bytes."""
    with suppress(asyncio.TimeoutError, OSError):
        await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), LAST_SECONDS)
    transport: asyncio.Transport | None = scope.get(CONNECTION)
    if transport is None:
        return
    deadline = asyncio.get_running_loop().time() + LAST_SECONDS
    while transport.get_write_buffer_size():
        if asyncio.get_running_loop().time() > deadline:
            transport.abort()
            await asyncio.sleep(0)  # lets the server notice it
            return
        await asyncio.sleep(LAST_SECONDS / 10)
