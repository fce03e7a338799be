"""The entrance of the VoD service: who asks for a video, by a token in the address, an API key or a session.

A token stands in the path, `/p/{token}/stream/…`, so that all relative addresses inherit it, in every player.
`?token=` and `Authorization: Bearer` lead there. Behind the entrance the path has no token, and no log can show it.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Request
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mam.access.denials import Denials
from mam.access.grants import Grant
from mam.access.share_links import ShareLinks
from mam.access.shares import is_key as is_link
from mam.access.streams import Device, Streams
from mam.access.tokens import REMEMBERED, InvalidToken, Tokens
from mam.access.viewers import ANYONE, Viewer, place_of
from mam.credentials import scopes
from mam.credentials.scopes import Caller
from mam.errors import MamError, NotFound
from mam.http import problems
from mam.http.auth import caller_if_any
from mam.http.token_path import PREFIX, SCOPE_KEY
from mam.naming import POSTER, SHEET, STORYBOARD, Asset
from mam.playback_rules import Policy
from mam.settings import Settings
from mam.vod.access import Access

_VIEWER = "mam.viewer"  # This key of an ASGI scope holds the viewer with a token.
# What a token can be for.
_PATHS = ("/stream/", "/video/", "/watch/", "/embed/", "/download/", "/shared/", "/contents/")
_PAGE = re.compile(r"^(?:/p/[^/]*)?/(?:watch|embed|shared)/|^/s/")
_BEARER = re.compile(r"Bearer +([A-Za-z0-9_.-]+) *", re.IGNORECASE)
_NOT_PLAYED = re.compile(rf"/(?:{POSTER}|{STORYBOARD}|{SHEET.pattern}|status)$")  # what no stream is counted for
_IN_QUERY = re.compile(rb"(?:^|&)token=")


class Entrance:
    """Admits requests with a token. One per service."""

    def __init__(
        self, settings: Settings, tokens: Tokens, links: ShareLinks, denials: Denials, streams: Streams
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._links = links
        self._denials = denials
        self._streams = streams
        self._viewers: dict[str, Viewer] = {}  # by token, with the grant and the denials of their last request

    def known(self, scope: Scope) -> tuple[str, bytes, Viewer] | None:
        """A request's path without its token, that path as it was sent, and the viewer, where nothing has to be waited
        for; None for any other request. It is on the way of every segment: so it is short.
        """
        denied = self._denials.current()
        if denied is None:
            return None
        try:
            token, path, raw_path = parted(scope)
            grant = self._links.current(token) if is_link(token) else self._tokens.grant(token)
        except InvalidToken:
            return None
        if grant is None or not grant.is_current(time.time()):
            return None
        if grant.max_streams and not self._streams.has_seen(_device(grant, scope)):
            return None
        viewer = self._viewers.get(token)
        if viewer is None or viewer.grant is not grant or viewer.denied is not denied:
            if grant.is_bound:
                return None
            if len(self._viewers) >= REMEMBERED:
                self._viewers.clear()
            viewer = self._viewers[token] = Viewer(grant=grant, denied=denied)
        return path, raw_path, viewer

    async def enter(self, scope: Scope, token: str) -> Viewer:
        """The viewer with this token. Raises InvalidToken, TooManyStreams, RedisUnavailable, StoreUnavailable."""
        grant = (await self._links.find(token))[1] if is_link(token) else self._tokens.grant(token)
        if grant.is_bound and not self._admits(grant, scope):
            raise InvalidToken("It is for another address, page or country.")
        viewer = Viewer(grant=grant, denied=await self._denials.read())
        if grant.max_streams and scope["method"] == "GET" and not _NOT_PLAYED.search(scope["path"]):
            plays = _PAGE.search(scope["path"]) is None  # A page's own player may call itself otherwise.
            await self._streams.admit(_device(grant, scope), grant.max_streams, plays=plays)
        return viewer

    def _admits(self, grant: Grant, scope: Scope) -> bool:
        headers, country = Headers(scope=scope), self._settings.playback_country_header
        page = headers.get("origin") or headers.get("referer", "")
        return grant.admits(
            address=_address(scope),
            page=page,
            is_ours=page.split("://")[-1].split("/")[0] == headers.get("host"),
            country=headers.get(country, "") if country else "",
        )

    def verifies(self, token: str) -> bool:
        """Whether it is a token of this service: other services put their own into the same header."""
        with suppress(InvalidToken):
            return is_link(token) or self._tokens.grant(token) is not None
        return False


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _device(grant: Grant, scope: Scope) -> Device:
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return Device.of(grant, address=_address(scope), agent=agent)


class TokenPaths:
    """ASGI middleware: takes the token out of a request's path, and redirects requests that have it elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(scope)
        except MamError as error:
            answer = refusal(scope, error)
        await (answer or self._app)(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | None:
        """A redirect; None for a request that the routes answer. It changes the scope of a request with a token."""
        path: str = scope["path"]
        if not path.startswith((PREFIX, *_PATHS)):
            return None
        entrance: Entrance = scope["app"].state.services.entrance
        if path.startswith(PREFIX):
            token, rest, raw_rest = parted(scope)
            scope[_VIEWER] = await entrance.enter(scope, token)
            if not rest.startswith(_PATHS) or scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                raise NotFound("No token is for this address.")
            scope[SCOPE_KEY] = f"{PREFIX}{token}"
            scope["path"], scope["raw_path"] = rest, raw_rest
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return None
        if _IN_QUERY.search(scope["query_string"]):
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            token = dict(pairs)["token"]
            await entrance.enter(scope, token)
            return _redirect(scope, token, urlencode([pair for pair in pairs if pair[0] != "token"]))
        bearer = _BEARER.fullmatch(Headers(scope=scope).get("authorization", ""))
        if bearer and entrance.verifies(bearer[1]):
            return _redirect(scope, bearer[1], scope["query_string"].decode("latin-1"))
        return None


def refusal(scope: Scope, error: MamError) -> Response:
    """A page where a browser wants one, else the problem."""
    services, accepted = scope["app"].state.services, Headers(scope=scope).get("accept", "")
    if services.settings.web and _PAGE.search(scope["path"]) and "text/html" in accepted:
        with suppress(MamError):  # the pages may not have been built
            page: Response = services.pages.refusal(error)
            return page
    return problems.problem(error)


def parted(scope: Scope) -> tuple[str, str, bytes]:
    """The token of a path below PREFIX, the path without it, and that as it was sent. Raises InvalidToken."""
    path, raw_path = scope["path"], scope["raw_path"]
    end = path.find("/", len(PREFIX))
    token = path[len(PREFIX) : end]
    # A token is plain ASCII: where it was sent in another spelling, the rest of the path begins elsewhere.
    if (
        end < 0
        or not raw_path.startswith(token.encode(errors="surrogatepass"), len(PREFIX))
        or raw_path[end : end + 1] != b"/"
    ):
        raise InvalidToken("It is not a token.")
    return token, path[end:], raw_path[end:]


def _redirect(scope: Scope, token: str, query: str) -> Response:
    """To the same path with the token in it, which is plain ASCII."""
    location = f"{PREFIX}{token}{scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")
    return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-store"})


async def viewer_of(request: Request) -> Viewer:
    """Who asks. A key or a session is looked at only where it can matter: public videos never wait for that."""
    address = request.client.host if request.client else ""
    entered: Viewer = request.scope.get(_VIEWER, ANYONE)
    entered = replace(entered, place=place_of(entered.grant.viewer if entered.grant else "", address))
    access: Access = request.app.state.services.access
    if entered.grant or access.is_open or _is_public(request, access):
        return entered
    with suppress(RedisError):  # whether the session is open is not known: the request counts as anybody's
        if caller := await caller_if_any(request):
            return viewer_with(caller, address)
    return entered


def viewer_with(caller: Caller, address: str) -> Viewer:
    """The viewer behind a key or session. Conversions of one that may not convert everything are counted."""
    is_free = caller.may(scopes.Scope.CONVERT) and not caller.is_restricted
    return Viewer(caller, place="" if is_free else place_of(f"key {caller.key}", address))


def _is_public(request: Request, access: Access) -> bool:
    """Whether the path names an asset that everyone may watch."""
    names: dict[str, Any] = request.path_params
    with suppress(MamError):
        return {"bucket", "path"} <= names.keys() and access.policy(
            str(Asset(names["bucket"], names["path"]))
        ) is Policy.PUBLIC
    return False


Watching = Annotated[Viewer, Depends(viewer_of)]
