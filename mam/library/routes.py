"""The library's routes: the assets and their statuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from mam.credentials.scopes import Scope
from mam.http import problems
from mam.http.auth import Asking, require_access
from mam.http.names import Bucket, ObjectKey
from mam.http.routing import Route
from mam.http.services import Services
from mam.library.catalogue import Query as LibraryQuery
from mam.library.service import LibraryService
from mam.library.views import AssetList, AssetView, State
from mam.naming import MAX_KEY_BYTES, Asset

MAX_PAGE = 200
MAX_WORDS, MAX_CURSOR = 200, 6000  # In characters: both fit into one URL with the other parameters.

Sorting = Literal["name", "-name", "date", "-date", "size", "-size", "duration", "-duration"]

router = APIRouter(route_class=Route, dependencies=[require_access(Scope.READ)], tags=["library"])


@dataclass(frozen=True, kw_only=True)
class LibraryServices(Services):
    """The parts that these routes use."""

    library: LibraryService


async def library_of(request: Request) -> LibraryService:
    services: LibraryServices = request.app.state.services
    return services.library


Provided = Annotated[LibraryService, Depends(library_of)]


@router.get(
    "/assets",
    summary="The videos in the source buckets, with their statuses",
    description="Without `q` and `state`: the assets directly in `folder`, and its subfolders. With them: all assets "
    "below it. The answer comes from memory, not from a listing: assets uploaded or converted through the services "
    "appear at once, those changed by other ways within LIBRARY_SECONDS.",
    responses=problems.responses(401, 403, 404, 422, 503),
)
async def assets(
    library: Provided,
    caller: Asking,
    bucket: Annotated[
        str, Query(max_length=63, description="Only this bucket; empty for all.", examples=["myvideos"])
    ] = "",
    folder: Annotated[str, Query(max_length=MAX_KEY_BYTES, examples=["courses/"])] = "",
    q: Annotated[
        str,
        Query(max_length=MAX_WORDS, description="Words of the key, in any order, without regard to case and accents."),
    ] = "",
    state: Annotated[State | None, Query(description="Only assets in this state.")] = None,
    sort: Annotated[Sorting, Query(description="`-` reverses. Assets without a duration come last.")] = "name",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 60,
    cursor: Annotated[
        str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the previous page; it never expires.")
    ] = None,
) -> AssetList:
    query = LibraryQuery.of(bucket=bucket, folder=folder, q=q, state=state or "", sort=sort, prefixes=caller.prefixes)
    return await library.page(query, limit=limit, cursor=cursor)


@router.get(
    "/assets/{bucket}/{path:path}",
    summary="One asset, with its status",
    responses=problems.responses(400, 401, 403, 404, 503),
)
async def asset(bucket: Bucket, path: ObjectKey, library: Provided, caller: Asking) -> AssetView:
    asset = Asset(bucket, path)
    caller.check_source(str(asset))
    return await library.asset(asset)
