"""The routes of pages: the pages themselves, sign-in, scripts, and the calls for the transcoding service."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from mam.credentials.scopes import Scope
from mam.errors import MamError, NotFound
from mam.http import audit, problems
from mam.http.audit import SESSION_COOKIE
from mam.http.auth import GUARDS, require_access, require_page, session_of
from mam.http.routing import Route
from mam.http.services import Services
from mam.http.token_path import token_prefix
from mam.naming import JOB, Asset
from mam.web.assets import PageAssets
from mam.web.pages import Pages
from mam.web.proxy import TranscoderProxy
from mam.web.sessions import Session, Sessions

SHOWS = ["GET", "HEAD"]

JobId = Annotated[str, Path(pattern=f"^{JOB.pattern}$")]


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    api_key: str = Field(min_length=1, max_length=1000)


class SessionView(BaseModel):
    """What a page may do. `uploads`: whether the service accepts uploads."""

    signed_in: bool
    ends_at: int | None = Field(description="Unix seconds.")
    uploads: bool
    key: str | None = Field(examples=["ci"], description="The id of the API key that signed in.")
    scopes: list[Scope] = Field(description="Those of the key, or all for a key with `admin`.")
    prefixes: list[str] = Field(examples=[["myvideos/courses/"]], description="The key's; empty for all assets.")


@dataclass(frozen=True, kw_only=True)
class PageServices(Services):
    """The objects that these routes use. `proxy` leads to the transcoding service."""

    sessions: Sessions
    assets: PageAssets
    pages: Pages
    proxy: TranscoderProxy


async def services_of(request: Request) -> PageServices:
    """The services of the application that got the request."""
    services: PageServices = request.app.state.services
    return services


Provided = Annotated[PageServices, Depends(services_of)]


async def _pages_on(request: Request) -> None:
    services = await services_of(request)
    if not services.settings.web:
        raise NotFound("This service has no pages.", hint="Set WEB=1 to have them; /docs describes the API.")


GUARDS[_pages_on] = _pages_on  # Pages that are switched off need no key.
router = APIRouter(route_class=Route, dependencies=[Depends(_pages_on)])


def install_missing(app: FastAPI) -> None:
    """Shows browsers a page for an unknown address. Clients that accept no HTML get the problem as usual."""
    as_problem: Any = app.exception_handlers[HTTPException]

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        is_browser = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
        if error.status_code == HTTPStatus.NOT_FOUND and is_browser:
            services = await services_of(request)
            if services.settings.web:
                with suppress(MamError):  # The pages may not have been built.
                    return services.pages.missing()
        problem: Response = await as_problem(request, error)
        return problem


# pages


@router.api_route("/", methods=SHOWS, include_in_schema=False)
@router.api_route("/jobs", methods=SHOWS, include_in_schema=False)
async def app(services: Provided) -> Response:
    return services.pages.app()


@router.api_route("/watch/{bucket}/{path:path}", methods=SHOWS, include_in_schema=False)
async def watch(bucket: str, path: str, request: Request, services: Provided) -> Response:
    return services.pages.watch(Asset(bucket, path), token_prefix(request))


@router.api_route("/shared/{bucket}/{path:path}", methods=SHOWS, include_in_schema=False)
async def shared_folder(bucket: str, path: str, request: Request, services: Provided) -> Response:
    return services.pages.app() if token_prefix(request) else services.pages.missing()


@router.api_route("/embed/{bucket}/{path:path}", methods=SHOWS, include_in_schema=False)
async def embed(bucket: str, path: str, request: Request, services: Provided) -> Response:
    return services.pages.embed(Asset(bucket, path), token_prefix(request))


@router.api_route("/static/{name}", methods=SHOWS, include_in_schema=False)
async def script(name: str, request: Request, services: Provided) -> Response:
    return services.assets.answer(name, request.headers.get("accept-encoding", ""))


# sessions


@router.post(
    "/session",
    summary="Sign in: exchange the API key for a cookie",
    dependencies=[require_page],
    responses=problems.responses(403, 404, 422, 429, 503),
    tags=["pages"],
)
async def sign_in(credentials: SignIn, request: Request, response: Response, services: Provided) -> SessionView:
    sessions = services.sessions
    try:
        token, opened = await sessions.open(credentials.api_key, address=audit.address(request))
    except MamError as error:
        audit.note(request, "sign in", outcome=error.code)
        raise
    audit.note(request, "sign in", caller=opened.caller)
    response.set_cookie(
        SESSION_COOKIE, token, max_age=sessions.seconds, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return _view(services, opened)


@router.get("/session", summary="Whether one is signed in", responses=problems.responses(404, 503), tags=["pages"])
async def session(request: Request, response: Response, services: Provided) -> SessionView:
    response.headers["Cache-Control"] = "no-store"
    cookie = request.cookies.get(SESSION_COOKIE)
    return _view(services, await services.sessions.find(cookie) if cookie else None)


@router.delete(
    "/session",
    summary="Sign out",
    dependencies=[require_page],
    responses=problems.responses(403, 404, 503),
    tags=["pages"],
)
async def sign_out(request: Request, response: Response, services: Provided) -> SessionView:
    cookie = request.cookies.get(SESSION_COOKIE)
    closed = await services.sessions.find(cookie) if cookie else None
    if cookie and closed:
        await services.sessions.close(cookie)
        audit.note(request, "sign out", caller=closed.caller)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return _view(services, None)


def _view(services: PageServices, session: Session | None) -> SessionView:
    uploads = services.settings.minio_upload_bucket is not None
    if session is None:
        return SessionView(signed_in=False, ends_at=None, uploads=uploads, key=None, scopes=[], prefixes=[])
    caller = session.caller
    return SessionView(
        signed_in=True,
        ends_at=session.ends,
        uploads=uploads,
        key=caller.key,
        scopes=[scope for scope in Scope if caller.may(scope)],
        prefixes=list(caller.prefixes) if caller.is_restricted else [],
    )


# Routes under /api, which pass on calls that the transcoding service documents.


async def pass_on(request: Request, services: Provided) -> Response:
    return await services.proxy.answer(request, request.url.path.removeprefix("/api"))


async def pass_on_asset(request: Request, services: Provided) -> Response:
    with suppress(ValueError, KeyError, TypeError):  # the other service judges the body
        body = json.loads(await request.body())
        audit.about(request, f"{body['asset_bucket']}/{body['asset_object']}")
    return await pass_on(request, services)


async def pass_on_job(job_id: JobId, request: Request, services: Provided) -> Response:
    return await pass_on(request, services)


@router.get("/api/events", dependencies=[require_access(Scope.READ)], include_in_schema=False)
async def events(request: Request, services: Provided) -> Response:
    until: list[Callable[[], Awaitable[object]]] = [services.stopping.wait]
    if token := session_of(request):
        until.append(partial(services.sessions.over, token))
    return await services.proxy.events(request, "/events?brief=true", until=until)


def _pass(method: str, path: str, scope: Scope, action: str = "") -> None:
    """Adds a route under /api. `action`: its name in the audit trail."""
    endpoint = pass_on_job if "{job_id}" in path else pass_on_asset if method == "POST" else pass_on
    dependencies = [require_access(scope), *([audit.entry(action)] if action else ())]
    router.add_api_route(path, endpoint, methods=[method], dependencies=dependencies, include_in_schema=False)


_pass("GET", "/api/jobs", Scope.READ)
_pass("GET", "/api/jobs/{job_id}", Scope.READ)
_pass("DELETE", "/api/jobs/{job_id}", Scope.CONVERT, "cancel job")
_pass("PATCH", "/api/jobs/{job_id}", Scope.CONVERT, "change priority")
_pass("GET", "/api/jobs/{job_id}/chunks", Scope.READ)
_pass("POST", "/api/jobs/{job_id}/retry", Scope.CONVERT, "retry job")
_pass("GET", "/api/fleet", Scope.READ)
_pass("POST", "/api/plan", Scope.READ)
_pass("POST", "/api/transcode", Scope.CONVERT, "convert")
