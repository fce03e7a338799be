"""Conversions on behalf of viewers: who may have one begun, its acceptance, and that of changed sources."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable

from mam.access.viewers import Viewer
from mam.background import Errands
from mam.errors import MamError, NotFound, Unavailable
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, kind_of, profile_and_format
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
    hint = (
        "Have it converted with POST /transcode, use a token whose claim `make` names the profile, or let viewers use "
        "it: VIEWER_PROFILES."
    )


class Conversions:
    """Begins conversions for viewers. One per service."""

    def __init__(self, settings: Settings, store: Store, transcoder: Transcoder) -> None:
        self._settings = settings
        self._everyones = frozenset(map(Profile, settings.profiles_of_viewers))
        self._store = store
        self._transcoder = transcoder
        self._accepting = SingleFlight()
        self._refreshing = Errands("refreshing of changed sources")

    async def kind_for(self, asset: Asset, viewer: Viewer, kinds: Iterable[str]) -> str:
        """The first of the kinds that the viewer may have the asset converted to, or that is already under way.

        Raises NotConverted where there is none, TranscoderUnavailable.
        """
        under_way: Collection[str] | None = None
        for kind in kinds:
            if viewer.may_make(str(asset), profile_and_format(kind)[0], self._everyones):
                return kind
            under_way = await self._under_way(asset) if under_way is None else under_way
            if kind in under_way:
                return kind
        raise NotConverted(f"{asset} is not such a stream yet.")

    async def accepted(self, asset: Asset, kind: str, generations: Generations = (), *, place: str = "") -> Accepted:
        """The acceptance of a conversion, shared by simultaneous requests; a limited number of them wait at a time."""
        key = (asset, kind, generations)
        if key not in self._accepting and len(self._accepting) >= self._settings.max_waiting_conversions:
            raise TooManyConversions(f"{len(self._accepting)} conversions are being waited for.")
        return await self._accepting.run(key, lambda: self._transcoder.convert(asset, kind, client=place))

    async def _under_way(self, asset: Asset) -> set[str]:
        """The kinds to which an asset is being converted."""
        return {
            kind_of(Profile(job["profile"]), Format(job["format"]))
            for job in await self._transcoder.jobs(asset, limit=JOBS)
            if job["state"] in ("queued", "running") and not job["rendition"]
        }

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
