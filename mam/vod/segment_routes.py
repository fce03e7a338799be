"""The routes of segments: at the service's own address, which leads to the store once the segment exists."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.convertors import StringConvertor, register_url_convertor

from mam.http import problems
from mam.http.names import Bucket, ObjectKey, VideoName
from mam.http.token_path import token_prefix
from mam.naming import INIT, RENDITION, REVISION, SEGMENT, Asset, check_video_name, quote_path
from mam.vod.concealment import PlaybackRoute
from mam.vod.entrance import Watching
from mam.vod.origins import Origin
from mam.vod.pending_segments import SegmentName
from mam.vod.services import Provided

Revision = Annotated[str, Path(pattern=f"^{REVISION.pattern}$", description="A revision of the video.")]
Rendition = Annotated[str, Path(pattern=f"^{RENDITION.pattern}$", examples=["v540"])]
File = Annotated[str, Path(pattern=f"^{SEGMENT.pattern}$|^{INIT}$", examples=["00000.m4s"])]


def register(name: str, pattern: str) -> None:
    """Lets a route take a part of a path in one form alone: another form is another route's, or nobody's."""
    register_url_convertor(name, type(f"{name}Convertor", (StringConvertor,), {"regex": pattern})())


register("revision", REVISION.pattern)
register("rendition", RENDITION.pattern)
register("segment", SEGMENT.pattern.replace("(", "(?:", 1) + f"|{INIT}")
_FILE = "{revision:revision}/{rendition:rendition}/{file:segment}"
STREAM_SEGMENT = f"/stream/{{bucket}}/{{path:path}}/{_FILE}"
VIDEO_SEGMENT = f"/video/{{video_name:path}}/{_FILE}"

router = APIRouter(route_class=PlaybackRoute)


@router.api_route(f"/segment/{{token}}/{{video_name:path}}/{_FILE}", methods=["GET", "HEAD"], include_in_schema=False)
async def segment_of_before(request: Request, video_name: str, revision: str, rendition: str, file: str) -> Response:
    """The address of a segment in playlists of an earlier version, which players may still have: for a release."""
    location = f"{token_prefix(request)}/video/{quote_path(video_name)}/{revision}/{rendition}/{file}"
    return redirect(location)


_SEGMENT: dict[str, Any] = {
    "description": "Waits until the segment exists, then redirects to a signed URL, which is valid for two minutes. "
    "Playlists name such addresses where a video is in the making or is not public.",
    "status_code": 302,
    "response_class": Response,
    "responses": problems.responses(400, 403, 404, 422, 429, 503),
    "tags": ["playback"],
}


@router.head(STREAM_SEGMENT, include_in_schema=False)
@router.get(STREAM_SEGMENT, summary="A segment of an asset's stream", **_SEGMENT)
async def segment_of_asset(
    bucket: Bucket,
    path: ObjectKey,
    revision: Revision,
    rendition: Rendition,
    file: File,
    request: Request,
    viewer: Watching,
    services: Provided,
) -> Response:
    asset = Asset(bucket, path)
    services.access.check_asset(asset, viewer)
    origin = await services.origins.of_asset(asset, revision)
    origin.check_height(rendition, viewer.max_height)
    name = SegmentName(origin.video, revision, rendition, file)
    return await _located(request, services, name, origin, route=STREAM_SEGMENT)


@router.head(VIDEO_SEGMENT, include_in_schema=False)
@router.get(VIDEO_SEGMENT, summary="A segment of a video", **_SEGMENT)
async def segment_of_video(
    video_name: VideoName,
    revision: Revision,
    rendition: Rendition,
    file: File,
    request: Request,
    viewer: Watching,
    services: Provided,
) -> Response:
    check_video_name(video_name)
    services.access.check_name(video_name, viewer)
    origin = await services.origins.of_video(video_name, revision)
    services.access.check_video(video_name, origin.source, viewer)
    origin.check_height(rendition, viewer.max_height)
    name = SegmentName(video_name, revision, rendition, file)
    return await _located(request, services, name, origin, route=VIDEO_SEGMENT)


async def _located(request: Request, services: Provided, name: SegmentName, origin: Origin, *, route: str) -> Response:
    """The redirect to a segment, once it exists; the hot path sends it again to later requests."""
    url = await services.pending.locate(name)
    side = origin.side(name.rendition)
    services.redirects.keep(request.scope["raw_path"], url, source=origin.source, route=route, side=side)
    return redirect(url)


def redirect(url: str) -> Response:
    return Response(status_code=302, headers={"Location": url, "Cache-Control": "no-store"})
