"""The API keys that a service accepts now: they can be added and removed while it runs."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from mam.credentials.api_keys import ApiKey, Keys, digest_of, master_keys, read_keys, written
from mam.settings import Settings
from mam.watched_file import WatchedFile


def _watched(path: Path, take: Callable[[Keys], None]) -> WatchedFile[dict[str, ApiKey]]:
    # `mam keys add` makes the file: before, there are no keys but those of TRANSCODE_API_KEY.
    return WatchedFile("API_KEYS_FILE", path, read_keys, take, what="API keys", if_missing=written([]))


class KnownKeys:
    """The keys of TRANSCODE_API_KEY and API_KEYS_FILE. `start` it, and `stop` it.

    `with_service`: also those of the other service, whose requests may be for its own clients.
    """

    def __init__(self, settings: Settings, *, with_service: bool = False) -> None:
        self._master = master_keys(settings.api_keys())
        self._services = {digest_of(key) for key in settings.service_keys()} if with_service else set()
        self._listed: Keys = {}
        self._ids: dict[str, ApiKey] = {}
        self._take({})
        path = settings.api_keys_file
        self._file = _watched(path, self._take) if path else None

    def _take(self, listed: Keys) -> None:
        self._listed = listed
        self._ids = {key.id: key for key in (*listed.values(), *self._master.values())}

    async def start(self) -> None:
        """Raises ValueError where the file cannot be read, in words for the operator."""
        if self._file:
            await self._file.start()

    async def stop(self) -> None:
        if self._file:
            await self._file.stop()

    def find(self, text: str) -> ApiKey | None:
        """The key with this text, also one that has expired."""
        # Digests are compared: how long a comparison takes says nothing about a key.
        digest = digest_of(text)
        return self._master.get(digest) or self._listed.get(digest)

    def named(self, key_id: str) -> ApiKey | None:
        """The key with this id, unless it has expired."""
        key = self._ids.get(key_id)
        return key if key and time.time() < key.expires else None

    def is_service(self, text: str) -> bool:
        """Whether it is the key by which the services know each other: its requests may be for other clients."""
        digest = digest_of(text)
        return any(hmac.compare_digest(digest, known) for known in self._services)
