"""Refusals take as long as answers about what is missing: else the time would tell what exists, and what the rules are.

A refusal is known at once, and what is missing only once the store was asked. So each playback route notes how long its
answers about missing things took, and a refusal waits for a time that is drawn from them. It asks nothing itself.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from cachetools import TTLCache
from fastapi import Request, Response

from mam.errors import MamError, NotFound, VideoNotFound
from mam.http.routing import Route
from mam.vod.thumbnails import NoPictures

BEGAN = "mam.began"  # This key of an ASGI scope holds the moment at which a request came, of `time.perf_counter`.
CODES = (NotFound.code, VideoNotFound.code, NoPictures.code)  # of refusals, and of what is missing
NOTED = 64  # The last answers of a route that are noted.
LONGEST_SECONDS = 1.0  # A refusal waits for this time at most.
LATE_SECONDS = 0.0005  # A loop's timers count whole milliseconds: they are late by half of one on average.
# What was asked for lately may be remembered as missing (mam/vod/missing.py), and is then answered faster.
LATELY, LATELY_SECONDS = 20_000, 30.0


class Durations:
    """How long answers about missing things took, by route; apart from others, for what was asked for lately."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, bool], deque[float]] = {}
        self._lately: TTLCache[int, None] = TTLCache(LATELY, LATELY_SECONDS)  # by the hash: a path may be long

    def asked(self, path: bytes) -> bool:
        """Whether an address was answered with 404 lately; from now on it was."""
        before = hash(path) in self._lately
        self._lately[hash(path)] = None
        return before

    def note(self, route: str, seconds: float, *, again: bool) -> None:
        """Notes how long an answer took. `again`: whether its address was answered with 404 lately."""
        self._noted.setdefault((route, again), deque(maxlen=NOTED)).append(seconds)

    def drawn(self, route: str, *, again: bool) -> float:
        """The time that a refusal shall take in seconds; 0 where nothing is known of the route."""
        noted = self._noted.get((route, again)) or self._noted.get((route, not again))
        return min(secrets.choice(noted), LONGEST_SECONDS) if noted else 0.0


class PlaybackRoute(Route):
    """A route whose refusals take as long as its answers about what is missing."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            began = request.scope.get(BEGAN) or time.perf_counter()
            try:
                return await handle(request)
            except MamError as error:
                if error.code in CODES:
                    durations: Durations = request.app.state.services.durations
                    await self._take_time(durations, request, error, began)
                raise

        return answer

    async def _take_time(self, durations: Durations, request: Request, error: MamError, began: float) -> None:
        again = durations.asked(request.scope["raw_path"])
        if not error.is_refusal:
            durations.note(self.path, time.perf_counter() - began, again=again)
            return
        left = durations.drawn(self.path, again=again) - (time.perf_counter() - began) - LATE_SECONDS
        if left > 0:
            await asyncio.sleep(left)
