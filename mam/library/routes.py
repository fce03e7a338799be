"""The library's routes: what assets there are, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from mam.http import problems
from mam.http.auth import require_access
from mam.http.names import Bucket, ObjectKey
from mam.http.routing import Route
from mam.http.services import Services
from mam.library.catalogue import Query as Wanted
from mam.library.service import LibraryService
from mam.library.views import AssetList, AssetView, State
from mam.naming import MAX_KEY_BYTES, Asset

MAX_PAGE = 200
MAX_WORDS, MAX_CURSOR = 200, 6000  # characters; with all else they fit into a URL

Sorting = Literal["name", "-name", "date", "-date", "size", "-size", "duration", "-duration"]

router = APIRouter(route_class=Route, dependencies=[require_access], tags=["library"])


@dataclass(frozen=True, kw_only=True)
class LibraryServices(Services):
    """What these routes reach for."""

    library: LibraryService


async def asking_of(request: Request) -> LibraryService:
    services: LibraryServices = request.app.state.services
    return services.library


Provided = Annotated[LibraryService, Depends(asking_of)]


@router.get(
    "/assets",
    summary="The videos in the source buckets, and what is known of each",
    description="Without `q` and `state`: what lies directly in `folder`, and the folders in it. With them: everything "
    "below it. Answered from memory, never by listing a bucket: what is uploaded or converted through the services is "
    "there at once, what comes by other ways within LIBRARY_SECONDS.",
    responses=problems.responses(401, 403, 404, 422, 503),
)
async def assets(
    library: Provided,
    bucket: Annotated[
        str, Query(max_length=63, description="Only this one; empty for all.", examples=["myvideos"])
    ] = "",
    folder: Annotated[str, Query(max_length=MAX_KEY_BYTES, examples=["courses/"])] = "",
    q: Annotated[
        str,
        Query(max_length=MAX_WORDS, description="Words that the key holds, in any order, whatever case and accents."),
    ] = "",
    state: Annotated[State | None, Query(description="Only those.")] = None,
    sort: Annotated[Sorting, Query(description="`-` reverses. What has no duration yet comes last.")] = "name",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 60,
    cursor: Annotated[
        str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; stays good for ever.")
    ] = None,
) -> AssetList:
    wanted = Wanted.of(bucket=bucket, folder=folder, q=q, state=state or "", sort=sort)
    return await library.page(wanted, limit=limit, cursor=cursor)


@router.get(
    "/assets/{bucket}/{path:path}",
    summary="One asset, and what is known of it",
    responses=problems.responses(400, 401, 403, 404, 503),
)
async def asset(bucket: Bucket, path: ObjectKey, library: Provided) -> AssetView:
    return await library.asset(Asset(bucket, path))
