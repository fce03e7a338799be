"""The library's JSON, as clients see it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from mam.errors import Failure
from mam.library.entries import Entry
from mam.library.folders import Folder
from mam.library.status import STATES
from mam.naming import poster_path, quote_path, stem, storyboard_path

State = Literal["new", "making", "live", "failed"]


class AssetView(BaseModel):
    bucket: str = Field(examples=["myvideos"])
    key: str = Field(examples=["courses/intro.mp4"])
    title: str = Field(examples=["intro"], description="The file's name without its extension.")
    size: int = Field(examples=[734003200], description="Bytes.")
    modified: int = Field(examples=[1764072699], description="Unix seconds.")
    state: str = Field(
        json_schema_extra={"enum": list(STATES)},
        examples=["live"],
        description="`new`: never converted. `live`: also while it is converted again, and when that fails. "
        "`failed`: a conversion has failed, an upload turned out to be no video, or the object is empty.",
    )
    video: str | None = Field(examples=["courses/intro"], description="The name for /video/{name}.")
    job: str | None = Field(examples=["1f0c9a7be2d4"], description="The active or failed job; else the live revision.")
    duration: float | None = Field(examples=[5400.04], description="Seconds; known once a job is planned.")
    playable: bool = Field(examples=[True], description="Whether its first segment exists.")
    poster: str | None = Field(examples=["/video/courses/intro/poster.jpg?revision=1f0c9a7be2d4"])
    storyboard: str | None = Field(examples=["/video/courses/intro/storyboard.vtt?revision=1f0c9a7be2d4"])
    error: Failure | None = Field(description="Why the conversion failed.")
    notes: list[str] = Field(description="Tolerated faults of the file, and properties that were lost.")
    renditions: tuple[int, int] | None = Field(
        examples=[[2, 4]], description="Of a live ladder: how many of its pictures are made, and how many there are."
    )
    watch: str = Field(examples=["/watch/myvideos/courses/intro.mp4"])
    playlist: str = Field(examples=["/stream/myvideos/courses/intro.mp4/playlist.m3u8"])

    @classmethod
    def of(cls, entry: Entry) -> AssetView:
        known, path = entry.known, quote_path(f"{entry.bucket}/{entry.key}")
        return cls.model_construct(
            bucket=entry.bucket,
            key=entry.key,
            title=stem(entry.key).rpartition("/")[2],
            size=entry.size,
            modified=entry.modified,
            state=entry.state,
            video=known.video or None,
            job=known.revision or None,
            duration=known.duration,
            playable=known.is_playable,
            poster=poster_path(known.video, known.poster) if known.poster else None,
            storyboard=storyboard_path(known.video, known.storyboard) if known.storyboard else None,
            error=entry.error,
            notes=list(known.notes),
            renditions=known.rungs,
            watch=f"/watch/{path}",
            playlist=f"/stream/{path}/playlist.m3u8",
        )


class FolderView(BaseModel):
    bucket: str = Field(examples=["myvideos"])
    path: str = Field(examples=["courses/"], description="The value for `folder`; empty for a whole bucket.")
    name: str = Field(examples=["courses"])
    assets: int | None = Field(
        examples=[12], description="The number of assets below; null until the bucket was listed."
    )

    @classmethod
    def of(cls, folder: Folder) -> FolderView:
        return cls(bucket=folder.bucket, path=folder.path, name=folder.name, assets=folder.assets)


class AssetList(BaseModel):
    assets: list[AssetView]
    folders: list[FolderView] = Field(description="On the first page, without `q` and `state`.")
    total: int = Field(examples=[128], description="Assets on all pages.")
    next_cursor: str | None = Field(
        examples=["WyJuYW1lIiwiaW50cm8iXQ"], description="The cursor of the next page; null at the end."
    )
    listed_at: float | None = Field(examples=[1764072699.1], description="When the buckets were listed, Unix seconds.")
    complete: bool = Field(
        examples=[True],
        description="false for a while after the first start, or after Redis lost its data: more may be found.",
    )
