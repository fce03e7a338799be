"""Notices a stop signal before the server waits for its requests to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noticed() -> Iterator[asyncio.Event]:
    """An event that is set as soon as the process gets a stop signal, and at the end of the block in any case.

    A server ends the application's lifespan only after all requests, and an event stream does not end by itself. The
    server's own signal handlers are still called.
    """
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    handlers: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        handlers[signal.Signals(number)](number, frame)

    if threading.current_thread() is threading.main_thread():  # handlers can only be set there
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):  # an unhandled signal ends the process as before
                handlers[number] = handler
                signal.signal(number, handle)
    try:
        yield stopping
    finally:
        stopping.set()
        for number, handler in handlers.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)
