"""Limits on requests while they arrive: uvicorn itself collects headers of any size, for any time.

The application installs them while the server starts it, when the server's configuration is available. So the
documented command lines need no option. Behind another server only the limits of the application apply (`edge.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from mam.background import ended, supervised
from mam.errors import MamError
from mam.http import limits, problems

LOOK_SECONDS = 1.0  # The connections are checked this often.
# After its headers a message may have this many bytes: a body, the lines around its chunks, and the bytes that a client
# sends before it reads a refusal. A connection that is closed earlier loses the answer.
BODY_ROOM = 1 << 20
# A field takes more memory than its bytes, and fields after a body (trailers) are added to those before it.
MOST_FIELDS = 2 * limits.HEADER_FIELDS + 1

log = logging.getLogger(__name__)


class Connections:
    """The open connections of a server. Closes those whose request does not arrive in time."""

    def __init__(self) -> None:
        self.open: set[Any] = set()  # the server's own set, after the first connection
        self._seen: dict[Any, tuple[Any, str, float]] = {}  # by connection: its request and phase, and their start

    async def watch(self) -> None:
        """Checks the connections without end. Requests cost nothing by this, however many there are."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(loop.time())

    def look(self, now: float) -> None:
        """Closes connections whose request is late at `now`, in the loop's seconds."""
        seen: dict[Any, tuple[Any, str, float]] = {}
        for connection in list(self.open):
            cycle, phase = connection.cycle, _phase(connection)
            if phase is None:
                continue
            earlier = self._seen.get(connection)
            since = earlier[2] if earlier and earlier[0] is cycle and earlier[1] == phase else now
            if now - since >= (limits.HEADER_SECONDS if phase == "headers" else limits.BODY_SECONDS):
                _close(connection, phase)
            seen[connection] = (cycle, phase, since)
        self._seen = seen


def _phase(connection: Any) -> str | None:
    """The part of a request that a connection is expected to send, headers or body; None for none."""
    cycle = connection.cycle
    if cycle is None or cycle.response_complete:  # keep-alive has a time limit of its own
        return "headers" if connection.timeout_keep_alive_task is None else None
    return "body" if cycle.more_body else None


def _close(connection: Any, phase: str) -> None:
    transport = connection.transport
    if transport.is_closing() or getattr(connection, "_refused", False):  # the client does not read its answer
        transport.abort()
        return
    if phase == "headers":
        transport.write(_answer(limits.RequestTimeout("Its headers are not complete.")))
    transport.close()


class TimedH11(H11Protocol):
    """A time limit for h11, which itself limits headers to 16 KB, but not their time."""

    watched: Connections

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.watched.open = self.connections

    def send_400_response(self, msg: str) -> None:
        self.transport.write(_answer(limits.MalformedRequest(msg)))
        self.transport.close()


try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # uvicorn without its extras uses h11
    HttpToolsProtocol = None  # type: ignore[assignment,misc]
else:

    class BoundedHttpTools(HttpToolsProtocol):
        """Counts the bytes of each part of a message, and stops reading where there are too many."""

        watched: Connections
        _room = limits.HEADER_BYTES  # bytes that may still arrive before this part of the message must end
        _in_body = False
        _refused = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.watched.open = self.connections

        def data_received(self, data: bytes) -> None:
            if self._refused or len(data) >= self._room:
                self._in_pieces(data)
                return
            self._room -= len(data)
            super().data_received(data)
            if self.headers is not None and len(self.headers) > MOST_FIELDS:
                self._refuse()

        def on_headers_complete(self) -> None:
            self._room, self._in_body = BODY_ROOM, True
            del self.headers[limits.HEADER_FIELDS + 1 :]  # one too many suffices for a refusal
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._room, self._in_body = limits.HEADER_BYTES, False
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            self.transport.write(_answer(limits.MalformedRequest(msg)))
            self.transport.close()

        def _in_pieces(self, data: bytes) -> None:
            """Feeds data piece by piece, as far as there is room: the end of a part of a message makes new room."""
            while data and not self._refused and not self.transport.is_closing():
                piece, data = data[: self._room], data[self._room :]
                self._room -= len(piece)
                super().data_received(piece)
                if self._room <= 0 or (self.headers is not None and len(self.headers) > MOST_FIELDS):
                    self._refuse()
            if self._refused:
                self._room -= len(data)
                if self._room <= 0:
                    self.transport.abort()

        def _refuse(self) -> None:
            """Answers too large headers, and reads on for a while, so that the client gets the answer."""
            transport = self.transport
            if transport.is_closing():
                return
            if self._in_body or (self.cycle is not None and not self.cycle.response_complete):
                transport.abort()  # the request has its answer, or another answer is being sent
                return
            self._refused, self._room = True, BODY_ROOM
            error = limits.UrlTooLong if len(self.url) > limits.URL_BYTES else limits.HeadersTooLarge
            transport.write(_answer(error("It was not read to its end.")))
            if transport.can_write_eof():
                transport.write_eof()
            else:  # TLS has no half-closed connections
                transport.close()


def _answer(error: MamError) -> bytes:
    """A complete response, for requests that do not reach the application."""
    response = problems.problem(error)
    lines = [f"HTTP/1.1 {error.status} {error.title}".encode(), b"connection: close"]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(response.body)])


@asynccontextmanager
async def limited(send: Send) -> AsyncIterator[None]:
    """Limits the requests of the server inside the context. `send`: the server's own, of the ASGI lifespan."""
    config = getattr(getattr(send, "__self__", None), "config", None)
    connections = Connections()
    if not _install(config, connections):
        log.warning("the server is not uvicorn: it must bound headers and their time itself")
    watch = supervised("connections", connections.watch)
    try:
        yield
    finally:
        await ended(watch)


def _install(config: Any, connections: Connections) -> bool:
    protocol = getattr(config, "http_protocol_class", None)
    if HttpToolsProtocol is not None and protocol is HttpToolsProtocol:
        base: type[Any] = BoundedHttpTools
    elif protocol is H11Protocol:
        base = TimedH11
    else:
        return False
    config.http_protocol_class = type(base.__name__, (base,), {"watched": connections})
    return True
