"""The route of a shared folder: what its viewers may watch in it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from mam.access.grants import asset_of
from mam.http import problems
from mam.http.names import Bucket
from mam.http.routing import Route
from mam.http.token_path import token_prefix
from mam.library.catalogue import Query as LibraryQuery
from mam.library.views import State
from mam.naming import Asset
from mam.vod.access import no_asset
from mam.vod.entrance import Watching
from mam.vod.services import Provided

PAGE = 200

router = APIRouter(route_class=Route, tags=["links"])


class SharedAsset(BaseModel):
    """A video of a shared folder. Its paths are below the link's own, `/p/{token}`."""

    bucket: str
    key: str
    title: str
    state: State
    duration: float | None = Field(description="Seconds, once it is known.")
    poster: str | None
    watch: str


class SharedFolder(BaseModel):
    """What is in a shared folder and below it."""

    assets: list[SharedAsset]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")
    download: bool = Field(description="Whether the assets themselves may be downloaded.")


@router.get(
    "/contents/{bucket}/{folder:path}",
    summary="What is in a shared folder",
    description="Below the path of a link or token for the folder, `/p/{token}/contents/…`: the videos in it and below "
    "it that its viewers may watch.",
    responses=problems.responses(400, 403, 404, 422, 503),
)
async def contents(
    bucket: Bucket,
    folder: Annotated[str, Path(max_length=1024)],
    request: Request,
    viewer: Watching,
    services: Provided,
    cursor: Annotated[str | None, Query(max_length=6000)] = None,
) -> SharedFolder:
    subject, grant = f"{bucket}/{folder}", viewer.grant
    if grant is None or not subject.endswith("/") or not grant.covers(subject):
        raise no_asset(Asset(bucket, folder.strip("/") or "-"))
    asset_of(subject)
    query = LibraryQuery.of(bucket=bucket, folder=folder, deep=True)
    page = await services.library.page(query, limit=PAGE, cursor=cursor)
    prefix, below = token_prefix(request), len(folder)
    return SharedFolder(
        assets=[
            SharedAsset(
                bucket=one.bucket,
                key=one.key,
                title=one.key[below:].rpartition("/")[0] + "/" * ("/" in one.key[below:]) + one.title,
                state=one.state,
                duration=one.duration,
                poster=one.poster and prefix + one.poster,
                watch=prefix + one.watch,
            )
            for one in page.assets
            if services.access.may_watch(f"{one.bucket}/{one.key}", viewer)
        ],
        next_cursor=page.next_cursor,
        download=grant.download,
    )
