"""The routes of uploads, for pages and other clients that send files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from mam.errors import UploadsOff
from mam.http import journal, problems
from mam.http.auth import require_access
from mam.http.numbers import Whole
from mam.http.routing import Route
from mam.http.services import Services
from mam.naming import Asset, quote_path
from mam.settings import MAX_OBJECT_BYTES
from mam.uploads import naming
from mam.uploads.arrivals import Upload
from mam.uploads.records import Record
from mam.uploads.service import PART_URL_SECONDS, NewFile, Uploads

PARTS_AT_ONCE = 100

UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["1f0c9a7be2d41f0c9a7be2d41f0c9a7b"])]
router = APIRouter(route_class=Route, prefix="/uploads", tags=["uploads"], dependencies=[require_access])


class UploadRequest(BaseModel):
    """A file that a client wants to send."""

    name: str = Field(
        min_length=1, max_length=1024, examples=["a.mp4"], description="The file's name; of a path, its last part."
    )
    size: Whole = Field(ge=1, le=MAX_OBJECT_BYTES, description="Bytes.")
    folder: str = Field(default="", max_length=1024, examples=["courses/"], description="Below the upload prefix.")
    type: str = Field(
        default="", max_length=255, examples=["video/mp4"], description="The content type; else by the name."
    )
    fingerprint: str = Field(
        min_length=1,
        max_length=2048,
        examples=["a.mp4-123456-1764072458"],
        description="The client's own id of the file (from name, size and time, say): a request with the same file, "
        "folder and size continues the open upload.",
    )


class PartsRequest(BaseModel):
    numbers: list[Annotated[Whole, Field(ge=1)]] = Field(min_length=1, max_length=PARTS_AT_ONCE, examples=[[1, 2, 3]])


class PartUrls(BaseModel):
    """PUT URLs of the parts. A client sends the bytes of a part, without further headers."""

    urls: dict[int, str]
    expires_at: float = Field(description="Unix seconds at which the URLs expire.")


class GoodVerdict(BaseModel):
    ok: Literal[True]
    duration: float = Field(description="Seconds.")
    summary: str = Field(examples=["h264 1920x1080, aac"])


class BadVerdict(BaseModel):
    ok: Literal[False]
    code: str = Field(examples=["not_a_video"])
    message: str
    hint: str


class UploadView(BaseModel):
    """An upload. Part n holds `part_size` bytes from (n-1)*part_size on; the last part holds the remaining ones."""

    id: str
    state: Literal["open", "complete"]
    bucket: str
    key: str = Field(description="The object's key: with a number where the name was taken.")
    folder: str
    size: int
    fingerprint: str
    part_size: int
    parts: int = Field(description="The number of parts.")
    arrived: list[int] = Field(description="The numbers of the parts that the store has.")
    created_at: float = Field(description="Unix seconds.")
    expires_at: float | None = Field(
        description="When the upload is aborted unless it continues; null once it is complete."
    )
    verdict: Annotated[GoodVerdict | BadVerdict, Field(discriminator="ok")] | None = Field(
        description="Whether it is a video; null while that is unknown, and for subtitles."
    )
    watch: str | None = Field(description="Once it is complete: the page that plays it; null for subtitles.")

    @classmethod
    def of(cls, upload: Upload, *, open_seconds: float) -> UploadView:
        record, spec = upload.record, upload.record.spec
        return cls(
            id=spec.id,
            state="complete" if record.stored else "open",
            bucket=spec.bucket,
            key=spec.key,
            folder=spec.folder,
            size=spec.size,
            fingerprint=spec.fingerprint,
            part_size=spec.part_size,
            parts=len(naming.part_sizes(spec.size, spec.part_size)),
            arrived=list(upload.part_numbers),
            created_at=spec.created,
            expires_at=None if record.stored else record.touched + open_seconds,
            verdict=record.verdict,
            watch=_watch(record) if record.stored else None,
        )


class UploadList(BaseModel):
    """The open uploads, and the rules for new ones: bucket, prefix, accepted files."""

    uploads: list[UploadView]
    bucket: str
    prefix: str = Field(description="The prefix of every key.", examples=["incoming/"])
    extensions: list[str] = Field(examples=[["mp4", "mov", "vtt"]])
    max_bytes: int


class Completed(BaseModel):
    """The object that the upload became."""

    bucket: str
    key: str
    size: int
    etag: str | None = Field(description="null where the store gives none.")
    watch: str | None = Field(examples=["/watch/myvideos/courses/a%20b.mp4"])


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
    dependencies=[journal.entry("begin upload")],
    summary="Start or continue an upload",
    description="201 with a new upload, or 200 with the open one of the same file. The bytes go to the store, in parts "
    "(`POST /uploads/{id}/parts`); `arrived` lists the parts that have arrived.",
    status_code=201,
    responses={
        200: {"model": UploadView, "description": "The open upload of the same file"},
        **problems.responses(400, 401, 403, 404, 409, 422, 503),
    },
)
async def begin(request: UploadRequest, uploads: Provided, response: Response) -> UploadView:
    upload, is_new = await uploads.begin(
        NewFile(request.name, request.size, request.folder, request.type.lower(), request.fingerprint)
    )
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/uploads/{upload.record.spec.id}"
    return UploadView.of(upload, open_seconds=uploads.open_seconds)


@router.get(
    "", summary="Open uploads, newest first, and where files go", responses=problems.responses(401, 403, 404, 503)
)
async def show_all(uploads: Provided) -> UploadList:
    open_uploads = await uploads.open()
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
async def show(upload: UploadId, uploads: Provided) -> UploadView:
    return UploadView.of(await uploads.get(upload), open_seconds=uploads.open_seconds)


@router.post(
    "/{upload}/parts",
    summary="Sign the URLs of parts",
    description="Signed URLs of the store, valid for an hour, a hundred at a time. PUT exactly the bytes of the part "
    "there; request further URLs as the upload proceeds.",
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def parts(upload: UploadId, request: PartsRequest, uploads: Provided) -> PartUrls:
    expires_at = time.time() + PART_URL_SECONDS
    return PartUrls(urls=await uploads.part_urls(upload, request.numbers), expires_at=expires_at)


@router.post(
    "/{upload}/complete",
    dependencies=[journal.entry("complete upload")],
    summary="Make an object of the parts",
    description="All parts must have arrived: 409 names missing ones, or says that the name was taken meanwhile, and "
    "changes nothing. A repeated request gets the same answer.",
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def complete(upload: UploadId, uploads: Provided) -> Completed:
    record = await uploads.complete(upload)
    etag = record.stored.etag if record.stored else None
    spec = record.spec
    return Completed(bucket=spec.bucket, key=spec.key, size=spec.size, etag=etag, watch=_watch(record))


@router.delete(
    "/{upload}",
    dependencies=[journal.entry("remove upload")],
    summary="Cancel an upload, or remove a file that is no video",
    description="The object of a complete upload is removed only if its verdict is bad and it was not replaced.",
    status_code=204,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def remove(upload: UploadId, uploads: Provided) -> None:
    await uploads.remove(upload)


def _watch(record: Record) -> str | None:
    spec = record.spec
    return f"/watch/{quote_path(str(Asset(spec.bucket, spec.key)))}" if naming.is_media(spec.key) else None
