"""Cached playlists, answered before the framework's router: what players ask for all day costs one Redis read or less.

Anything unusual (not cached, not valid, Redis away) is left to the routes behind, which give the same answers slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from mam.errors import MamError
from mam.hls.plan import Profile
from mam.naming import Asset, check_video_name, video_names
from mam.settings import Settings
from mam.vod.answer import Answers
from redis_adapter import PlaylistCache

SUFFIX = "/playlist.m3u8"
KNOWN_REQUESTS = 4096  # whose parts are remembered


@dataclass(frozen=True, slots=True)
class Route:
    """What the metrics call a request by."""

    path: str


VIDEO = Route("/video/{video_name:path}/playlist.m3u8")
STREAM = Route("/stream/{bucket}/{path:path}/playlist.m3u8")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a playlist request asks the cache for. `bucket` and `source` are empty for a video by its name."""

    route: Route
    names: tuple[str, ...]
    bucket: str
    source: str
    profile: str
    rendition: str


def understood(path: str, query: bytes) -> Wanted | None:
    """The parts of a playlist request; None for any other, and for whatever the routes must judge."""
    if not path.endswith(SUFFIX):
        return None
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs) or not options.keys() <= {"rendition", "reencode", "profile"}:
        return None
    rendition = options.get("rendition", "")
    try:
        if path.startswith("/video/") and options.keys() <= {"rendition"}:
            name = path[len("/video/") : -len(SUFFIX)]
            check_video_name(name)
            return Wanted(VIDEO, (name,), "", "", "", rendition)
        if path.startswith("/stream/"):
            bucket, _, key = path[len("/stream/") : -len(SUFFIX)].partition("/")
            asset = Asset(bucket, key)
            profile = _profile(options)
            if profile is not None:
                names = tuple(dict.fromkeys(video_names(asset)))
                return Wanted(STREAM, names, bucket, str(asset), profile, rendition)
    except MamError:
        pass
    return None


def _profile(options: dict[str, str]) -> str | None:
    """The profile asked for, '' for any; None where the route must judge."""
    if options.keys() >= {"reencode", "profile"}:
        return None
    if "profile" in options:
        return options["profile"] if options["profile"] in {profile.value for profile in Profile} else None
    return {"": "", "false": "", "true": Profile.H264.value}.get(options.get("reencode", ""))


class SharedReads:
    """Reads of the cache, one at a time per key: whoever comes while one is under way shares the next.

    Never the one under way: a read that began before a request could miss an invalidation that was answered before it.
    """

    def __init__(self, cache: PlaylistCache) -> None:
        self._cache = cache
        self._next: dict[tuple[tuple[str, ...], str], asyncio.Future[list[Answers | None]]] = {}
        self._reading: set[tuple[tuple[str, ...], str]] = set()

    def read(self, names: tuple[str, ...], rendition: str) -> asyncio.Future[list[Answers | None]]:
        """The answers cached for each of the names."""
        key = (names, rendition)
        future = self._next.get(key)
        if future is None:
            future = self._next[key] = asyncio.get_running_loop().create_future()
            if key not in self._reading:
                self._reading.add(key)
                _background(self._run(key))
        return future

    async def _run(self, key: tuple[tuple[str, ...], str]) -> None:
        while future := self._next.pop(key, None):
            lookups = await self._cache.get(*key)  # never raises: Redis away reads as nothing
            future.set_result([Answers(found.playlist) if found.playlist else None for found in lookups])
            await asyncio.sleep(0)  # let those who waited answer before the next read's reply is looked for
        self._reading.discard(key)


_tasks: set[asyncio.Task[None]] = set()


def _background(work: Coroutine[None, None, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


class HotPath:
    """ASGI middleware. `cache` and `settings` are looked up when the service has started."""

    def __init__(self, app: ASGIApp, *, cache: Callable[[Scope], PlaylistCache]) -> None:
        self._app = app
        self._cache = cache
        self._reads: SharedReads | None = None
        self._understood = lru_cache(KNOWN_REQUESTS)(understood)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            wanted = self._understood(scope["path"], scope["query_string"])
            if wanted is not None and self._may_stream(scope["app"].state.settings, wanted):
                if self._reads is None:
                    self._reads = SharedReads(self._cache(scope))
                for answers in await self._reads.read(wanted.names, wanted.rendition):
                    if answers is not None and answers.playlist.fits(wanted.source, wanted.profile):
                        await self._send(answers, wanted, scope, send)
                        return
        await self._app(scope, receive, send)

    def _may_stream(self, settings: Settings, wanted: Wanted) -> bool:
        return not wanted.bucket or settings.may_stream(wanted.bucket)

    async def _send(self, answers: Answers, wanted: Wanted, scope: Scope, send: Send) -> None:
        answer = answers.to(scope["headers"])
        scope["route"] = wanted.route
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})
