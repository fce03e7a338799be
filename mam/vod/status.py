"""What pages ask while a viewer watches: whether an asset's stream is live or in the making, and what of it is there.

Looking begins nothing: only the playlist's route has an asset converted.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from cachetools import TTLCache
from pydantic import BaseModel, Field

from mam.errors import ConversionFailed, Failure, JobNotFound, NotFound
from mam.hls import playlist
from mam.hls.plan import StreamInfo
from mam.hls.recipe import Format, Profile, kind_of
from mam.http.transcoder import Transcoder
from mam.naming import Asset
from mam.origin.tree import Tree, Trees
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.vod.access import Access
from mam.vod.thumbnails import Thumbnails

KEEP_SECONDS = 1.0  # that a status is given to all who ask: pages do so every two seconds, and there may be many
KEPT = 1024  # statuses
JOBS_LOOKED_AT = 10  # of an asset, newest first: one for each way to convert it would do


class StatusView(BaseModel):
    """What is known of an asset's stream."""

    state: Literal["new", "making", "live", "failed"] = Field(
        description="`new`: never converted this way; the first request for its playlist begins it."
    )
    video: str | None = Field(default=None, description="What its stream is called.")
    revision: str | None = Field(default=None, description="Also the job's id.")
    profile: str | None = None
    format: str | None = None
    duration: float | None = Field(default=None, description="Seconds; known once it is planned.")
    percent: float = 0.0
    made: list[tuple[float, float]] = Field(default=[], description="What exists: from and to, in seconds.")
    streams: list[StreamInfo] = Field(default=[], description="Each stream of the source, and what becomes of it.")
    notes: list[str] = Field(default=[], description="What is wrong with the source and was passed over.")
    poster: str | None = None
    storyboard: str | None = None
    error: Failure | None = Field(default=None, description="Why it failed.")


class Statuses:
    """Looks things up for any number of pages: what many ask at once, or one after the other, is looked up once."""

    def __init__(self, settings: Settings, access: Access, store: Store, trees: Trees, transcoder: Transcoder) -> None:
        self._settings = settings
        self._access = access
        self._store = store
        self._trees = trees
        self._transcoder = transcoder
        self._pictures = Thumbnails(settings, access, store, trees)
        self._flights = SingleFlight()
        self._kept: TTLCache[tuple[Asset, str], StatusView] = TTLCache(KEPT, KEEP_SECONDS)

    async def of(self, asset: Asset, kind: str) -> StatusView:
        """The status of an asset's stream, as the playlist of that kind would be given out ('': of any).

        Raises NotFound, StoreUnavailable, TranscoderUnavailable.
        """
        self._access.check_asset(asset)
        kept = self._kept.get((asset, kind))
        if kept is not None:
            return kept
        return await self._flights.run((asset, kind), lambda: self._look(asset, kind))

    async def _look(self, asset: Asset, kind: str) -> StatusView:
        found = self._kept[asset, kind] = await self._status(asset, kind)
        return found

    async def _status(self, asset: Asset, kind: str) -> StatusView:
        live = await asyncio.to_thread(self._live, asset, kind)
        if live:
            return live
        info = await asyncio.to_thread(self._store.head, asset.bucket, asset.key)
        if info is None:
            raise NotFound(f"There is no object {asset}.")
        job = await self._newest_job(asset, kind or self._settings.default_profile)
        if job is None or job["state"] == "cancelled":
            return StatusView(state="new")
        if job["state"] == "succeeded":  # since we looked; else its stream was deleted
            return await asyncio.to_thread(self._live, asset, kind) or StatusView(state="new")
        if job["state"] != "failed":
            return await self._making(job)
        if job["asset_version"] != info.version:
            return StatusView(state="new")  # what failed was another file
        return StatusView(state="failed", **_told(job), error=Failure.of(job["error"]))

    def _live(self, asset: Asset, kind: str) -> StatusView | None:
        tree = self._trees.by_asset(asset, kind)
        if tree is None:
            return None
        poster, storyboard = self._pictures.paths(tree.name, tree.plan.revision) if tree.plan else (None, None)
        return _live(tree).model_copy(update={"poster": poster, "storyboard": storyboard})

    async def _newest_job(self, asset: Asset, kind: str) -> dict[str, Any] | None:
        """The last job whose output satisfies the request."""
        for job in await self._transcoder.jobs(asset, limit=JOBS_LOOKED_AT):
            if kind in await asyncio.to_thread(self._kinds, job):
                return job
        return None

    def _kinds(self, job: dict[str, Any]) -> list[str]:
        """What a job's outcome does as: that is known once it is planned; until then it does as what it was asked."""
        planned = job["duration_seconds"] is not None and job["state"] in ("queued", "running")
        plan = self._trees.plan(job["video"], job["id"]) if planned else None
        return plan.kinds if plan else [kind_of(Profile(job["profile"]), Format(job["format"]))]

    async def _making(self, job: dict[str, Any]) -> StatusView:
        try:
            made = (await self._transcoder.chunks(job["id"]))["made"]
        except ConversionFailed as error:
            if error.code != JobNotFound.code:  # Redis has forgotten it meanwhile
                raise
            made = []
        return StatusView(state="making", **_told(job), made=made)


def _told(job: dict[str, Any]) -> dict[str, Any]:
    """What a status says of a job."""
    return {
        "video": job["video"],
        "revision": job["id"],
        "profile": job["profile"],
        "format": job["format"],
        "duration": job["duration_seconds"],
        "percent": job["progress"]["percent"],
        "streams": job["streams"],
        "poster": job.get("poster"),
        "storyboard": job.get("storyboard"),
    }


def _live(tree: Tree) -> StatusView:
    plan = tree.plan
    if plan:
        duration: float | None = round(float(plan.timeline.duration), 3)
    else:  # another tool's
        duration = None if playlist.is_multivariant(tree.text) else round(playlist.duration(tree.text), 3)
    return StatusView(
        state="live",
        video=tree.name,
        revision=plan.revision if plan else None,
        profile=plan.profile.value if plan else None,
        format=plan.format.value if plan else None,
        duration=duration,
        percent=100.0,
        made=[(0.0, duration)] if duration else [],
        streams=list(plan.streams) if plan else [],
        notes=list(plan.notes) if plan else [],
    )
