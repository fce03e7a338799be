"""The routes of playback tokens: issue one, revoke one, and deny all of a viewer, of a key or for some assets."""

from __future__ import annotations

import secrets
import time
from math import isfinite
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mam.access.denials import Claim, Denial
from mam.access.grants import MOST_HEIGHT, MOST_SECONDS, MOST_STREAMS, TEXT, Restrictions, asset_of, grant_of
from mam.credentials.scopes import Caller, Scope
from mam.errors import MamError, NotFound
from mam.http import audit, problems
from mam.http.auth import Asking, require_access
from mam.http.numbers import Whole, a_number
from mam.http.routing import Route
from mam.http.token_path import PREFIX
from mam.naming import Asset, quote_path
from mam.stored import LAST_MOMENT
from mam.vod.services import Provided

DEFAULT_SECONDS = 6 * 3600  # A film, with pauses.
ID_BYTES = 12


class InvalidClaim(MamError):
    status, code, title = 400, "invalid_claim", "A claim of the token is not usable"
    hint = "Compare the claims with docs/access.md."


class NoDenial(NotFound):
    code, title, hint = "no_denial", "There is no such denial", "GET /playback/denials lists those that exist."


router = APIRouter(route_class=Route, prefix="/playback", tags=["tokens"], dependencies=[require_access(Scope.SIGN)])

Value = Annotated[str, Field(min_length=1, max_length=1100, examples=["user-1234"])]


class TokenRequest(Restrictions):
    """What a token shall permit. Claims that are left out restrict nothing; without `make` nothing is converted."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sub: str = Field(
        min_length=3, max_length=1100, description="An asset, `bucket/key`, or a prefix that ends in a slash.",
        examples=["myvideos/paid/film.mp4"],
    )  # fmt: skip
    expires_in: Whole = Field(default=DEFAULT_SECONDS, strict=False, ge=1, le=MOST_SECONDS, description="Seconds.")
    nbf: Annotated[int, Field(strict=False, ge=0), BeforeValidator(a_number)] | None = Field(
        default=None, description="Unix seconds of its beginning."
    )
    max_height: Annotated[int, Field(strict=False, ge=1, le=MOST_HEIGHT), BeforeValidator(a_number)] | None = Field(
        default=None, examples=[720],
        description="The longest shorter side of a picture in pixels.",
    )  # fmt: skip
    max: Annotated[int, Field(strict=False, ge=1, le=MOST_STREAMS), BeforeValidator(a_number)] | None = Field(
        default=None, examples=[3],
        description="On how many devices the viewer `vid` may play at once.",
    )  # fmt: skip


class TokenUrls(BaseModel):
    """Addresses with the token, for a token for one asset."""

    playlist: str
    watch: str
    embed: str


class TokenView(BaseModel):
    """A new token. It is not kept anywhere: `jti` revokes it."""

    token: str
    jti: str
    expires_at: int = Field(description="Unix seconds.")
    urls: TokenUrls | None = Field(description="Paths at this service; none for a prefix.")


class DenialView(BaseModel):
    """All tokens with this claim are refused. `sub`: all tokens are refused for assets that begin with the value."""

    claim: Claim
    value: Value
    until: Annotated[int, Field(ge=0, le=int(LAST_MOMENT)), BeforeValidator(a_number)] | None = Field(
        default=None, description="Unix seconds; null: none."
    )


class DenialList(BaseModel):
    denials: list[DenialView]


@router.post(
    "/tokens",
    summary="Issue a playback token",
    description="With it, a viewer may watch assets whose policy is `signed` (PLAYBACK_RULES).",
    status_code=201,
    dependencies=[audit.entry("issue token")],
    responses=problems.responses(400, 401, 403, 404, 422, 503),
)
async def issue(
    request: TokenRequest, services: Provided, caller: Asking, connection: Request, response: Response
) -> TokenView:
    audit.about(connection, request.sub)
    caller.check_source(request.sub)
    if request.make:
        caller.check(Scope.CONVERT)
    asset = asset_of(request.sub)
    services.access.check_subject(request.sub.partition("/")[0])
    now, token_id = int(time.time()), secrets.token_urlsafe(ID_BYTES)
    expires = now + request.expires_in
    if request.nbf is not None and request.nbf >= expires:
        raise InvalidClaim("nbf: the token would expire before it begins.")
    claims = request.model_dump(mode="json", exclude_none=True, exclude={"expires_in"})
    claims |= {"exp": expires, "iat": now, "jti": token_id}
    try:
        grant_of(claims, key_id="", leeway=0)
    except ValueError as error:
        raise InvalidClaim(f"{error}.") from error
    token = services.tokens.issue(claims)
    response.headers["Location"] = f"/playback/tokens/{token_id}"
    return TokenView(token=token, jti=token_id, expires_at=expires, urls=_urls(token, asset) if asset else None)


@router.delete(
    "/tokens/{jti}",
    summary="Revoke a playback token",
    description="When this is answered, no process admits the token any more. A segment's address that was given out "
    "before is valid for two minutes at most.",
    status_code=204,
    dependencies=[audit.entry("revoke token")],
    responses=problems.responses(401, 403, 409, 422, 503),
)
async def revoke(jti: Annotated[str, Path(max_length=TEXT)], services: Provided) -> Response:
    await services.denials.add_token(jti)
    return Response(status_code=204)


@router.get("/denials", summary="All denials of playback tokens", responses=problems.responses(401, 403, 503))
async def denials(services: Provided, caller: Asking) -> DenialList:
    caller.check_all()
    return DenialList(denials=[_view(denial) for denial in await services.denials.listed()])


@router.post(
    "/denials",
    summary="Deny playback tokens by a claim",
    description="When this is answered, no process admits such a token any more.",
    status_code=201,
    dependencies=[audit.entry("deny tokens")],
    responses=problems.responses(401, 403, 409, 422, 503),
)
async def deny(denial: DenialView, services: Provided, caller: Asking, connection: Request) -> DenialView:
    audit.about(connection, f"{denial.claim.value} {denial.value}")
    _check_own(denial.claim, denial.value, caller)
    until = float("inf") if denial.until is None else denial.until
    await services.denials.add(Denial(denial.claim, denial.value, until))
    return denial


@router.delete(
    "/denials/{claim}/{value:path}",
    summary="Remove a denial",
    status_code=204,
    dependencies=[audit.entry("admit tokens")],
    responses=problems.responses(401, 403, 404, 422, 503),
)
async def admit(
    claim: Claim, value: Annotated[str, Path(max_length=1100)], services: Provided, caller: Asking
) -> Response:
    _check_own(claim, value, caller)
    if not await services.denials.remove(Denial(claim, value)):
        raise NoDenial(f"No denial names {claim.value} {value[:80]!r}.")
    return Response(status_code=204)


def _check_own(claim: Claim, value: str, caller: Caller) -> None:
    """Raises NotPermitted where a denial concerns assets that the caller's key is not for."""
    if claim is Claim.SUBJECT:
        caller.check_source(value)
    elif claim is not Claim.TOKEN:
        caller.check_all()


def _urls(token: str, asset: Asset) -> TokenUrls:
    path, base = quote_path(str(asset)), f"{PREFIX}{token}"
    return TokenUrls(
        playlist=f"{base}/stream/{path}/playlist.m3u8", watch=f"{base}/watch/{path}", embed=f"{base}/embed/{path}"
    )


def _view(denial: Denial) -> DenialView:
    return DenialView(
        claim=denial.claim, value=denial.value, until=int(denial.until) if isfinite(denial.until) else None
    )
