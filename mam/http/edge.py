"""The first checks of a request: its sizes, the characters of its path, its host, its id."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mam.errors import InvalidName, MamError
from mam.http import limits, problems, request_id
from mam.http.metrics import Recorder

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# A slash written as %2F counts as a slash, since generated clients write it so in names. Before the name it would only
# hide the bucket from rules on the address.
# The path of a playback token is before either.
_HIDDEN_BUCKET = re.compile(rb"/p/[^/]*%2f|(?:/p/[^/]*)?/(?:(?:stream|assets|watch|embed)/)?[^/]*%2f", re.IGNORECASE)
_PORT = re.compile(r":\d*$")
WITHOUT_HOST = ("/healthz", "/readyz", "/metrics")  # Probes use an address as the host of these paths.


class Edge:
    """ASGI middleware: refuses requests that no route must see, and gives each request an id."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder
        self.hosts: Collection[str] = ()  # the accepted hosts; empty for any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        id_header = request_id.begin(headers.get(b"x-request-id")).encode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id_header)]
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            self._recorder.record(scope["method"], "none", refusal.status, 0.0)
            await problems.problem(refusal)(scope, receive, send_with_id)
            return
        bounded = _bounded(receive) if b"transfer-encoding" in headers else receive
        await self._app(scope, bounded, send_with_id)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> MamError | None:
        path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
        if len(path) + len(scope["query_string"]) > limits.URL_BYTES:
            return limits.UrlTooLong(f"It has {len(path) + len(scope['query_string'])} bytes.")
        if len(scope["headers"]) > limits.HEADER_FIELDS:
            return limits.HeadersTooLarge(f"It has more than {limits.HEADER_FIELDS} header fields.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > limits.BODY_BYTES:
            return _too_large()
        if _CONTROLS.search(scope["path"]):
            return InvalidName("The path holds control characters or line breaks.")
        if hides_bucket(path):
            return InvalidName("A slash before the object's name is written as %2F.", hint="Write it as a slash.")
        if scope["path"] not in WITHOUT_HOST and not self.admits(scope["headers"]):
            return limits.UnknownHost("The Host header names another one.")
        return None

    def admits(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether all Host headers name accepted hosts."""
        if not self.hosts:
            return True
        hosts = [_PORT.sub("", value.decode("latin-1").lower()) for name, value in headers if name == b"host"]
        return bool(hosts) and all(name in self.hosts for name in hosts)


def hides_bucket(raw_path: bytes) -> bool:
    """Whether a raw path has an encoded slash before the name of an object."""
    return b"%" in raw_path and _HIDDEN_BUCKET.match(raw_path) is not None


def _bounded(receive: Receive) -> Receive:
    """`receive` for a body of unknown length. Raises BodyTooLarge."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limits.BODY_BYTES:
            raise _too_large()
        return message

    return receive_bounded


def _too_large() -> limits.BodyTooLarge:
    return limits.BodyTooLarge(f"It is larger than {limits.BODY_BYTES} bytes.")
