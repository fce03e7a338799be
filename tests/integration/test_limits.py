"""Sizes and times that a stranger chooses: nothing that anybody sends takes memory or connections away for long."""

from __future__ import annotations

import random
import resource
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dev.servers import Server, start_redis
from mam.http.limits import BODY_BYTES, BODY_SECONDS, HEADER_BYTES, HEADER_FIELDS, HEADER_SECONDS, URL_BYTES
from tests.integration.knocking import PIECE, body, half_open, knock, memory
from tests.integration.system import API_KEY, S3, Stack, own

MB = 1 << 20
THREADS = 40  # that a service may still start: eight megabytes of address space each, hardly any of it used
ROOM = 64 * MB + THREADS * 8 * MB  # of address space that a process gets, beyond what it has when it is ready
GROWTH = 24 * MB  # that is none: buffers of sockets, the allocator's own
CONNECTIONS = 1_100  # more than the usual soft limit of descriptors
BEFORE = f"x-api-key: {API_KEY}\r\nx-mam-request: 1"
TARGETS = {  # each way that a body takes
    "sign-in": ("vod", "POST /session HTTP/1.1\r\nx-mam-request: 1"),
    "upload": ("vod", f"POST /uploads HTTP/1.1\r\n{BEFORE}"),
    "passing": ("vod", f"POST /api/plan HTTP/1.1\r\n{BEFORE}"),
    "page": ("vod", "GET / HTTP/1.1"),
    "nothing": ("vod", "PUT /no-such-thing HTTP/1.1"),
    "transcode": ("transcoder", f"POST /transcode HTTP/1.1\r\n{BEFORE}"),
    "seek": ("transcoder", f"POST /jobs/0123456789ab/seek HTTP/1.1\r\n{BEFORE}"),
    "stranger": ("transcoder", "POST /transcode HTTP/1.1"),
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="address spaces are limited and measured as Linux does")


@pytest.fixture(scope="module")
def bounded(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both services, each with little more address space than it has, and the usual soft limit of descriptors."""
    folder = tmp_path_factory.mktemp("bounded")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with start_redis(folder / "redis", persist=False) as server:
        more = {"EMBEDDED_WORKERS": "0", "MALLOC_ARENA_MAX": "1"}  # else each thread reserves 64 megabytes more
        stack = Stack(one_s3, own(one_s3.server.address, server.port, **more), folder / "services")
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        try:
            with stack.running():
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                for service in (stack.vod, stack.transcoder):
                    warm(service)
                    size = memory(service.process.pid, "VmSize") + ROOM
                    resource.prlimit(service.process.pid, resource.RLIMIT_AS, (size, size))
                yield stack
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def warm(service: Server) -> None:
    """Threads and buffers are there from then on."""
    for path in ("/healthz", "/openapi.json", "/readyz", "/nothing"):
        for _ in range(20):
            requests.get(f"http://{service.address}{path}", timeout=30)
        knock(service, body(BODY_BYTES, chunked=False, head="PUT /x HTTP/1.1"))


@pytest.fixture
def steady(bounded: Stack) -> Iterator[Stack]:
    """The same; afterwards, no process has grown, and both answer."""
    services = (bounded.vod, bounded.transcoder)
    before = {service.name: memory(service.process.pid, "VmRSS") for service in services}
    yield bounded
    for service in services:
        assert requests.get(f"http://{service.address}/healthz", timeout=30).status_code == 200
        grown = memory(service.process.pid, "VmRSS") - before[service.name]
        assert grown < GROWTH, f"{service.name} has grown by {grown / MB:.0f} MB"


def service_of(stack: Stack, target: str) -> tuple[Server, str]:
    name, head = TARGETS[target]
    return (stack.vod if name == "vod" else stack.transcoder), head


each = settings(
    max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
SIZES = st.one_of(
    st.integers(0, BODY_BYTES), st.sampled_from([BODY_BYTES, BODY_BYTES + 1]), st.integers(BODY_BYTES + 1, 300 * MB)
)


@pytest.mark.parametrize("target", TARGETS)
def test_a_body_is_refused_exactly_where_it_is_too_large(steady: Stack, target: str) -> None:
    service, head = service_of(steady, target)

    @each
    @given(size=SIZES, chunked=st.booleans())
    def holds(size: int, chunked: bool) -> None:
        status, said = knock(service, body(size, chunked=chunked, head=head))
        if target == "stranger":
            assert status == (413 if size > BODY_BYTES and not chunked else 403)
        elif target in ("page", "nothing") and chunked:
            assert status in (200, 404)  # which nobody reads
        else:
            assert (status == 413) == (size > BODY_BYTES), (status, size)
        assert status < 500
        assert status != 413 or (b"application/problem+json" in said and b'"body_too_large"' in said)

    holds()


@pytest.mark.parametrize("service", ["vod", "transcoder"])
def test_urls_and_headers_of_any_size_are_answered_and_take_nothing(steady: Stack, service: str) -> None:
    server: Server = getattr(steady, service)

    def pieces(before: bytes, size: int, after: bytes) -> Iterator[bytes]:
        yield before
        for start in range(0, size, PIECE):
            yield b"a" * min(PIECE, size - start)
        yield after

    end = b"host: x\r\nconnection: close\r\n\r\n"

    @each
    @given(st.one_of(st.integers(1, URL_BYTES - 2), st.integers(URL_BYTES, 40 * MB)), st.sampled_from([b"/", b"/x?"]))
    def url(size: int, start: bytes) -> None:
        status, said = knock(server, pieces(b"GET " + start, size, b" HTTP/1.1\r\n" + end))
        assert status == (404 if size + len(start) <= URL_BYTES + (b"?" in start) else 414)
        assert b"application/problem+json" in said

    @each
    @given(st.one_of(st.integers(0, HEADER_BYTES - 200), st.integers(HEADER_BYTES, 100 * MB)), st.booleans())
    def field(size: int, is_name: bool) -> None:
        start = b"GET /healthz HTTP/1.1\r\n"
        sent = pieces(start + b"x", size, b": 1\r\n" + end) if is_name else pieces(start + b"x: ", size, b"\r\n" + end)
        status, said = knock(server, sent)
        assert status == (200 if size < HEADER_BYTES - 100 else 431), size
        assert status == 200 or b'"headers_too_large"' in said

    @each
    @given(st.one_of(st.integers(0, HEADER_FIELDS - 2), st.integers(HEADER_FIELDS - 1, 200_000)), st.booleans())
    def fields(count: int, slowly: bool) -> None:
        lines = [b"a:b\r\n"] * count
        sent = [*lines[:300], b"".join(lines[300:])] if slowly else [b"".join(lines)]
        status, said = knock(server, [b"GET /healthz HTTP/1.1\r\n", *sent, end])
        assert status == (200 if count + 2 <= HEADER_FIELDS else 431), count
        assert status == 200 or b'"headers_too_large"' in said

    url()
    field()
    fields()


@pytest.mark.parametrize("service", ["vod", "transcoder"])
def test_fields_behind_a_body_are_bounded_too(steady: Stack, service: str) -> None:
    head = b"PUT /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    knock(getattr(steady, service), [head, *[b"a:b\r\n" * 10_000] * 400, b"\r\n"])


@pytest.mark.parametrize(
    "path",
    [
        lambda word: f"/{quote(word)}",
        lambda word: f"/video/{quote(word[:80])}/playlist.m3u8",
        lambda word: f"/stream/myvideos/{quote(word[:80])}.mp4/playlist.m3u8",
        lambda word: f"/video/sample/playlist.m3u8?rendition={quote(word)}",
        lambda word: f"/static/{quote(word)}",
    ],
    ids=["path", "name", "asset", "query", "file"],
)
def test_addresses_that_nobody_has_are_not_kept(steady: Stack, path: Callable[[str], str]) -> None:
    rng = random.Random(7)
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(100):
            word = "\N{GRINNING FACE}" + "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(600))
            answer = session.get(f"http://{steady.vod.address}{path(word)}", timeout=60)
            assert answer.status_code in (400, 404, 422), answer.text


BEGINNINGS = [
    b"",
    b"GET",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET",
    f"POST /transcode HTTP/1.1\r\nhost: x\r\n{BEFORE}\r\ncontent-type: application/json\r\n".encode(),
]
BODILESS = BEGINNINGS[-1] + b"content-length: 20\r\n\r\n{"


def test_connections_that_ask_for_nothing_are_closed_and_keep_nobody_out(steady: Stack) -> None:
    servers = (steady.vod, steady.transcoder)
    with ExitStack() as closing:
        waiting: list[socket.socket] = []
        for server in servers:
            for begun in BEGINNINGS:
                waiting += closing.enter_context(half_open(server, CONNECTIONS // len(BEGINNINGS), begun))
        bodies = closing.enter_context(half_open(steady.transcoder, 20, BODILESS))
        for server in servers:
            assert requests.get(f"http://{server.address}/healthz", timeout=5).status_code == 200
        assert not open_after(waiting, HEADER_SECONDS + 20)
        assert not open_after(bodies, BODY_SECONDS + 20)


def open_after(connections: list[socket.socket], seconds: float) -> set[socket.socket]:
    """Those of the connections that the other side has not closed after so long."""
    poll, left = select.poll(), {connection.fileno(): connection for connection in connections}
    for number in left:
        poll.register(number, select.POLLIN)
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        for number, _ in poll.poll(1000):
            with suppress(ConnectionError):
                if left[number].recv(PIECE):
                    continue
            poll.unregister(number)
            del left[number]
    return set(left.values())


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one(bounded: Stack) -> None:
    for service in (bounded.vod, bounded.transcoder):
        soft, hard = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard
