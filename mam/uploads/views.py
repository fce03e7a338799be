"""What the routes of uploads take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mam.http.numbers import Whole, a_number
from mam.naming import Asset, quote_path
from mam.settings import MAX_OBJECT_BYTES
from mam.uploads import naming
from mam.uploads.arrivals import Upload
from mam.uploads.records import Record

PARTS_AT_ONCE = 100  # A request signs the URLs of at most this many parts.


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


PartNumber = Annotated[int, Field(ge=1), BeforeValidator(a_number)]


class PartsRequest(BaseModel):
    numbers: list[PartNumber] = Field(min_length=1, max_length=PARTS_AT_ONCE, examples=[[1, 2, 3]])


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
            watch=watch_address(record) if record.stored else None,
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


def watch_address(record: Record) -> str | None:
    """The path of the page that plays a complete upload; None for subtitles."""
    spec = record.spec
    return f"/watch/{quote_path(str(Asset(spec.bucket, spec.key)))}" if naming.is_media(spec.key) else None
