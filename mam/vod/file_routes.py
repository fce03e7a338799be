"""The routes of files in other tools' trees that are not public: as playlists name them, with a check of each request.

They stand behind all other playback routes: what is another route's address is none of a file (`naming.file_below`).
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from mam.errors import NotFound
from mam.http import problems
from mam.http.names import Bucket, ObjectKey, VideoName
from mam.naming import FILES, Asset, check_video_name
from mam.vod.access import no_asset, refusal
from mam.vod.concealment import PlaybackRoute
from mam.vod.entrance import Watching
from mam.vod.foreign import ForeignFile
from mam.vod.segment_routes import redirect
from mam.vod.services import Provided

STREAM_FILE = f"/stream/{{bucket}}/{{path:path}}/{FILES}/{{file:path}}"
VIDEO_FILE = f"/video/{{video_name:path}}/{FILES}/{{file:path}}"

File = Annotated[str, Path(examples=["720p/segment0.ts"], description="Its path below the folder of the tree.")]

router = APIRouter(route_class=PlaybackRoute)

_FILE: dict[str, Any] = {
    "description": "Redirects to a signed URL, which is valid for two minutes. Playlists name such addresses where "
    "another tool wrote the tree and it is not public. Files that no playlist of the tree names are not given out.",
    "status_code": 302,
    "response_class": Response,
    "responses": problems.responses(400, 403, 404, 429, 502, 503),
    "tags": ["playback"],
}


@router.head(STREAM_FILE, include_in_schema=False)
@router.get(STREAM_FILE, summary="A file of the tree of another tool, by an asset's name", **_FILE)
async def file_of_asset(bucket: Bucket, path: ObjectKey, file: File, viewer: Watching, services: Provided) -> Response:
    asset = Asset(bucket, path)
    services.access.check_asset(asset, viewer)
    name = await services.foreign.name_of(asset)
    if name is None:
        raise no_asset(asset)
    if not services.access.may_watch(services.access.source_of(name, ""), viewer):
        raise refusal(no_asset(asset))
    found = await services.foreign.file(name, file)
    found.check_height(viewer.max_height)
    return await _redirect(services, found)


@router.head(VIDEO_FILE, include_in_schema=False)
@router.get(VIDEO_FILE, summary="A file of the tree of another tool", **_FILE)
async def file_of_video(video_name: VideoName, file: File, viewer: Watching, services: Provided) -> Response:
    check_video_name(video_name)
    # Its source is the tree itself: that is known before any look at the store.
    services.access.check_video(video_name, "", viewer)
    found = await services.foreign.file(video_name, file)
    found.check_height(viewer.max_height)
    return await _redirect(services, found)


async def _redirect(services: Provided, file: ForeignFile) -> Response:
    """Raises NotFound where the store has no such file, whatever the playlist says."""
    if not await asyncio.to_thread(services.store.head, services.settings.minio_bucket_vod, file.key):
        raise NotFound(f"There is no file {file.key[:200]}.", hint="The tree is not whole: ask the tool that wrote it.")
    return redirect(services.pending.signed(file.key))
