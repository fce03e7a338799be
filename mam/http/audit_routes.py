"""The route of the audit trail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from mam.credentials.scopes import Scope
from mam.http import problems
from mam.http.auth import Asking, require_access
from mam.http.routing import Route
from mam.http.services import services_of
from mam.http.trail import Entry
from mam.stored import LAST_MOMENT

router = APIRouter(route_class=Route, tags=["operations"])


class TrailView(BaseModel):
    entries: list[Entry] = Field(description="The newest first.")


@router.get(
    "/audit",
    summary="Who did what: the last sign-ins, changes and refusals",
    description="Those of both services. The last 5,000 changes and the last 5,000 refusals are kept. The log has "
    "all, as lines of JSON of the logger `mam.audit`.",
    dependencies=[require_access(Scope.ADMIN)],
    responses=problems.responses(401, 403, 422, 503),
)
async def audit(
    request: Request,
    caller: Asking,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        float | None, Query(ge=0, le=LAST_MOMENT, description="Only entries before it: the `time` of an earlier one.")
    ] = None,
) -> TrailView:
    caller.check_all()
    return TrailView(entries=await services_of(request).trail.newest(limit, before=before))
