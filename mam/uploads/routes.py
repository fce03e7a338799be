"""The routes of uploads, for pages and other clients that send files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from mam.credentials.scopes import Caller, Scope
from mam.errors import UploadNotFound, UploadsOff
from mam.http import audit, problems
from mam.http.auth import Asking, require_access
from mam.http.routing import Route
from mam.http.services import Services
from mam.uploads import naming
from mam.uploads.records import NewFile
from mam.uploads.service import PART_URL_SECONDS, Uploads
from mam.uploads.views import Completed, PartsRequest, PartUrls, UploadList, UploadRequest, UploadView, watch_address

UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["1f0c9a7be2d41f0c9a7be2d41f0c9a7b"])]
router = APIRouter(route_class=Route, prefix="/uploads", tags=["uploads"], dependencies=[require_access(Scope.UPLOAD)])


@dataclass(frozen=True, kw_only=True)
class UploadServices(Services):
    """The parts that these routes use. `uploads`: None where there is no upload bucket."""

    uploads: Uploads | None


async def uploads_of(request: Request) -> Uploads:
    """Raises UploadsOff."""
    services: UploadServices = request.app.state.services
    if services.uploads is None:
        raise UploadsOff("MINIO_UPLOAD_BUCKET is not set.")
    return services.uploads


Provided = Annotated[Uploads, Depends(uploads_of)]


@router.post(
    "",
    dependencies=[audit.entry("begin upload")],
    summary="Start or continue an upload",
    description="201 with a new upload, or 200 with the open one of the same file. The bytes go to the store, in parts "
    "(`POST /uploads/{id}/parts`); `arrived` lists the parts that have arrived.",
    status_code=201,
    responses={
        200: {"model": UploadView, "description": "The open upload of the same file"},
        **problems.responses(400, 401, 403, 404, 409, 422, 503),
    },
)
async def begin(
    request: UploadRequest, uploads: Provided, caller: Asking, connection: Request, response: Response
) -> UploadView:
    path = uploads.path_of(request.folder, request.name)
    audit.about(connection, path)
    caller.check_source(path)
    upload, is_new = await uploads.begin(
        NewFile(request.name, request.size, request.folder, request.type.lower(), request.fingerprint)
    )
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/uploads/{upload.record.spec.id}"
    return UploadView.of(upload, open_seconds=uploads.open_seconds)


@router.get(
    "", summary="Open uploads, newest first, and where files go", responses=problems.responses(401, 403, 404, 503)
)
async def show_all(uploads: Provided, caller: Asking) -> UploadList:
    open_uploads = [upload for upload in await uploads.open() if caller.covers(upload.record.spec.source)]
    return UploadList(
        uploads=[UploadView.of(upload, open_seconds=uploads.open_seconds) for upload in open_uploads],
        bucket=uploads.bucket,
        prefix=uploads.prefix,
        extensions=list(naming.EXTENSIONS),
        max_bytes=uploads.max_bytes,
    )


@router.get(
    "/{upload}",
    summary="The arrived parts of an upload; later, whether it is a video",
    description="A complete upload is kept for a day.",
    responses=problems.responses(401, 403, 404, 422, 503),
)
async def show(upload: UploadId, uploads: Provided, caller: Asking) -> UploadView:
    await _check_own(upload, uploads, caller)
    return UploadView.of(await uploads.get(upload), open_seconds=uploads.open_seconds)


@router.post(
    "/{upload}/parts",
    summary="Sign the URLs of parts",
    description="Signed URLs of the store, valid for an hour, a hundred at a time. PUT exactly the bytes of the part "
    "there; request further URLs as the upload proceeds.",
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def parts(upload: UploadId, request: PartsRequest, uploads: Provided, caller: Asking) -> PartUrls:
    await _check_own(upload, uploads, caller)
    expires_at = time.time() + PART_URL_SECONDS
    return PartUrls(urls=await uploads.part_urls(upload, request.numbers), expires_at=expires_at)


@router.post(
    "/{upload}/complete",
    dependencies=[audit.entry("complete upload")],
    summary="Make an object of the parts",
    description="All parts must have arrived: 409 names missing ones, or says that the name was taken meanwhile, and "
    "changes nothing. A repeated request gets the same answer.",
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def complete(upload: UploadId, uploads: Provided, caller: Asking, connection: Request) -> Completed:
    await _check_own(upload, uploads, caller)
    record = await uploads.complete(upload)
    etag = record.stored.etag if record.stored else None
    spec = record.spec
    audit.about(connection, spec.source)
    return Completed(bucket=spec.bucket, key=spec.key, size=spec.size, etag=etag, watch=watch_address(record))


@router.delete(
    "/{upload}",
    dependencies=[audit.entry("remove upload")],
    summary="Cancel an upload, or remove a file that is no video",
    description="The object of a complete upload is removed only if its verdict is bad and it was not replaced.",
    status_code=204,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def remove(upload: UploadId, uploads: Provided, caller: Asking) -> None:
    await _check_own(upload, uploads, caller)
    await uploads.remove(upload)


async def _check_own(upload: str, uploads: Uploads, caller: Caller) -> None:
    """Raises UploadNotFound where the client may not see the upload."""
    if caller.is_restricted and not caller.covers((await uploads.record(upload)).spec.source):
        raise UploadNotFound(f"There is no upload {upload}.")
