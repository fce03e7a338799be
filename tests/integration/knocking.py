"""Requests as no client library sends them: byte by byte, of any size, and never to their end."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dev.servers import LOOPBACK, Server

ANSWER_SECONDS = 60
PIECE = 64 << 10


def knock(server: Server, pieces: Iterable[bytes]) -> tuple[int, bytes]:
    """Sends the pieces until the server hangs up, reading meanwhile: status and rest of the answer; 0 for none."""
    with socket.create_connection((LOOPBACK, server.port), timeout=ANSWER_SECONDS) as connection:
        answer = bytearray()
        reading = threading.Thread(target=_read, args=(connection, answer))
        reading.start()
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        reading.join(ANSWER_SECONDS)
        head, _, rest = bytes(answer).partition(b"\r\n")
        found = re.match(rb"HTTP/1\.1 (\d{3})", head)
        return (int(found[1]) if found else 0), rest


def _read(connection: socket.socket, answer: bytearray) -> None:
    with suppress(OSError):
        while data := connection.recv(PIECE):
            answer += data


def body(size: int, *, chunked: bool, head: str) -> Iterator[bytes]:
    """A request with `size` spaces as its body. `head`: its first line and headers."""
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {size}"
    yield f"{head}\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n{framing}\r\n\r\n".encode()
    for start in range(0, size, PIECE):
        piece = b" " * min(PIECE, size - start)
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    if chunked:
        yield b"0\r\n\r\n"


@contextmanager
def half_open(server: Server, count: int, begun: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent `begun` and say no more."""
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connections.append(socket.create_connection((LOOPBACK, server.port), timeout=ANSWER_SECONDS))
            connections[-1].sendall(begun)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def memory(pid: int, what: str) -> int:
    """Bytes of a process: `VmRSS` now, `VmHWM` at most so far, `VmSize` of its address space."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) << 10
