"""Knowing that the process is to stop: before its server waits for its requests to end."""

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
    """An event that is set as soon as a signal asks the process to stop, and at the end of the block in any case.

    A server ends the application's lifespan only when all of its requests have been answered, and an event stream has
    no end of its own. The server's own handlers are called as before.
    """
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is threading.main_thread():  # where alone handlers can be set
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):  # else it is not handled, and ends the process as always
                before[number] = handler
                signal.signal(number, handle)
    try:
        yield stopping
    finally:
        stopping.set()
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)
