"""Assets that were requested lately and do not exist: in a crowd of them, each costs one look at the store."""

from __future__ import annotations

from collections.abc import Callable

from cachetools import TTLCache

from mam.naming import Asset

MOST = 20_000
SECONDS = 30.0  # A missing asset is looked for again after this time, and at once when the library learns of it.
# With so many missing assets, they are remembered, and the store is asked before the transcoding service. With fewer, a
# person who tries again has just put the file there.
CROWD = 20


class MissingAssets:
    """The missing assets that this process knows. `exists`: whether the library knows an asset."""

    def __init__(self, exists: Callable[[Asset], bool]) -> None:
        self._exists = exists
        self._known: TTLCache[Asset, None] = TTLCache(MOST, SECONDS)

    def __contains__(self, asset: Asset) -> bool:
        if asset not in self._known or not self.is_crowd:
            return False
        if self._exists(asset):  # it has arrived
            self._known.pop(asset, None)
            return False
        return True

    def add(self, asset: Asset) -> None:
        self._known[asset] = None

    @property
    def is_crowd(self) -> bool:
        """Whether many missing assets are requested."""
        return len(self._known) >= CROWD
