"""What a process knows of the share links: never more than since the last time that one may have been revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mam.access import shares
from mam.access.share_links import ShareLinks
from mam.access.shares import Share
from mam.errors import StoreUnavailable

KEY = "sh_" + "k" * 32


class Memory(SimpleNamespace):
    """The lease of a process, which `forget` ends as an invalidation does."""

    is_leased, invalidations = True, 0
    forget: Callable[[], None]

    def on_forgotten(self, _: str, forget: Callable[[], None]) -> None:
        self.forget = forget


class Bucket:
    is_away = False

    def get(self, *_: str) -> bytes:
        if self.is_away:
            raise StoreUnavailable("It is away.")
        return shares.written([Share("a" * 12, shares.digest_of(KEY), "films/")])


def test_while_the_store_is_away_a_link_opens_only_as_long_as_none_can_have_been_revoked() -> None:
    memory, bucket = Memory(), Bucket()
    links = ShareLinks(cast(Any, bucket), "vod", cast(Any, None), cast(Any, memory))
    assert asyncio.run(links.find(KEY))
    bucket.is_away = True
    assert asyncio.run(links.find(KEY)), "this process would have heard of a revocation"
    assert links.current(KEY)
    memory.forget()
    assert links.current(KEY) is None
    with pytest.raises(StoreUnavailable):
        asyncio.run(links.find(KEY))
