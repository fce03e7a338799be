"""A proxy between the services and the store: it writes down what is put, and can be as bad as stores are."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from dev.servers import LOOPBACK, free_port

CHUNK = 1 << 16
SEGMENTS = (".ts", ".m4s")
XML = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>by the tests</Message></Error>'


@dataclass
class Mood:
    """What the store is like now. `put_seconds`: what each PUT takes at least."""

    put_seconds: float = 0.0
    answer_seconds: float = 0.0  # before any answer
    refuse_puts: tuple[int, bytes] | None = None  # with this status and S3 error code
    cut_after: int | None = None  # bytes of an answer, and then the connection breaks


@dataclass(frozen=True)
class Put:
    """An object that was written, `at` a moment of time.monotonic()."""

    key: str
    at: float


@dataclass
class StoreProxy:
    """Forwards HTTP/1.1 to the store at `upstream` (host:port). `mood` may be changed at any time, from any thread."""

    upstream: str
    port: int = field(default_factory=free_port)
    mood: Mood = field(default_factory=Mood)
    puts: list[Put] = field(default_factory=list)
    spoiled: int = 0  # requests that met a bad mood
    asked: list[str] = field(default_factory=list)  # the methods and targets of all requests

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @contextmanager
    def running(self) -> Iterator[StoreProxy]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="store-proxy")
        thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, LOOPBACK, self.port, limit=1 << 20), loop
        ).result()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(server.close)
            asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    @contextmanager
    def bad(self, mood: Mood) -> Iterator[None]:
        before, self.mood = self.mood, mood
        try:
            yield
        finally:
            self.mood = before

    def put_counts(self, prefix: str) -> Counter[str]:
        """How often each segment below a prefix was written."""
        return Counter(put.key for put in list(self.puts) if put.key.startswith(prefix) and put.key.endswith(SEGMENTS))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers: asyncio.StreamWriter | None = None
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            host, _, port = self.upstream.rpartition(":")
            source, answers = await asyncio.open_connection(host, int(port))
            back = asyncio.create_task(self._pump(source, writer))
            try:
                while await self._request(reader, answers, writer):
                    pass
            finally:
                back.cancel()
        for each in (answers, writer):
            if each is not None:
                each.transport.abort()

    async def _request(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> bool:
        """Forwards one request; False at the end of the connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.asked.append(f"{method.decode()} {target.decode()}")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        mood = self.mood
        if mood.answer_seconds:
            self.spoiled += 1
            await asyncio.sleep(mood.answer_seconds)
        if method == b"PUT":
            if mood.refuse_puts:
                self.spoiled += 1
                status, code = mood.refuse_puts
                text = XML % code
                client.write(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))
                await client.drain()
                return True
            await asyncio.sleep(mood.put_seconds)
        upstream.write(head + body)
        await upstream.drain()
        if method == b"PUT":
            path = unquote(urlsplit(target.decode()).path)
            self.puts.append(Put(path.lstrip("/").partition("/")[2], time.monotonic()))
        return True

    async def _pump(self, source: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        passed = 0
        with suppress(OSError):
            while data := await source.read(CHUNK):
                cut = self.mood.cut_after
                passed += len(data)
                if cut is not None and passed > cut:
                    self.spoiled += 1
                    client.write(data[: max(0, len(data) - (passed - cut))])
                    await client.drain()
                    break
                client.write(data)
                await client.drain()
        client.transport.abort()


async def _end_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
