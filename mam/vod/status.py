"""The status of an asset's stream for pages: live or in the making, and its existing parts.

A status request starts nothing: only the playlist's route converts an asset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from contextlib import suppress
from typing import Any, Literal

from cachetools import TTLCache
from pydantic import BaseModel, Field

from mam.access.viewers import Viewer
from mam.errors import ConversionFailed, Failure, JobNotFound, MamError, NotFound
from mam.hls import playlist
from mam.hls.plan import Plan, StreamInfo
from mam.hls.recipe import Format, Profile, kind_of
from mam.http.transcoder import Transcoder
from mam.naming import Asset
from mam.origin.tree import Tree, Trees
from mam.playback_rules import Policy
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.vod.access import Access
from mam.vod.thumbnails import Thumbnails

KEEP_SECONDS = 1.0  # A status answers all requests of this time: many pages may request it every two seconds.
KEPT = 1024  # This many statuses are kept.
PROMISED = ("promised", 0.0)  # State and percentage of a rendition that no job is known to make.
JOBS_READ = 40  # This many jobs of an asset are read, newest first: the rungs of ladders are among them.


class RenditionStatus(BaseModel):
    """A rendition of a ladder."""

    name: str = Field(examples=["v540"])
    state: Literal["promised", "making", "made"] = Field(description="`promised`: made when a player requests it.")
    percent: float = Field(description="The part of its segments that exists.")
    width: int
    height: int
    bandwidth: int = Field(description="Bits per second at most.")


class StatusView(BaseModel):
    """The status of an asset's stream."""

    state: Literal["new", "making", "live", "failed"] = Field(
        description="`new`: not converted this way yet; the first request for its playlist starts that."
    )
    policy: Policy = Field(default=Policy.PUBLIC, description="Who may watch: PLAYBACK_RULES.")
    video: str | None = Field(default=None, description="The name of the video.")
    revision: str | None = Field(default=None, description="Also the job's id.")
    profile: str | None = None
    format: str | None = None
    duration: float | None = Field(default=None, description="Seconds; known once the job is planned.")
    percent: float = 0.0
    made: list[tuple[float, float]] = Field(default=[], description="The existing ranges, in seconds.")
    streams: list[StreamInfo] = Field(default=[], description="Each stream of the source with its outcome.")
    renditions: list[RenditionStatus] = Field(
        default=[], description="Of a ladder: its renditions with a picture, that of the base first."
    )
    notes: list[str] = Field(default=[], description="Faults of the source that were tolerated.")
    poster: str | None = None
    storyboard: str | None = None
    error: Failure | None = Field(default=None, description="Why the conversion failed.")
    download: bool = Field(default=False, description="Whether the link or token permits to download the asset.")


class Statuses:
    """Reads statuses for any number of pages: simultaneous requests, and those of KEEP_SECONDS, share one read."""

    def __init__(self, settings: Settings, access: Access, store: Store, trees: Trees, transcoder: Transcoder) -> None:
        self._settings = settings
        self._access = access
        self._store = store
        self._trees = trees
        self._transcoder = transcoder
        self._pictures = Thumbnails(settings, access, store, trees)
        self._flights = SingleFlight()
        self._kept: TTLCache[tuple[Asset, str, str], StatusView] = TTLCache(KEPT, KEEP_SECONDS)

    async def of(self, asset: Asset, kind: str, viewer: Viewer, *, default: str = "") -> StatusView:
        """The status of the stream that a playlist request of that kind ('': any, else `default`) would get.

        Raises NotFound, StoreUnavailable, TranscoderUnavailable.
        """
        self._access.check_asset(asset, viewer)
        wanted = (asset, kind, default or self._settings.default_profile)
        kept = self._kept.get(wanted)
        if kept is not None:
            return kept
        return await self._flights.run(wanted, lambda: self._look(*wanted))

    async def _look(self, asset: Asset, kind: str, default: str) -> StatusView:
        found = await self._status(asset, kind, default)
        status = self._kept[asset, kind, default] = found.model_copy(update={"policy": self._access.policy(str(asset))})
        return status

    async def _status(self, asset: Asset, kind: str, default: str) -> StatusView:
        tree = await asyncio.to_thread(self._trees.by_asset, asset, kind)
        if tree:
            return await self._live(asset, tree)
        info = await asyncio.to_thread(self._store.head, asset.bucket, asset.key)
        if info is None:
            raise NotFound(f"There is no object {asset}.")
        job = await self._newest_job(asset, kind or default)
        if job is None or job["state"] == "cancelled":
            return StatusView(state="new")
        if job["state"] == "succeeded":  # it went live after the first check, or its stream was deleted
            tree = await asyncio.to_thread(self._trees.by_asset, asset, kind)
            return await self._live(asset, tree) if tree else StatusView(state="new")
        if job["state"] != "failed":
            return await self._making(job)
        if job["asset_version"] != info.version:
            return StatusView(state="new")  # another version of the object failed
        return StatusView(state="failed", **_job_fields(job), error=Failure.of(job["error"]))

    async def _live(self, asset: Asset, tree: Tree) -> StatusView:
        plan = tree.plan
        if plan is None:
            return _live(tree)
        poster, storyboard = await asyncio.to_thread(self._pictures.paths, tree.name, plan.revision)
        view = _live(tree).model_copy(update={"poster": poster, "storyboard": storyboard})
        if plan.ladder:
            view.renditions = await self._rungs(asset, plan, {*playlist.rendition_names(tree.text)})
        return view

    async def _rungs(self, asset: Asset, plan: Plan, made: Set[str]) -> list[RenditionStatus]:
        """The renditions of a live ladder. `made`: those that the commit lists; jobs make others.

        While the transcoding service is away, all others count as promised: what is live plays without it.
        """
        jobs: list[dict[str, Any]] = []
        if not made >= {*plan.ladder}:
            with suppress(MamError):
                jobs = await self._transcoder.jobs(asset, limit=JOBS_READ)
        return _renditions(plan, next((job for job in jobs if job["id"] == plan.revision), None), made)

    async def _newest_job(self, asset: Asset, kind: str) -> dict[str, Any] | None:
        """The newest job whose output satisfies the kind."""
        for job in await self._transcoder.jobs(asset, limit=JOBS_READ):
            if not job["rendition"] and kind in await asyncio.to_thread(self._kinds, job):
                return job
        return None

    def _kinds(self, job: dict[str, Any]) -> list[str]:
        """The kinds that a job's output satisfies: those of its plan, or of its request until it is planned."""
        planned = job["duration_seconds"] is not None and job["state"] in ("queued", "running")
        plan = self._trees.plan(job["video"], job["id"]) if planned else None
        return plan.kinds if plan else [kind_of(Profile(job["profile"]), Format(job["format"]))]

    async def _making(self, job: dict[str, Any]) -> StatusView:
        plan = await asyncio.to_thread(self._trees.plan, job["video"], job["id"]) if job["renditions"] else None
        try:
            made = (await self._transcoder.chunks(job["id"]))["made"]
        except ConversionFailed as error:
            if error.code != JobNotFound.code:  # the job has expired meanwhile
                raise
            made = []
        renditions = _renditions(plan, job, set()) if plan else []
        return StatusView(state="making", **_job_fields(job), made=made, renditions=renditions)


def _renditions(plan: Plan, job: dict[str, Any] | None, made: Set[str]) -> list[RenditionStatus]:
    """The renditions of a ladder with a picture. `job`: that of its base, where it is known."""
    known = {found["name"]: (found["state"], found["percent"]) for found in job["renditions"]} if job else {}
    known |= dict.fromkeys(made, ("made", 100.0))
    return [
        RenditionStatus(
            name=rendition.name,
            state=known.get(rendition.name, PROMISED)[0],
            percent=known.get(rendition.name, PROMISED)[1],
            width=rendition.video.width,
            height=rendition.video.height,
            bandwidth=rendition.bandwidth,
        )
        for rendition in plan.renditions
        if rendition.video
    ]


def _job_fields(job: dict[str, Any]) -> dict[str, Any]:
    """The fields of a status that come from a job."""
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
    else:  # a tree of another tool
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
