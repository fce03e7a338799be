"""Errors as `application/problem+json` (RFC 9457): the one place that turns errors into HTTP."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import redis
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from mam.errors import InvalidRequest, MamError, RedisUnavailable
from mam.http import request_id

MEDIA_TYPE = "application/problem+json"
REFERENCE = "#/components/schemas/Problem"  # `openapi.py` defines this schema
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")  # All methods that any route has.

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """The body of every error."""

    type: str = Field(examples=["urn:mam:problem:not_remuxable"])
    title: str = Field(examples=["The streams cannot be copied into HLS"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["Its video is VP9; only H.264 can be copied into TS segments."])
    code: str = Field(examples=["not_remuxable"], description="A stable code for programs.")
    hint: str = Field(examples=["Retry with reencode=true."], description="What to do.")
    request_id: str | None = Field(
        default=None,
        examples=["9f86d081884c7d65"],
        description="The request's id, also in `x-request-id` and in the log.",
    )


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def problem(error: MamError) -> ProblemResponse:
    """The response for an error."""
    body = Problem(
        type=f"urn:mam:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        hint=error.hint,
        request_id=request_id.current() or None,
    )
    headers = {"Cache-Control": "no-store"}
    if error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(error.retry_seconds)
    return ProblemResponse(body.model_dump(exclude_none=True), status_code=error.status, headers=headers)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its documentation."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem."""

    @app.exception_handler(MamError)
    async def known(_: Request, error: MamError) -> ProblemResponse:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request failed", extra={"code": error.code, "detail": error.detail})
        return problem(error)

    @app.exception_handler(redis.RedisError)
    async def redis_away(_: Request, error: redis.RedisError) -> ProblemResponse:
        return problem(RedisUnavailable.of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> ProblemResponse:
        first = error.errors()[0]
        location = ".".join(str(part) for part in first["loc"])
        return problem(InvalidRequest(f"{location}: {first['msg']}."))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> ProblemResponse:
        status = HTTPStatus(error.status_code)
        mapped = MamError(str(error.detail), hint="Compare the request with /docs.")
        mapped.status, mapped.code, mapped.title = status, status.name.lower(), status.phrase
        response = problem(mapped)
        response.headers.update(error.headers or {})
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(_methods(request))
        return response

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> ProblemResponse:
        log.error("request failed unexpectedly", exc_info=error)
        return problem(MamError("An unexpected error; the log has its details."))


def _methods(request: Request) -> list[str]:
    """The methods of the request's path. Several routes may match it, and each knows only its own methods."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [name for name, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]
