"""The routes of pages: the pages themselves, signing in, scripts, and what pages ask of the transcoding service."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from mam.errors import MamError, NotFound
from mam.http import journal, problems
from mam.http.auth import GUARDS, require_access, require_page, session_of
from mam.http.journal import SESSION_COOKIE
from mam.http.routing import Route
from mam.naming import REVISION, Asset

JobId = Annotated[str, Path(pattern=f"^{REVISION.pattern}$")]


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    api_key: str = Field(min_length=1, max_length=1000)


class SessionView(BaseModel):
    """What a page may do. `uploads`: whether files may be put anywhere."""

    signed_in: bool
    ends_at: int | None = Field(description="Unix seconds.")
    uploads: bool


async def _pages_on(request: Request) -> None:
    if not request.app.state.settings.web:
        raise NotFound("This service has no pages.", hint="Set WEB=1 to have them; /docs describes the API.")


GUARDS[_pages_on] = _pages_on  # what is not there needs no key


def router() -> APIRouter:
    """All of them. `app.state`: with `settings`, `pages`, `scripts`, `sessions`, `passing`."""
    routes = APIRouter(route_class=Route, dependencies=[Depends(_pages_on)])
    _add_pages(routes)
    _add_sessions(routes)
    _add_passing(routes)
    return routes


def install_missing(app: FastAPI) -> None:
    """Browsers get a page for an address that there is none of; who does not ask for HTML gets the problem, as ever."""
    as_problem: Any = app.exception_handlers[HTTPException]

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        state = request.app.state
        is_browser = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
        if error.status_code == HTTPStatus.NOT_FOUND and is_browser and state.settings.web:
            with suppress(MamError):  # the pages have not been built
                return state.pages.missing()  # type: ignore[no-any-return]
        return await as_problem(request, error)  # type: ignore[no-any-return]


def _add_pages(routes: APIRouter) -> None:
    options = {"include_in_schema": False, "methods": ["GET", "HEAD"]}

    async def app(request: Request) -> Response:
        return request.app.state.pages.app()  # type: ignore[no-any-return]

    async def watch(bucket: str, path: str, request: Request) -> Response:
        return request.app.state.pages.watch(Asset(bucket, path))  # type: ignore[no-any-return]

    async def embed(bucket: str, path: str, request: Request) -> Response:
        return request.app.state.pages.embed(Asset(bucket, path))  # type: ignore[no-any-return]

    async def script(name: str, request: Request) -> Response:
        accepts = request.headers.get("accept-encoding", "")
        return request.app.state.scripts.answer(name, accepts)  # type: ignore[no-any-return]

    routes.add_api_route("/", app, **options)  # type: ignore[arg-type]
    routes.add_api_route("/jobs", app, **options)  # type: ignore[arg-type]
    routes.add_api_route("/watch/{bucket}/{path:path}", watch, **options)  # type: ignore[arg-type]
    routes.add_api_route("/embed/{bucket}/{path:path}", embed, **options)  # type: ignore[arg-type]
    routes.add_api_route("/static/{name}", script, **options)  # type: ignore[arg-type]


def _add_sessions(routes: APIRouter) -> None:
    @routes.post(
        "/session",
        summary="Sign in: exchange the API key for a cookie",
        dependencies=[require_page],
        responses=problems.responses(403, 404, 422, 429, 503),
        tags=["pages"],
    )
    async def sign_in(wanted: SignIn, request: Request, response: Response) -> SessionView:
        sessions = request.app.state.sessions
        try:
            token, ends = await sessions.open(wanted.api_key, address=journal.address(request))
        except MamError as error:
            journal.note(request, "sign in", outcome=error.code)
            raise
        journal.note(request, "sign in")
        response.set_cookie(
            SESSION_COOKIE, token, max_age=sessions.seconds, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return _view(request, ends)

    @routes.get("/session", summary="Whether one is signed in", responses=problems.responses(404, 503), tags=["pages"])
    async def session(request: Request, response: Response) -> SessionView:
        response.headers["Cache-Control"] = "no-store"
        cookie = request.cookies.get(SESSION_COOKIE)
        return _view(request, await request.app.state.sessions.ends(cookie) if cookie else None)

    @routes.delete(
        "/session",
        summary="Sign out",
        dependencies=[require_page, journal.entry("sign out")],
        responses=problems.responses(403, 404, 503),
        tags=["pages"],
    )
    async def sign_out(request: Request, response: Response) -> SessionView:
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie:
            await request.app.state.sessions.close(cookie)
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return _view(request, None)


def _view(request: Request, ends: int | None) -> SessionView:
    uploads = getattr(request.app.state.settings, "minio_upload_bucket", None) is not None
    return SessionView(signed_in=ends is not None, ends_at=ends, uploads=uploads)


def _add_passing(routes: APIRouter) -> None:
    """Under /api, to people at a page, what the transcoding service documents."""

    async def pass_on(request: Request) -> Response:
        path = request.url.path.removeprefix("/api")
        return await request.app.state.passing.answer(request, path)  # type: ignore[no-any-return]

    async def pass_on_job(job_id: JobId, request: Request) -> Response:
        return await pass_on(request)

    async def events(request: Request) -> Response:
        state, session = request.app.state, session_of(request)
        over = [state.stopping.wait]
        if session:
            over.append(partial(state.sessions.over, session))
        return await state.passing.events("/events?brief=true", over=over)  # type: ignore[no-any-return]

    def add(path: str, method: str, action: str = "") -> None:
        endpoint = pass_on_job if "{job_id}" in path else pass_on
        asked = [require_access, *([journal.entry(action)] if action else ())]
        routes.add_api_route(path, endpoint, methods=[method], dependencies=asked, include_in_schema=False)

    add("/api/jobs", "GET")
    add("/api/jobs/{job_id}", "GET")
    add("/api/jobs/{job_id}", "DELETE", "cancel job")
    add("/api/jobs/{job_id}", "PATCH", "change priority")
    add("/api/jobs/{job_id}/chunks", "GET")
    add("/api/jobs/{job_id}/retry", "POST", "retry job")
    add("/api/fleet", "GET")
    add("/api/plan", "POST")
    add("/api/transcode", "POST", "convert")
    routes.add_api_route("/api/events", events, dependencies=[require_access], include_in_schema=False)
