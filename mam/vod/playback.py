"""Playlists for requests: cached, else built from the bucket, else from the plan of a conversion."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from cachetools import TTLCache

from mam.access.viewers import Viewer
from mam.cache.shared_reads import SharedReads
from mam.cache.store import CachedPlaylist, Lookup, slot
from mam.errors import ConversionFailed, InvalidRequest, NotFound, Unavailable
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, kind_of, satisfies
from mam.naming import Asset, check_video_name, video_names
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.vod.access import Access, no_asset, no_video, refusal
from mam.vod.conversions import Conversions, Generations
from mam.vod.missing import MissingAssets
from mam.vod.outcomes import Outcomes
from mam.vod.rendering import Renderer

ANY = ""  # This kind is satisfied by the main stream, whatever its kind.
NOT_CACHED = Lookup(None, None)  # A playlist that is built for this lookup is not cached.
# The plans of so many conversions are kept so many seconds: players request renditions right after the multivariant
# playlist.
KNOWN_PLANS, KNOWN_SECONDS = 64, 10
LOOKUPS = 16  # So many requests look for a video in the bucket at a time: half of the threads that all requests share.


def kind_asked(reencode: bool, profile: Profile | None, fmt: Format | None) -> str:
    """The kind that a request's options select. Raises InvalidRequest when they contradict each other."""
    if reencode and profile not in (None, Profile.H264):
        raise InvalidRequest(f"profile={profile.value} contradicts reencode=true.")
    if profile is None and not reencode and fmt is None:
        return ANY
    if profile is Profile.LADDER and fmt is Format.TS:
        raise InvalidRequest("A ladder has segments of fragmented MP4 alone.", hint="Leave out format=ts.")
    return kind_of(profile or (Profile.H264 if reencode else Profile.AUTO), fmt or Format.TS)


@dataclass(frozen=True, slots=True)
class _Begun:
    """The plan of a conversion that was just requested. `generation`: that of the video's cached playlists then."""

    plan: Plan
    generation: str | None


class Playback:
    """Serves playlists."""

    def __init__(
        self,
        settings: Settings,
        *,
        access: Access,
        store: Store,
        trees: Trees,
        reads: SharedReads,
        outcomes: Outcomes,
        missing: MissingAssets,
        conversions: Conversions,
        renderer: Renderer,
    ) -> None:
        self._settings = settings
        self._access = access
        self._store = store
        self._trees = trees
        self._reads = reads
        self._outcomes = outcomes
        self._missing = missing
        self._conversions = conversions
        self._renderer = renderer
        self._lookups = asyncio.Semaphore(LOOKUPS)
        self._builds = SingleFlight()
        self._begun: TTLCache[tuple[Asset, str], _Begun] = TTLCache(KNOWN_PLANS, KNOWN_SECONDS)

    async def by_name(self, name: str, kind: str, rendition: str, viewer: Viewer) -> CachedPlaylist:
        """The playlist of a video, live or in the making; `kind`: the wanted stream, '' for the main one.

        Raises InvalidName, VideoNotFound, NotConverted, TooHigh, StoreUnavailable.
        """
        check_video_name(name)
        self._access.check_name(name, viewer)
        cache_slot = slot(kind, rendition, most=viewer.max_height)
        (read,) = await self._reads.read((name,), cache_slot)
        lookup = read.lookup
        if lookup.playlist:
            self._access.check_video(name, lookup.playlist.source, viewer)
            self._outcomes.redis.inc()
            return lookup.playlist

        async def build() -> CachedPlaylist:
            tree = await asyncio.to_thread(self._trees.by_name, name, kind)
            if tree is not None:
                self._access.check_video(name, tree.source, viewer)
                return await self._renderer.live(tree, cache_slot, rendition, lookup, most=viewer.max_height)
            plan = await asyncio.to_thread(self._trees.plan, name)
            if plan is None or not satisfies(" ".join(plan.kinds), kind):
                raise no_video(name)
            asset = plan.source.asset
            self._access.check_video(name, str(asset), viewer)
            await self._conversions.kind_for(asset, viewer, [plan.kind])
            return await self._convert(asset, plan.kind, cache_slot, rendition, {name: lookup}, viewer)

        return await self._builds.run(("name", name, cache_slot, lookup.generation, *_identity(viewer)), build)

    async def by_asset(
        self, asset: Asset, kind: str, rendition: str, viewer: Viewer, *, default: str = ""
    ) -> CachedPlaylist:
        """The playlist of an asset, which is converted first unless it was converted to this kind already.

        `default`: the kind to convert it to where any would do and there is none; DEFAULT_PROFILE unless given, and
        where the viewer may have it converted by that alone.

        Raises NotFound, NotConverted, TooHigh, the error of the conversion, TooManyConversions, StoreUnavailable.
        """
        self._access.check_asset(asset, viewer)
        if asset in self._missing:
            raise no_asset(asset)
        names, cache_slot = video_names(asset), slot(kind, rendition, default, most=viewer.max_height)
        reads = await self._reads.read(names, cache_slot)
        lookups = {name: read.lookup for name, read in zip(names, reads, strict=True)}
        for name, lookup in lookups.items():
            if lookup.playlist and lookup.playlist.fits(str(asset), kind):
                self._check_tree(asset, name, lookup.playlist.source, viewer)
                self._outcomes.redis.inc()
                return lookup.playlist

        async def build() -> CachedPlaylist:
            begun = self._begun.get((asset, kind)) if rendition else None
            if begun and begun.generation and begun.generation == lookups[begun.plan.video].generation:
                return await self._renderer.unfinished(
                    begun.plan, cache_slot, rendition, lookups[begun.plan.video], most=viewer.max_height
                )
            async with self._lookups:
                tree = await asyncio.to_thread(self._trees.by_asset, asset, kind)
                if tree is None and self._missing.is_crowd:
                    await self._check_exists(asset)
            if tree is not None:
                self._check_tree(asset, tree.name, tree.source, viewer)
                self._conversions.refresh_if_stale(asset, tree)
                return await self._renderer.live(
                    tree, cache_slot, rendition, lookups[tree.name], most=viewer.max_height
                )
            wanted = [kind] if kind else [default or self._settings.default_profile, self._settings.default_profile]
            made = await self._conversions.kind_for(asset, viewer, wanted)
            return await self._convert(asset, made, cache_slot, rendition, lookups, viewer)

        key = ("asset", asset, cache_slot, _generations(lookups), *_identity(viewer))
        return await self._builds.run(key, build)

    async def _check_exists(self, asset: Asset) -> None:
        """Raises NotFound unless the store has the asset."""
        if await asyncio.to_thread(self._store.head, asset.bucket, asset.key) is None:
            self._missing.add(asset)
            raise no_asset(asset)

    def _check_tree(self, asset: Asset, name: str, source: str, viewer: Viewer) -> None:
        """Raises NotFound unless the tree that answers for an asset may be watched: another tool may have made it."""
        if not self._access.may_watch(self._access.source_of(name, source), viewer):
            raise refusal(no_asset(asset))

    async def _convert(
        self,
        asset: Asset,
        kind: str,
        cache_slot: str,
        rendition: str,
        lookups: Mapping[str, Lookup],
        viewer: Viewer,
    ) -> CachedPlaylist:
        """Has the asset converted, and builds its playlist from the plan: each segment is then waited for by itself.

        `lookups`: from before the conversion was requested. When the video goes live meanwhile, a playlist built from
        the answer is out of date and must not stay in the cache.
        """
        try:
            accepted = await self._conversions.accepted(asset, kind, _generations(lookups), place=viewer.place)
        except ConversionFailed as error:
            if error.code == NotFound.code:
                self._missing.add(asset)
            raise
        lookup = lookups.get(accepted.video, NOT_CACHED)
        if accepted.job is None:
            tree = await asyncio.to_thread(self._trees.by_name, accepted.video, kind)
            if tree is None:
                raise Unavailable("The video was converted, and is gone again.", hint="Ask again.")
            return await self._renderer.live(tree, cache_slot, rendition, lookup, most=viewer.max_height)
        plan = await asyncio.to_thread(self._trees.plan, accepted.video, accepted.job)
        if plan is None:
            raise Unavailable("The conversion was cancelled.", hint="Ask again.")
        self._begun[asset, plan.kind] = _Begun(plan, lookup.generation)
        return await self._renderer.unfinished(plan, cache_slot, rendition, lookup, most=viewer.max_height)


def _identity(viewer: Viewer) -> tuple[object, ...]:
    """Part of a shared build's key: viewers that differ share no build, for one of them may be refused."""
    return viewer.caller, viewer.grant


def _generations(lookups: Mapping[str, Lookup]) -> Generations:
    """Part of a shared build's key: a request after an invalidation shares no build that started before it."""
    return tuple(lookup.generation for lookup in lookups.values())
