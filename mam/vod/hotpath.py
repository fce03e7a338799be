"""Cached playlists, answered before the framework's router: what players ask for all day costs one Redis read or less.

Anything unusual (not cached, not valid, Redis away) is left to the routes behind, which give the same answers slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from mam.errors import MamError
from mam.hls.plan import Profile
from mam.naming import Asset, check_video_name, video_names
from mam.vod.answer import Answers

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


class HotPath:
    """ASGI middleware. The app's state holds `settings` and `reads` (SharedReads) once the service has started."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._understood = lru_cache(KNOWN_REQUESTS)(understood)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            wanted = self._understood(scope["path"], scope["query_string"])
            state = scope["app"].state
            if wanted is not None and (not wanted.bucket or state.settings.may_stream(wanted.bucket)):
                for found in await state.reads.read(wanted.names, wanted.rendition):
                    playlist = found.playlist
                    if playlist is not None and playlist.fits(wanted.source, wanted.profile):
                        await self._send(found.answers, wanted, scope, send)
                        return
        await self._app(scope, receive, send)

    async def _send(self, answers: Answers, wanted: Wanted, scope: Scope, send: Send) -> None:
        answer = answers.to(scope["headers"])
        scope["route"] = wanted.route
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})
