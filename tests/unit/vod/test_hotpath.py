"""The hot path remembers requests: those that were answered, and only so many."""

from __future__ import annotations

import asyncio
import gzip
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from mam.cache.response import Answers
from mam.cache.store import MAIN, CachedPlaylist
from mam.http.metrics import Recorder
from mam.settings import Settings
from mam.vod.access import Access
from mam.vod.hotpath import KNOWN_REQUESTS, LONGEST, HotPath
from mam.vod.outcomes import Outcomes
from mam.vod.redirects import Redirects

SETTINGS = Settings(_env_file=None, transcode_api_key="the key of the tests is no secret")


class Kept:
    """Holds a playlist under every name that begins with `live`."""

    def get(self, name: str, slot: str) -> Answers | None:
        if not name.startswith("live") or slot != MAIN:
            return None
        return Answers(CachedPlaylist(gzip.compress(b"#EXTM3U\n")))


def hot_path() -> HotPath:
    async def read(names: Any, slot: str) -> list[Any]:
        return [SimpleNamespace(answers=None)] * len(names)

    reads: Any = SimpleNamespace(read=read)
    kept: Any = Kept()
    nobody: Any = SimpleNamespace(known=lambda _: None)
    links: Any = None  # no viewer comes by a link
    access, recorder, outcomes = Access(SETTINGS), Recorder("vod"), Outcomes(CollectorRegistry())
    return HotPath(SETTINGS, access, nobody, links, Redirects(), kept, reads, recorder, outcomes)


def ask(hot: HotPath, path: str, query: bytes = b"", raw: bytes | None = None) -> bool:
    async def send(_: Any) -> None: ...

    scope = {
        "path": path,
        "raw_path": raw if raw is not None else path.encode(),
        "query_string": query,
        "headers": [],
        "method": "GET",
    }
    return asyncio.run(hot.answer(scope, send))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=3000), st.binary(max_size=3000))
def test_what_nobody_was_answered_is_not_remembered(name: str, query: bytes) -> None:
    hot = hot_path()
    for path in (f"/{name}", f"/video/x{name}/playlist.m3u8", f"/stream/myvideos/x{name}.mp4/playlist.m3u8"):
        assert not ask(hot, path, query)
    assert not hot._known


def test_no_more_requests_are_remembered_than_there_is_room_for() -> None:
    hot = hot_path()
    for number in range(KNOWN_REQUESTS + 100):
        assert ask(hot, f"/video/live{number}/playlist.m3u8")
    assert len(hot._known) == KNOWN_REQUESTS
    assert ask(hot, "/video/live0/playlist.m3u8"), "what was forgotten is understood again"


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/video/live/playlist.m3u8\n", None),
        ("/stream/myvideos/live.mp4/playlist.m3u8", b"/stream/myvideos%2Flive.mp4/playlist.m3u8"),
        ("/video/live/playlist.m3u8", b"/video%2flive/playlist.m3u8"),
        ("/video/live/playlist.m3u8", b"/video/" + b"%6c" * LONGEST + b"/playlist.m3u8"),
    ],
)
def test_what_the_edge_refuses_is_left_to_it(path: str, raw: bytes | None) -> None:
    assert not ask(hot_path(), path, raw=raw)
