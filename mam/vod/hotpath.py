"""Cached playlists and redirects of segments, answered before the framework's router.

The most frequent requests cost at most one round trip. All other requests (not cached, not valid, Redis away) go to the
routes behind, which give the same answers slowly.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from starlette.types import Scope, Send

from mam.access.share_links import ShareLinks
from mam.access.viewers import ANYONE, Viewer
from mam.cache.memory import PlaylistMemory
from mam.cache.response import Answer, Answers, Headers
from mam.cache.shared_reads import SharedReads
from mam.cache.store import limited, slot
from mam.errors import MamError
from mam.hls.heights import fits
from mam.hls.recipe import Format, Profile, kind_of
from mam.http.edge import hides_bucket
from mam.http.metrics import Recorder
from mam.http.token_path import PREFIX
from mam.naming import Asset, check_video_name, video_names
from mam.settings import Settings
from mam.vod.access import Access
from mam.vod.entrance import Entrance
from mam.vod.outcomes import Outcomes
from mam.vod.redirects import Redirects

SUFFIX = "/playlist.m3u8"
KNOWN_REQUESTS = 4096  # The parts of this many answered requests are remembered; unanswered ones are not.
# Paths are at most this many bytes: a name of 960, at three characters each where quoted, and the rest.
LONGEST = 6 << 10

DEFAULTS = (None, *(profile.value for profile in Profile))  # The values of `default`: each is the name of a kind too.
VIDEO = "/video/{video_name:path}/playlist.m3u8"
STREAM = "/stream/{bucket}/{path:path}/playlist.m3u8"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A playlist request as the cache needs it. `source` is empty for a video by its name."""

    route: str  # the route template that the request matches
    names: tuple[str, ...]
    source: str
    kind: str
    slot: str  # the slot in the cache


def parsed(path: str, query: bytes) -> Wanted | None:
    """The parts of a playlist request; None for any other request, and for one that the routes must judge."""
    if not path.endswith(SUFFIX):
        return None
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs) or not options.keys() <= {"rendition", "reencode", "profile", "format", "default"}:
        return None
    rendition, default = options.get("rendition", ""), options.pop("default", None)
    try:
        kind = _kind(options)
        if kind is None or default not in DEFAULTS:
            return None
        if path.startswith("/video/") and "reencode" not in options and default is None:
            name = path[len("/video/") : -len(SUFFIX)]
            check_video_name(name)
            return Wanted(VIDEO, (name,), "", kind, slot(kind, rendition))
        if path.startswith("/stream/"):
            bucket, _, key = path[len("/stream/") : -len(SUFFIX)].partition("/")
            asset = Asset(bucket, key)
            return Wanted(STREAM, video_names(asset), str(asset), kind, slot(kind, rendition, default or ""))
    except MamError:
        pass
    return None


def _kind(options: dict[str, str]) -> str | None:
    """The requested kind, '' for any; None where the route must judge."""
    if options.keys() >= {"reencode", "profile"} or ("format" in options and "profile" not in options):
        return None
    if "format" in options and options["profile"] == Profile.LADDER.value:
        return None
    if "profile" not in options:
        return {"": "", "false": "", "true": Profile.H264.value}.get(options.get("reencode", ""))
    try:
        return kind_of(Profile(options["profile"]), Format(options.get("format", Format.TS.value)))
    except ValueError:
        return None


class HotPath:
    """Answers requests for cached playlists. One per service."""

    def __init__(
        self,
        settings: Settings,
        access: Access,
        entrance: Entrance,
        links: ShareLinks,
        redirects: Redirects,
        memory: PlaylistMemory,
        reads: SharedReads,
        recorder: Recorder,
        outcomes: Outcomes,
    ) -> None:
        self._access = access
        self._entrance = entrance
        self._links = links
        self._redirects = redirects
        self._memory = memory
        self._reads = reads
        self._recorder = recorder
        self._outcomes = outcomes
        self._known: dict[tuple[bytes, bytes], Wanted] = {}
        self._origins = {origin.encode() for origin in settings.allowed_origins}

    async def answer(self, scope: Scope, send: Send) -> bool:
        """Sends the answer when it is at hand. False: nothing was sent, and the routes must answer."""
        path, raw_path, viewer = scope["path"], scope["raw_path"], ANYONE
        if path.startswith(PREFIX):
            entered = self._entrance.known(scope)
            if entered is None:
                return False
            path, raw_path, viewer = entered
        if not path.endswith(SUFFIX):
            return await self._redirect(scope, raw_path, viewer, send)
        request = (raw_path, scope["query_string"])
        wanted = self._known.get(request) or self._parsed(path, *request)
        if wanted is None or (wanted.source and not self._access.may_watch(wanted.source, viewer)):
            return False
        started = time.perf_counter()
        asked = replace(wanted, slot=limited(wanted.slot, viewer.max_height)) if viewer.max_height else wanted
        answers = self._from_memory(asked, viewer)
        if answers is not None:
            self._outcomes.memory.inc()
        else:
            answers = await self._from_redis(asked, viewer)
            if answers is None:
                return False
            self._outcomes.redis.inc()
        if viewer.grant and viewer.grant.share:
            self._links.count(viewer.grant, scope)
        answer = answers.to(scope["headers"])
        await self._send(scope, send, answer, wanted.route, started)
        if request not in self._known:
            self._remember(request, wanted)
        return True

    async def _redirect(self, scope: Scope, raw_path: bytes, viewer: Viewer, send: Send) -> bool:
        """Sends the redirect of a segment that was requested lately."""
        started = time.perf_counter()
        redirect = None if scope["query_string"] else self._redirects.get(raw_path)
        if redirect is None or not self._access.may_watch(redirect.source, viewer):
            return False
        if viewer.max_height and not fits(redirect.side, viewer.max_height):
            return False
        await self._send(scope, send, Answer(302, redirect.headers, b""), redirect.route, started)
        return True

    async def _send(self, scope: Scope, send: Send, answer: Answer, route: str, started: float) -> None:
        method: str = scope["method"]
        headers = [*answer.headers, *self._cors(scope["headers"])]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
        self._recorder.record(method, route, answer.status, time.perf_counter() - started)

    def _parsed(self, path: str, raw_path: bytes, query: bytes) -> Wanted | None:
        if len(raw_path) > LONGEST or len(query) > LONGEST or hides_bucket(raw_path):
            return None
        return parsed(path, query)

    def _remember(self, request: tuple[bytes, bytes], wanted: Wanted) -> None:
        if len(self._known) >= KNOWN_REQUESTS:
            del self._known[next(iter(self._known))]
        self._known[request] = wanted

    def _from_memory(self, wanted: Wanted, viewer: Viewer) -> Answers | None:
        """The playlist from memory. A name that is not there may be in Redis and takes precedence over later names."""
        for name in wanted.names:
            answers = self._memory.get(name, wanted.slot)
            if answers is None or self._fits(wanted, name, answers, viewer):
                return answers
        return None

    async def _from_redis(self, wanted: Wanted, viewer: Viewer) -> Answers | None:
        reads = await self._reads.read(wanted.names, wanted.slot)
        for name, read in zip(wanted.names, reads, strict=True):
            if read.answers and self._fits(wanted, name, read.answers, viewer):
                return read.answers
        return None

    def _fits(self, wanted: Wanted, name: str, answers: Answers, viewer: Viewer) -> bool:
        playlist = answers.playlist
        if not playlist.fits(wanted.source, wanted.kind):
            return False
        if wanted.source and playlist.source == wanted.source:  # which was judged before
            return True
        return self._access.may_watch(self._access.source_of(name, playlist.source), viewer)

    def _cors(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The headers that CORSMiddleware adds for the routes behind."""
        if b"*" in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        origin = next((value for name, value in headers if name == b"origin"), b"")
        allowed = [(b"access-control-allow-origin", origin)] if origin in self._origins else []
        return [*allowed, (b"vary", b"Origin")]
