"""The routes of operators: forget cached playlists, delete the HLS of an asset."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from mam.credentials.scopes import Scope
from mam.http import audit, problems
from mam.http.auth import Asking, require_access
from mam.http.names import Bucket, ObjectKey, VideoName
from mam.http.routing import Route
from mam.naming import Asset
from mam.vod.services import Provided

router = APIRouter(route_class=Route)


class Message(BaseModel):
    message: str = Field(examples=["Cache cleared for 'sample'"])


@router.delete(
    "/cache/{video_name:path}",
    summary="Forget a video's cached playlists",
    dependencies=[require_access(Scope.EDIT), audit.entry("clear cache")],
    responses=problems.responses(400, 401, 403, 503),
    tags=["operations"],
)
async def clear_cache(video_name: VideoName, services: Provided, caller: Asking) -> Message:
    services.access.check_own_name(video_name, caller)
    await services.operations.clear(video_name)
    return Message(message=f"Cache cleared for '{video_name}'")


@router.delete(
    "/stream/{bucket}/{path:path}/playlist.m3u8",
    summary="Delete the HLS of an asset, never the asset",
    description="It also cancels the asset's active jobs. It can be repeated after a failure. With `rendition`, only "
    "that rung of the asset's ladder is removed: it is promised again, and made when a player asks for it.",
    dependencies=[require_access(Scope.DELETE), audit.entry("delete stream")],
    responses=problems.responses(400, 401, 403, 404, 503),
    tags=["operations"],
)
async def delete_stream(
    bucket: Bucket,
    path: ObjectKey,
    services: Provided,
    caller: Asking,
    rendition: Annotated[str, Query(max_length=200, description="A rung of a ladder, such as `v540`.")] = "",
) -> Message:
    caller.check_source(str(Asset(bucket, path)))
    if rendition:
        name = await services.operations.remove_rung(Asset(bucket, path), rendition)
        return Message(message=f"Rung {rendition} deleted for '{name}'")
    name = await services.operations.delete(Asset(bucket, path))
    return Message(message=f"Stream deleted for '{name}'")
