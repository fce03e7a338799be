"""The routes of playback: playlists, posters, storyboards, the state of streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from mam.access.share_links import ShareLinks
from mam.access.viewers import Viewer
from mam.cache.response import Answers
from mam.cache.store import CachedPlaylist
from mam.credentials.scopes import Scope
from mam.errors import ConversionFailed, TooManyStarts
from mam.hls import storyboard
from mam.hls.playlist import CONTENT_TYPE
from mam.hls.recipe import Format, Profile
from mam.http import audit, problems
from mam.http.auth import caller_if_any
from mam.http.names import Bucket, ObjectKey, VideoName
from mam.http.token_path import token_prefix
from mam.naming import REVISION, SHEET, Asset
from mam.settings import SAME_URL_SECONDS
from mam.vod.concealment import PlaybackRoute
from mam.vod.conversions import NotConverted
from mam.vod.entrance import Watching, viewer_with
from mam.vod.playback import kind_asked
from mam.vod.segment_routes import Revision, redirect, register
from mam.vod.services import Provided
from mam.vod.status import StatusView

NEWEST_SECONDS = 60  # Browsers keep an answer without a revision this long: another revision may follow.
PLAYLIST_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {CONTENT_TYPE: {}}, "description": "The playlist, every URI signed"}
}

ProfileQuery = Annotated[Profile | None, Query(description="The wanted stream of the video; instead of `reencode`.")]
FormatQuery = Annotated[
    Format | None, Query(description="The segment format: `fmp4` also carries HEVC and AV1; `ts` is the default.")
]
DefaultQuery = Annotated[
    Profile | None,
    Query(description="The profile to convert by, where no stream exists and none is asked for; else DEFAULT_PROFILE."),
]
RenditionQuery = Annotated[str, Query(max_length=200, description="A rendition's name in the multivariant playlist.")]
RevisionQuery = Annotated[
    str | None,
    Query(pattern=f"^{REVISION.pattern}$", description="The revision; else the live one, or the newest."),
]

register("sheet", SHEET.pattern)
router = APIRouter(route_class=PlaybackRoute)


@router.head("/video/{video_name:path}/poster.jpg", include_in_schema=False)
@router.get(
    "/video/{video_name:path}/poster.jpg",
    summary="The poster of a video",
    description="Redirects to a signed URL, which stays the same for an hour.",
    status_code=302,
    response_class=Response,
    responses=problems.responses(400, 404, 422, 503),
    tags=["pictures"],
)
async def poster(
    video_name: VideoName, viewer: Watching, services: Provided, revision: RevisionQuery = None
) -> Response:
    url = await asyncio.to_thread(services.pictures.poster, video_name, revision, viewer)
    return Response(status_code=302, headers={"Location": url, **_cache_control(revision)})


@router.head("/video/{video_name:path}/storyboard.vtt", include_in_schema=False)
@router.get(
    "/video/{video_name:path}/storyboard.vtt",
    summary="The storyboard of a video, as WebVTT",
    description="Each cue names a tile of a sheet: a signed URL with `#xywh=`.",
    response_class=Response,
    responses={
        200: {"content": {storyboard.CONTENT_TYPE: {}}, "description": "Tiles by their time"},
        **problems.responses(400, 404, 422, 503),
    },
    tags=["pictures"],
)
async def storyboard_of(
    video_name: VideoName, viewer: Watching, services: Provided, revision: RevisionQuery = None
) -> Response:
    text = await asyncio.to_thread(services.pictures.storyboard, video_name, revision, viewer)
    return Response(text, media_type=storyboard.CONTENT_TYPE, headers=_cache_control(revision))


@router.head("/video/{video_name:path}/{revision:revision}/{sheet:sheet}", include_in_schema=False)
@router.get(
    "/video/{video_name:path}/{revision:revision}/{sheet:sheet}",
    summary="A sheet of the storyboard of a video that is not public",
    description="Redirects to a signed URL, which is valid for two minutes.",
    status_code=302,
    response_class=Response,
    responses=problems.responses(400, 404, 503),
    tags=["pictures"],
)
async def sheet_of(
    video_name: VideoName, revision: Revision, sheet: str, viewer: Watching, services: Provided
) -> Response:
    url = await asyncio.to_thread(services.pictures.sheet, video_name, revision, sheet, viewer)
    return redirect(url)


@router.get(
    "/stream/{bucket}/{path:path}/status",
    summary="Whether an asset's stream is live, and its existing parts",
    description="Takes profile, format and reencode like the playlist's route, and starts no conversion. The URLs of a "
    "playlist say when their signatures expire (`X-Amz-Date`, `X-Amz-Expires`).",
    responses=problems.responses(400, 404, 422, 503),
    tags=["playback"],
)
async def status(
    bucket: Bucket,
    path: ObjectKey,
    request: Request,
    viewer: Watching,
    services: Provided,
    response: Response,
    reencode: Annotated[bool, Query(description="true: H.264 and AAC.")] = False,
    profile: Annotated[Profile | None, Query(description="Instead of `reencode`.")] = None,
    format: Annotated[Format | None, Query(description="The segment format.")] = None,  # noqa: A002
    default: DefaultQuery = None,
) -> StatusView:
    response.headers["Cache-Control"] = "no-store"
    kind, made = kind_asked(reencode, profile, format), kind_asked(False, default, None)
    found = await services.statuses.of(Asset(bucket, path), kind, viewer, default=made)
    prefix = token_prefix(request)
    pictures = {name: f"{prefix}{at}" for name in ("poster", "storyboard") if (at := getattr(found, name))}
    may_download = services.access.may_download(str(Asset(bucket, path)), viewer)
    return found.model_copy(update={**pictures, "download": may_download}) if prefix else found


@router.head("/video/{video_name:path}/playlist.m3u8", include_in_schema=False)
@router.get(
    "/video/{video_name:path}/playlist.m3u8",
    summary="The playlist of a video",
    response_class=Response,
    responses={**PLAYLIST_RESPONSE, **problems.responses(400, 403, 404, 429, 503)},
    tags=["playback"],
)
async def video(
    video_name: VideoName,
    request: Request,
    viewer: Watching,
    services: Provided,
    profile: ProfileQuery = None,
    format: FormatQuery = None,  # noqa: A002
    rendition: RenditionQuery = "",
) -> Response:
    kind = kind_asked(False, profile, format)
    playlist = await _with_key_if_it_helps(
        request, viewer, lambda viewer: services.playback.by_name(video_name, kind, rendition, viewer)
    )
    return _playlist(request, playlist, viewer, services.links)


@router.head("/stream/{bucket}/{path:path}/playlist.m3u8", include_in_schema=False)
@router.get(
    "/stream/{bucket}/{path:path}/playlist.m3u8",
    summary="The playlist of an asset, converted first if need be",
    description="Without profile and format, the main stream is served: the one last requested with an API key, "
    "else the one that was live first. An asset without a stream is converted by DEFAULT_PROFILE; `auto`, its default, "
    "copies playable streams and encodes the others. A stream requested by profile or format exists beside the "
    "main one, and changes nothing for other viewers.",
    response_class=Response,
    responses={**PLAYLIST_RESPONSE, **problems.responses(400, 403, 404, 409, 422, 429, 503)},
    tags=["playback"],
)
async def stream(
    bucket: Bucket,
    path: ObjectKey,
    request: Request,
    viewer: Watching,
    services: Provided,
    reencode: Annotated[bool, Query(description="true: H.264 and AAC.")] = False,
    profile: ProfileQuery = None,
    format: FormatQuery = None,  # noqa: A002
    rendition: RenditionQuery = "",
    default: DefaultQuery = None,
) -> Response:
    kind, made = kind_asked(reencode, profile, format), kind_asked(False, default, None)
    asset, playback = Asset(bucket, path), services.playback
    playlist = await _with_key_if_it_helps(
        request, viewer, lambda viewer: playback.by_asset(asset, kind, rendition, viewer, default=made)
    )
    return _playlist(request, playlist, viewer, services.links)


async def _with_key_if_it_helps(
    request: Request, viewer: Viewer, ask: Callable[[Viewer], Awaitable[CachedPlaylist]]
) -> CachedPlaylist:
    """Asks for a viewer; what is refused only because it has no key is asked again for one that has."""
    try:
        return await ask(viewer)
    except (ConversionFailed, NotConverted) as error:
        # Only now it matters who asks: viewers of public videos wait for no session.
        caller = await caller_if_any(request) if error.code in (TooManyStarts.code, NotConverted.code) else None
        if caller is None or not caller.may(Scope.CONVERT):
            raise
    return await ask(viewer_with(caller, audit.address(request)))


def _playlist(request: Request, playlist: CachedPlaylist, viewer: Viewer, links: ShareLinks) -> Response:
    if viewer.grant and viewer.grant.share:
        links.count(viewer.grant, request.scope)
    answer = Answers(playlist).to(request.headers.raw)
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response


def _cache_control(revision: str | None) -> dict[str, str]:
    """The Cache-Control of an answer: until its signed URLs change, or for a short while without a revision."""
    left = SAME_URL_SECONDS - int(time.time()) % SAME_URL_SECONDS
    return {"Cache-Control": f"private, max-age={left if revision else min(left, NEWEST_SECONDS)}"}
