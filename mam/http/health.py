"""Health: `/healthz` says that the process runs, `/readyz` that the services it needs answer.

`/readyz` names a background task that failed lately and calls the service degraded: requests are answered, perhaps
slowly. If that counted as not ready, one bad value in Redis would take all processes of the service away at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from redis import RedisError
from starlette.responses import JSONResponse

from mam.background import FAILURES
from mam.credentials.scopes import Scope
from mam.errors import RedisUnavailable
from mam.http.auth import caller_if_any
from mam.http.routing import Route
from mam.http.services import services_of

Check = Callable[[], Awaitable[None]]
CHECK_SECONDS = 5  # A check must end within this time.
PROBE, PROBE_SECONDS = "mam:ready", 60  # The check of Redis writes this key, for this long.
OK = "ok"


class Health(BaseModel):
    status: str = Field(description="`ok`; `ready`, `degraded` (a background task failed lately) or `not ready`.")
    checks: dict[str, str] = {}


def router(checks: Callable[[Request], dict[str, Check]]) -> APIRouter:
    """The health routes. `checks(request)`: checks by name, which raise where something is not ready."""
    routes = APIRouter(route_class=Route, tags=["operations"])

    @routes.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        return Health(status="ok")

    @routes.get(
        "/readyz",
        summary="Can it do its work?",
        description="With the API key, each check says why it failed; without, that it failed.",
        response_model=Health,
        responses={503: {"model": Health, "description": "Not now"}},
    )
    async def readyz(request: Request) -> JSONResponse:
        named_checks = checks(request)
        outcomes = await asyncio.gather(*(_outcome(check) for check in named_checks.values()))
        ready = all(outcome == OK for outcome in outcomes)
        failed = FAILURES.lately()
        tasks = "; ".join(f"{name} failed with {kind}" for name, kind in failed.items()) or OK
        if not ready and not await _may_know(request):
            outcomes = [outcome if outcome == OK else "failed" for outcome in outcomes]
        status = ("degraded" if failed else "ready") if ready else "not ready"
        body = Health(status=status, checks={**dict(zip(named_checks, outcomes, strict=True)), "tasks": tasks})
        return JSONResponse(body.model_dump(), status_code=200 if ready else 503)

    return routes


async def _may_know(request: Request) -> bool:
    """Whether the client may know why a check has failed: errors name hosts and buckets."""
    with suppress(RedisError):  # that it is away is what the answer says
        caller = await caller_if_any(request)
        return caller is not None and caller.may(Scope.READ) and not caller.is_restricted
    return False


def store_and_redis(request: Request) -> dict[str, Check]:
    """The checks that both services make."""
    services = services_of(request)

    async def store() -> None:
        await asyncio.to_thread(services.store.check, services.settings.minio_bucket_vod)

    async def redis() -> None:
        try:
            await services.redis.set(PROBE, 1, ex=PROBE_SECONDS)  # a write, because a full Redis still answers reads
        except RedisError as error:
            raise RedisUnavailable.of(error) from error

    return {"store": store, "redis": redis}


def store_redis_and_play_key(request: Request) -> dict[str, Check]:
    """Those of a service whose viewers get URLs of the play key, if there is one: an unknown key is no use to them."""
    services = services_of(request)

    async def play_key() -> None:
        await asyncio.to_thread(services.store.check_play_key)

    apart = {"play key": play_key} if services.settings.minio_play_usr else {}
    return {**store_and_redis(request), **apart}


async def _outcome(check: Check) -> str:
    try:
        await asyncio.wait_for(check(), CHECK_SECONDS)
    except asyncio.TimeoutError:
        return f"no answer within {CHECK_SECONDS} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
        return str(error) or type(error).__name__
    return OK
