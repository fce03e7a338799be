"""Conversions on behalf of viewers: who may have one begun, its acceptance, and that of changed sources."""

from __future__ import annotations

import asyncio
import logging

from mam.access.viewers import Viewer
from mam.background import Errands
from mam.errors import MamError, NotFound, Unavailable
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, kind_of
from mam.http.transcoder import Accepted, Transcoder
from mam.naming import Asset
from mam.origin.tree import Tree
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store

JOBS = 60  # This many jobs of an asset are read, newest first: as many as its list holds.

Generations = tuple[str | None, ...]  # of the cached playlists of an asset's names

log = logging.getLogger(__name__)


class TooManyConversions(Unavailable):
    code, title = "too_many_conversions", "Too many videos are waiting to be converted"
    hint = "Try again later. Converted videos play meanwhile."


class NotConverted(NotFound):
    code, title = "not_converted", "The video has not been converted"
    hint = "Have it converted with POST /transcode, or use a token whose claim `make` names the profile."


class Conversions:
    """Begins conversions for viewers. One per service."""

    def __init__(self, settings: Settings, store: Store, transcoder: Transcoder) -> None:
        self._settings = settings
        self._store = store
        self._transcoder = transcoder
        self._accepting = SingleFlight()
        self._refreshing = Errands("refreshing of changed sources")

    async def check(self, asset: Asset, kind: str, viewer: Viewer) -> None:
        """Raises NotConverted unless the viewer may have the asset converted, or that is already under way."""
        if viewer.may_make(Profile(kind.partition(".")[0])):
            return
        for job in await self._transcoder.jobs(asset, limit=JOBS):
            made = kind_of(Profile(job["profile"]), Format(job["format"]))
            if job["state"] in ("queued", "running") and not job["rendition"] and made == kind:
                return
        raise NotConverted(f"{asset} is not a stream yet.")

    async def accepted(self, asset: Asset, kind: str, generations: Generations = (), *, place: str = "") -> Accepted:
        """The acceptance of a conversion, shared by simultaneous requests; a limited number of them wait at a time."""
        key = (asset, kind, generations)
        if key not in self._accepting and len(self._accepting) >= self._settings.max_waiting_conversions:
            raise TooManyConversions(f"{len(self._accepting)} conversions are being waited for.")
        return await self._accepting.run(key, lambda: self._transcoder.convert(asset, kind, client=place))

    def refresh_if_stale(self, asset: Asset, tree: Tree) -> None:
        """Has a changed source converted again; the live stream plays on meanwhile."""
        if tree.plan is None:
            return
        self._refreshing.send(self._refresh(asset, tree.name, tree.plan))

    async def _refresh(self, asset: Asset, name: str, plan: Plan) -> None:
        try:
            current = await asyncio.to_thread(self._store.head, asset.bucket, asset.key)
            if current is not None and current.version != plan.source.version:
                log.info("source has changed", extra={"video": name})
                await self.accepted(asset, plan.kind)
        except MamError as error:
            log.warning("changed source not converted", extra={"video": name, "code": error.code})
