"""The routes of uploads: what a page, or any other client, sends files with."""

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
from mam.uploads.service import PART_URL_SECONDS, Uploads, Wish

PARTS_AT_ONCE = 100

UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["1f0c9a7be2d41f0c9a7be2d41f0c9a7b"])]
router = APIRouter(route_class=Route, prefix="/uploads", tags=["uploads"], dependencies=[require_access])


class UploadRequest(BaseModel):
    """A file that a client wants to send."""

    name: str = Field(min_length=1, max_length=1024, examples=["a.mp4"], description="Of a path, the last part counts.")
    size: Whole = Field(ge=1, le=MAX_OBJECT_BYTES, description="Bytes.")
    folder: str = Field(default="", max_length=1024, examples=["courses/"], description="Below the upload prefix.")
    type: str = Field(default="", max_length=255, examples=["video/mp4"], description="Content type; or by the name.")
    fingerprint: str = Field(
        min_length=1,
        max_length=2048,
        examples=["a.mp4-123456-1764072458"],
        description="The client's own word for the file (name, size and time, say): the same file, folder and size "
        "again goes on with the open upload.",
    )


class PartsRequest(BaseModel):
    numbers: list[Annotated[Whole, Field(ge=1)]] = Field(min_length=1, max_length=PARTS_AT_ONCE, examples=[[1, 2, 3]])


class PartUrls(BaseModel):
    """Where to PUT the parts: the bytes of each and no other header of weight."""

    urls: dict[int, str]
    expires_at: float = Field(description="Unix seconds, of the URLs.")


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
    """An upload. Part n holds the bytes from (n-1)*part_size on, part_size of them or what is left."""

    id: str
    state: Literal["open", "complete"]
    bucket: str
    key: str = Field(description="What the object is called: may have got a number, because the name was taken.")
    folder: str
    size: int
    fingerprint: str
    part_size: int
    parts: int = Field(description="How many.")
    arrived: list[int] = Field(description="The parts that the store has.")
    created_at: float = Field(description="Unix seconds.")
    expires_at: float | None = Field(description="When it ends unless it is gone on with; null once complete.")
    verdict: Annotated[GoodVerdict | BadVerdict, Field(discriminator="ok")] | None = Field(
        description="Whether it is a video; null while nobody knows, and for subtitles."
    )
    watch: str | None = Field(description="Once complete: the page that plays it; null for subtitles.")

    @classmethod
    def of(cls, upload: Upload, *, open_seconds: float) -> UploadView:
        record, begun = upload.record, upload.record.begun
        return cls(
            id=begun.id,
            state="complete" if record.arrived else "open",
            bucket=begun.bucket,
            key=begun.key,
            folder=begun.folder,
            size=begun.size,
            fingerprint=begun.fingerprint,
            part_size=begun.part_size,
            parts=len(naming.part_sizes(begun.size, begun.part_size)),
            arrived=list(upload.arrived),
            created_at=begun.created,
            expires_at=None if record.arrived else record.touched + open_seconds,
            verdict=record.verdict,
            watch=_watch(record) if record.arrived else None,
        )


class UploadList(BaseModel):
    """What is open, and what may be begun: where files go, and which are taken."""

    uploads: list[UploadView]
    bucket: str
    prefix: str = Field(description="Goes before every key.", examples=["incoming/"])
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
    """What these routes reach for. `uploads`: None where there is no bucket for them."""

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
    summary="Begin to upload a file, or go on",
    description="201 with a new upload, or 200 with the open one of the same file. The bytes go to the store, in parts "
    "(`POST /uploads/{id}/parts`); what has arrived is in `arrived`.",
    status_code=201,
    responses={
        200: {"model": UploadView, "description": "Gone on with"},
        **problems.responses(400, 401, 403, 404, 409, 422, 503),
    },
)
async def begin(wanted: UploadRequest, uploads: Provided, response: Response) -> UploadView:
    upload, is_new = await uploads.begin(
        Wish(wanted.name, wanted.size, wanted.folder, wanted.type.lower(), wanted.fingerprint)
    )
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/uploads/{upload.record.begun.id}"
    return UploadView.of(upload, open_seconds=uploads.open_seconds)


@router.get(
    "", summary="Open uploads, newest first, and where files go", responses=problems.responses(401, 403, 404, 503)
)
async def show_all(uploads: Provided) -> UploadList:
    found = await uploads.open()
    return UploadList(
        uploads=[UploadView.of(upload, open_seconds=uploads.open_seconds) for upload in found],
        bucket=uploads.bucket,
        prefix=uploads.prefix,
        extensions=list(naming.EXTENSIONS),
        max_bytes=uploads.max_bytes,
    )


@router.get(
    "/{upload}",
    summary="What has arrived of an upload; later, whether it is a video",
    description="Complete uploads are known for a day.",
    responses=problems.responses(401, 403, 404, 422, 503),
)
async def show(upload: UploadId, uploads: Provided) -> UploadView:
    return UploadView.of(await uploads.get(upload), open_seconds=uploads.open_seconds)


@router.post(
    "/{upload}/parts",
    summary="Where to send parts",
    description="Signed URLs of the store, for an hour, a hundred at a time. PUT the bytes of the part there, all "
    "and no more; ask for others a hundred at a time as you go on.",
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def parts(upload: UploadId, wanted: PartsRequest, uploads: Provided) -> PartUrls:
    expires_at = time.time() + PART_URL_SECONDS
    return PartUrls(urls=await uploads.part_urls(upload, wanted.numbers), expires_at=expires_at)


@router.post(
    "/{upload}/complete",
    dependencies=[journal.entry("complete upload")],
    summary="Make an object of the parts",
    description="Once all have arrived: 409 names what is missing, or that the name was taken meanwhile, and changes "
    "nothing. Asked again, the answer is the same.",
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def complete(upload: UploadId, uploads: Provided) -> Completed:
    record = await uploads.complete(upload)
    etag = record.arrived.etag if record.arrived else None
    begun = record.begun
    return Completed(bucket=begun.bucket, key=begun.key, size=begun.size, etag=etag, watch=_watch(record))


@router.delete(
    "/{upload}",
    dependencies=[journal.entry("remove upload")],
    summary="Cancel an upload, or remove what is no video",
    description="Of a complete upload the object is removed only if the verdict on it is bad and nobody has "
    "replaced it.",
    status_code=204,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def remove(upload: UploadId, uploads: Provided) -> None:
    await uploads.remove(upload)


def _watch(record: Record) -> str | None:
    begun = record.begun
    return f"/watch/{quote_path(str(Asset(begun.bucket, begun.key)))}" if naming.is_media(begun.key) else None
