"""The current keys of playback tokens: read again while the service runs, so that no key needs a restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import httpx

from mam.access.keys import Key, Keys, own_keys, read_keys
from mam.background import Periodic
from mam.settings import Settings
from mam.watched_file import WatchedFile

URL_SECONDS = 300.0  # The set at the URL is read this often.
STALE_SECONDS = 24 * 3600.0  # The last set from the URL is valid this long without its server.
FETCH_SECONDS = 10.0
MOST_BYTES = 1 << 20

log = logging.getLogger(__name__)


class Keyring:
    """Our own keys, then those of PLAYBACK_KEYS_FILE, then those of PLAYBACK_KEYS_URL. No key replaces another.

    `keys`: by their id, the one that signs first.
    """

    def __init__(self, settings: Settings) -> None:
        self._own = own_keys(settings.playback_keys())
        self._listed: Keys = {}
        path = settings.playback_keys_file
        self._file = (
            WatchedFile("PLAYBACK_KEYS_FILE", path, read_keys, self._take, what="playback keys") if path else None
        )
        self._url = _Url(settings.playback_keys_url, self._merge) if settings.playback_keys_url else None
        self.keys: Keys = self._own

    def _take(self, listed: Keys) -> None:
        self._listed = listed
        self._merge()

    def _merge(self) -> None:
        merged = dict(self._own)
        for keys in (self._listed, self._url.keys if self._url else {}):
            merged |= {kid: key for kid, key in keys.items() if kid not in merged}
        self.keys = merged

    async def start(self) -> None:
        """Raises ValueError where the file cannot be read, in words for the operator."""
        async with AsyncExitStack() as stack:
            for source in filter(None, (self._file, self._url)):
                stack.push_async_callback(source.stop)
                await source.start()
            stack.pop_all()

    async def stop(self) -> None:
        for source in filter(None, (self._file, self._url)):
            await source.stop()


class _Url(Periodic):
    """A set of keys that another server publishes."""

    def __init__(self, url: str, changed: Callable[[], None]) -> None:
        super().__init__("published keys of playback tokens", URL_SECONDS)
        self._url = url
        self._changed = changed
        self._read_at = 0.0
        self.keys: Mapping[str, Key] = {}

    async def take_turn(self) -> None:
        await self._fetch()
        if time.monotonic() - self._read_at >= STALE_SECONDS:
            self.keys = {}
        self._changed()

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=FETCH_SECONDS) as client, client.stream("GET", self._url) as answer:
                answer.raise_for_status()
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise ValueError(f"it has more than {MOST_BYTES} bytes")
            self.keys, self._read_at = read_keys(body.decode()), time.monotonic()
        except (httpx.HTTPError, ValueError) as error:
            log.warning("playback keys not read", extra={"url": self._url, "error": str(error) or type(error).__name__})
