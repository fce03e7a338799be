"""The routes of share links: make, list and revoke them, and open one."""

from __future__ import annotations

import time
from math import inf, isfinite
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mam.access import shares
from mam.access.grants import asset_of
from mam.access.share_links import NoShare
from mam.access.shares import Share
from mam.access.tokens import InvalidToken
from mam.credentials.scopes import Scope
from mam.errors import MamError
from mam.hls.recipe import Profile
from mam.http import audit, problems
from mam.http.auth import Asking, require_access
from mam.http.numbers import Whole, a_number
from mam.http.routing import Route
from mam.http.token_path import PREFIX
from mam.naming import quote_path
from mam.playback_rules import Policy
from mam.vod.entrance import refusal
from mam.vod.services import Provided

LEAST_SECONDS, MOST_SECONDS = 60, 366 * 24 * 3600
MOST_START = 24 * 3600

Seconds = Annotated[int, Field(strict=False, ge=LEAST_SECONDS, le=MOST_SECONDS), BeforeValidator(a_number)]

signing = require_access(Scope.SIGN)
router = APIRouter(route_class=Route, tags=["links"])


class NotShareable(MamError):
    status, code, title = 409, "not_shareable", "Links do not open this"
    hint = "PLAYBACK_RULES must make it `signed` or `public`."


class ShareRequest(BaseModel):
    """What a link shall open."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sub: str = Field(
        min_length=3, max_length=1100, description="An asset, `bucket/key`, or a folder, which ends in a slash.",
        examples=["myvideos/paid/film.mp4"],
    )  # fmt: skip
    expires_in: Seconds | None = Field(default=None, description="Seconds; null: until it is revoked.")
    start: Whole = Field(default=0, strict=False, ge=0, le=MOST_START, description="Seconds into the video.")
    download: bool = Field(default=False, description="Whether the assets themselves may be downloaded.")


class ShareView(BaseModel):
    """A link, without the part that opens it."""

    id: str
    sub: str
    expires_at: int | None = Field(description="Unix seconds; null: until it is revoked.")
    start: int
    download: bool
    created_at: int
    created_by: str = Field(description="The id of an API key.")
    views: int = Field(description="How often a player was given its playlist.")

    @classmethod
    def of(cls, share: Share, views: int) -> ShareView:
        expires = int(share.expires) if isfinite(share.expires) else None
        return cls(
            id=share.id, sub=share.subject, expires_at=expires, start=share.start, download=share.download,
            created_at=int(share.created), created_by=share.created_by, views=views,
        )  # fmt: skip


class NewShareView(ShareView):
    """A new link. Its address is shown this once: no list has it."""

    path: str = Field(examples=["/s/sh_…"], description="Its path at this service.")


class ShareList(BaseModel):
    shares: list[ShareView] = Field(description="The newest first.")


@router.post(
    "/shares",
    summary="Make a link to a video or folder",
    description="Whoever has the link may watch, without signing in, until it expires or is revoked. It shows nothing "
    "else. The video is converted when it is watched, if the key that makes the link has the scope `convert`.",
    status_code=201,
    dependencies=[signing, audit.entry("make link")],
    responses=problems.responses(400, 401, 403, 404, 409, 422, 503),
)
async def make(
    request: ShareRequest, services: Provided, caller: Asking, connection: Request, response: Response
) -> NewShareView:
    audit.about(connection, request.sub)
    asset = asset_of(request.sub)
    services.access.check_bucket(request.sub.partition("/")[0])
    caller.check_source(request.sub)
    policy = services.access.policy(request.sub)
    if policy not in (Policy.SIGNED, Policy.PUBLIC):
        raise NotShareable(f"{request.sub} is {policy.value}.")
    if asset is not None:
        await services.library.asset(asset)
    key, now = shares.new_key(), time.time()
    share = Share(
        id=shares.new_id(),
        digest=shares.digest_of(key),
        subject=request.sub,
        expires=inf if request.expires_in is None else int(now) + request.expires_in,
        start=request.start if asset else 0,
        download=request.download,
        makes=tuple(map(Profile, services.settings.profiles_of_viewers)) if caller.may(Scope.CONVERT) else (),
        created=int(now),
        created_by=caller.key,
    )
    await services.links.add(share)
    response.headers["Location"] = f"/shares/{share.id}"
    return NewShareView(**ShareView.of(share, 0).model_dump(), path=f"/s/{key}")


@router.get(
    "/shares",
    summary="The links that open something, with their views",
    dependencies=[signing],
    responses=problems.responses(401, 403, 422, 503),
)
async def show_all(
    services: Provided,
    caller: Asking,
    sub: Annotated[str, Query(max_length=1100, description="Only links to this asset or folder.")] = "",
) -> ShareList:
    found = [
        ShareView.of(share, views)
        for share, views in await services.links.listed()
        if sub in ("", share.subject) and caller.covers(share.subject)
    ]
    return ShareList(shares=found)


@router.delete(
    "/shares/{share}",
    summary="Revoke a link",
    description="When this is answered, no process lets its viewers in any more. A segment's address that was given "
    "out before is valid for two minutes at most.",
    status_code=204,
    dependencies=[signing, audit.entry("revoke link")],
    responses=problems.responses(401, 403, 404, 422, 503),
)
async def revoke(
    share: Annotated[str, Path(pattern="^[0-9a-f]{12}$")], services: Provided, caller: Asking, connection: Request
) -> Response:
    if caller.is_restricted:
        own = [one.id for one, _ in await services.links.listed() if caller.covers(one.subject)]
        if share not in own:
            raise NoShare(f"No link has the id {share!r}.")
    revoked = await services.links.revoke(share)
    audit.about(connection, revoked.subject)
    return Response(status_code=204)


@router.api_route("/s/{key}", methods=["GET", "HEAD"], include_in_schema=False)
async def enter(key: str, request: Request, services: Provided) -> Response:
    """The page of a link's video or folder."""
    try:
        share, _ = await services.links.find(key)
    except InvalidToken as error:
        return refusal(request.scope, error)
    page = "shared" if share.subject.endswith("/") else "watch"
    start = f"?t={share.start}" if share.start else ""
    location = f"{PREFIX}{key}/{page}/{quote_path(share.subject)}{start}"
    return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-store"})
