"""The route of downloads: the asset itself, for clients with a key and for links and tokens that say so."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from mam.http import audit, problems
from mam.http.auth import caller_if_any
from mam.http.names import Bucket, ObjectKey
from mam.naming import Asset
from mam.store.signing import download_url
from mam.vod.access import no_asset, refusal
from mam.vod.concealment import PlaybackRoute
from mam.vod.entrance import Watching, viewer_with
from mam.vod.services import Provided

URL_SECONDS = 600  # A download begins at once. One that is interrupted is begun again at this service.

router = APIRouter(route_class=PlaybackRoute, tags=["playback"])
_ABOUT: dict[str, Any] = {
    "description": "Redirects to a signed URL of the object, valid for ten minutes. It needs an API key or session "
    "with the scope `read`, or a link or token that permits downloads.",
    "status_code": 302,
    "response_class": Response,
    "responses": problems.responses(400, 403, 404, 503),
}


@router.head("/download/{bucket}/{path:path}", include_in_schema=False)
@router.get("/download/{bucket}/{path:path}", summary="Download an asset", **_ABOUT)
async def download(bucket: Bucket, path: ObjectKey, request: Request, viewer: Watching, services: Provided) -> Response:
    asset, access = Asset(bucket, path), services.access
    if not access.may_download(str(asset), viewer):
        # Viewers of public assets are not asked for a key before: it matters here alone.
        caller = None if viewer.caller or viewer.grant else await caller_if_any(request)
        if caller is None or not access.may_download(str(asset), viewer_with(caller, audit.address(request))):
            raise refusal(no_asset(asset))
    access.check_listed(asset)
    if await asyncio.to_thread(services.store.head, asset.bucket, asset.key) is None:
        raise no_asset(asset)
    name = asset.key.rpartition("/")[2]
    url = download_url(services.settings, asset.bucket, asset.key, name=name, expires=URL_SECONDS)
    return Response(status_code=302, headers={"Location": url, "Cache-Control": "no-store"})
