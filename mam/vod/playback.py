"""Playlists for requests: cached, else built from the bucket, else from the plan of a conversion."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from cachetools import TTLCache

from mam.access.viewers import Viewer
from mam.background import Errands
from mam.cache.shared_reads import SharedReads
from mam.cache.store import CachedPlaylist, Lookup, PlaylistCache, compressed, slot
from mam.errors import ConversionFailed, InvalidRequest, MamError, NotFound, Unavailable, VideoNotFound
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, kind_of, satisfies
from mam.http.transcoder import Accepted, Transcoder
from mam.library.status import FOREIGN, foreign_field
from mam.library.status_store import StatusStore
from mam.naming import Asset, check_video_name, job_id, video_names
from mam.origin.tree import Tree, Trees
from mam.playback_rules import Policy
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.vod import playlists
from mam.vod.access import Access, no_asset, no_video
from mam.vod.missing import MissingAssets
from mam.vod.outcomes import Outcomes
from mam.vod.pending_segments import PendingSegments

ANY = ""  # This kind is satisfied by the main stream, whatever its kind.
NOT_CACHED = Lookup(None, None)  # A playlist that is built for this lookup is not cached.
JOBS = 60  # This many jobs of an asset are read, newest first: as many as its list holds.
# The plans of so many conversions are kept so many seconds: players request renditions right after the multivariant
# playlist.
KNOWN_PLANS, KNOWN_SECONDS = 64, 10
LOOKUPS = 16  # So many requests look for a video in the bucket at a time: half of the threads that all requests share.
LIVE_MAX_AGE = 60  # A client may keep a live playlist for this many seconds: its signatures last far longer.

Generations = tuple[str | None, ...]

log = logging.getLogger(__name__)


class TooManyConversions(Unavailable):
    code, title = "too_many_conversions", "Too many videos are waiting to be converted"
    hint = "Try again later. Converted videos play meanwhile."


class NotConverted(NotFound):
    code, title = "not_converted", "The video has not been converted"
    hint = "Have it converted with POST /transcode, or use a token whose claim `make` names the profile."


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
        cache: PlaylistCache,
        reads: SharedReads,
        transcoder: Transcoder,
        outcomes: Outcomes,
        known: StatusStore,
        pending: PendingSegments,
        missing: MissingAssets,
    ) -> None:
        self._settings = settings
        self._access = access
        self._store = store
        self._known = known
        self._pending = pending
        self._missing = missing
        self._lookups = asyncio.Semaphore(LOOKUPS)
        self._trees = trees
        self._cache = cache
        self._reads = reads
        self._transcoder = transcoder
        self._outcomes = outcomes
        self._builds = SingleFlight()
        self._conversions = SingleFlight()
        self._refreshing = Errands("refreshing of changed sources")
        self._begun: TTLCache[tuple[Asset, str], _Begun] = TTLCache(KNOWN_PLANS, KNOWN_SECONDS)

    async def by_name(self, name: str, kind: str, rendition: str, viewer: Viewer) -> CachedPlaylist:
        """The playlist of a video, live or in the making; `kind`: the wanted stream, '' for the main one.

        Raises InvalidName, VideoNotFound, NotConverted, StoreUnavailable.
        """
        check_video_name(name)
        self._access.check_name(name, viewer)
        cache_slot = slot(kind, rendition)
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
                return await self._live(tree, cache_slot, rendition, lookup)
            plan = await asyncio.to_thread(self._trees.plan, name)
            if plan is None or not satisfies(" ".join(plan.kinds), kind):
                raise no_video(name)
            asset = plan.source.asset
            self._access.check_video(name, str(asset), viewer)
            await self._check_conversion(asset, plan.kind, viewer)
            return await self._convert(asset, plan.kind, cache_slot, rendition, {name: lookup}, viewer)

        return await self._builds.run(("name", name, cache_slot, lookup.generation, *_identity(viewer)), build)

    async def by_asset(
        self, asset: Asset, kind: str, rendition: str, viewer: Viewer, *, default: str = ""
    ) -> CachedPlaylist:
        """The playlist of an asset, which is converted first unless it was converted to this kind already.

        `default`: the kind to convert it to where any would do and there is none; DEFAULT_PROFILE unless given.

        Raises NotFound, NotConverted, the error of the conversion, TooManyConversions, StoreUnavailable.
        """
        self._access.check_asset(asset, viewer)
        if asset in self._missing:
            raise no_asset(asset)
        names, cache_slot = video_names(asset), slot(kind, rendition, default)
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
                return await self._from_plan(begun.plan, cache_slot, rendition, lookups[begun.plan.video])
            async with self._lookups:
                tree = await asyncio.to_thread(self._trees.by_asset, asset, kind)
                if tree is None and self._missing.is_crowd:
                    await self._check_exists(asset)
            if tree is not None:
                self._check_tree(asset, tree.name, tree.source, viewer)
                self._refresh_if_stale(asset, tree)
                return await self._live(tree, cache_slot, rendition, lookups[tree.name])
            made = kind or default or self._settings.default_profile
            await self._check_conversion(asset, made, viewer)
            return await self._convert(asset, made, cache_slot, rendition, lookups, viewer)

        key = ("asset", asset, cache_slot, _generations(lookups), *_identity(viewer))
        return await self._builds.run(key, build)

    async def clear(self, name: str) -> None:
        """Forgets the cached playlists of a video, in every process at once."""
        check_video_name(name)
        await self._cache.invalidate(name)

    async def delete(self, asset: Asset) -> str:
        """Deletes the HLS of an asset, never the asset, and cancels its active jobs. Returns the video's name.

        It can be repeated after a failure. Raises VideoNotFound, StoreUnavailable, TranscoderUnavailable, RedisError.
        """
        self._access.check_listed(asset)
        cancelled = await self._cancel_jobs(asset)
        name, tree = await asyncio.to_thread(self._trees.remains, asset) or (cancelled, None)
        if name is None:
            raise VideoNotFound(f"There is no stream of {asset}.")
        await self._cache.invalidate(name)  # an outage of Redis ends the deletion here, before anything is removed
        await asyncio.to_thread(self._trees.delete, name, tree)
        field, revision = (foreign_field(name), FOREIGN) if tree and not tree.plan else (str(asset), "")
        await asyncio.to_thread(self._known.deleted, field, revision)
        await self._cache.invalidate(name)
        return name

    async def remove_rung(self, asset: Asset, rendition: str) -> str:
        """Takes a rung out of an asset's ladder: it is made again when a player asks for it. Returns the video's name.

        Raises VideoNotFound where the asset has no such rung, StoreUnavailable, TranscoderUnavailable.
        """
        self._access.check_listed(asset)
        tree = await asyncio.to_thread(self._trees.by_asset, asset, kind_of(Profile.LADDER, Format.FMP4))
        chosen = tree.plan.rendition(rendition) if tree and tree.plan else None
        if tree is None or tree.plan is None or chosen is None or not chosen.group:
            raise VideoNotFound(f"No ladder of {asset} has a rung {rendition[:80]!r}.",
                                hint="GET /stream/…/status lists the renditions of a ladder.")  # fmt: skip
        await self._transcoder.remove_rung(job_id(tree.plan.revision, chosen.group), tree.name)
        return tree.name

    async def _cancel_jobs(self, asset: Asset) -> str | None:
        """Cancels the active jobs of an asset. Returns the name of their video."""
        name = None
        for job in await self._transcoder.jobs(asset, limit=JOBS):
            if job["state"] in ("queued", "running"):
                name = job["video"]
                with suppress(ConversionFailed):  # the job has ended meanwhile
                    await self._transcoder.cancel(job["id"])
        return name

    async def _check_exists(self, asset: Asset) -> None:
        """Raises NotFound unless the store has the asset."""
        if await asyncio.to_thread(self._store.head, asset.bucket, asset.key) is None:
            self._missing.add(asset)
            raise no_asset(asset)

    def _check_tree(self, asset: Asset, name: str, source: str, viewer: Viewer) -> None:
        """Raises NotFound unless the tree that answers for an asset may be watched: another tool may have made it."""
        if not self._access.may_watch(self._access.source_of(name, source), viewer):
            raise no_asset(asset)

    async def _check_conversion(self, asset: Asset, kind: str, viewer: Viewer) -> None:
        """Raises NotConverted unless the viewer may have the asset converted, or that is already under way."""
        if viewer.may_make(Profile(kind.partition(".")[0])):
            return
        for job in await self._transcoder.jobs(asset, limit=JOBS):
            made = kind_of(Profile(job["profile"]), Format(job["format"]))
            if job["state"] in ("queued", "running") and not job["rendition"] and made == kind:
                return
        raise NotConverted(f"{asset} is not a stream yet.")

    async def _live(self, tree: Tree, cache_slot: str, rendition: str, lookup: Lookup) -> CachedPlaylist:
        promised = playlists.promised_rung(tree.plan, tree.text, rendition) if tree.plan else None
        if tree.plan:
            self._pending.learn(tree.plan)
        if tree.plan and promised:
            self._pending.warm(tree.plan, promised, live=True)
        presigned = tree.plan is None or self._access.policy(tree.source) is Policy.PUBLIC

        def render() -> bytes:
            if tree.plan and promised:
                return compressed(playlists.unfinished(tree.plan, promised))
            media = self._trees.media_playlist(tree, rendition)
            return compressed(playlists.live(media, self._settings, presigned=presigned))

        body = await asyncio.to_thread(render)
        self._outcomes.built.inc()
        playlist = CachedPlaylist(body, tree.source, tree.kinds, LIVE_MAX_AGE)
        await self._cache.put(tree.name, playlist, cache_slot, lookup.generation)
        return playlist

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
            accepted = await self._accepted(asset, kind, _generations(lookups), place=viewer.place)
        except ConversionFailed as error:
            if error.code == NotFound.code:
                self._missing.add(asset)
            raise
        lookup = lookups.get(accepted.video, NOT_CACHED)
        if accepted.job is None:
            tree = await asyncio.to_thread(self._trees.by_name, accepted.video, kind)
            if tree is None:
                raise Unavailable("The video was converted, and is gone again.", hint="Ask again.")
            return await self._live(tree, cache_slot, rendition, lookup)
        plan = await asyncio.to_thread(self._trees.plan, accepted.video, accepted.job)
        if plan is None:
            raise Unavailable("The conversion was cancelled.", hint="Ask again.")
        self._begun[asset, plan.kind] = _Begun(plan, lookup.generation)
        return await self._from_plan(plan, cache_slot, rendition, lookup)

    async def _from_plan(self, plan: Plan, cache_slot: str, rendition: str, lookup: Lookup) -> CachedPlaylist:
        def render() -> bytes:
            chosen = plan.rendition(rendition) if rendition else plan.renditions[0]
            if chosen is None:
                raise VideoNotFound(
                    f"The video {plan.video!r} has no rendition {rendition[:80]!r}.", hint="Ask without ?rendition=."
                )
            is_multivariant = len(plan.renditions) > 1 and not rendition
            if is_multivariant:
                return compressed(playlists.renditions(plan))
            return compressed(playlists.unfinished(plan, chosen))

        self._pending.learn(plan)
        rung = plan.rendition(rendition) if rendition else None
        if rung and rung.group:
            self._pending.warm(plan, rung, live=False)
        source = str(plan.source.asset)
        playlist = CachedPlaylist(await asyncio.to_thread(render), source, " ".join(plan.kinds))
        self._outcomes.built.inc()
        await self._cache.put(plan.video, playlist, cache_slot, lookup.generation)
        return playlist

    async def _accepted(self, asset: Asset, kind: str, generations: Generations = (), *, place: str = "") -> Accepted:
        """The acceptance of a conversion, shared by simultaneous requests; a limited number of them wait at a time."""
        key = (asset, kind, generations)
        if key not in self._conversions and len(self._conversions) >= self._settings.max_waiting_conversions:
            raise TooManyConversions(f"{len(self._conversions)} conversions are being waited for.")
        return await self._conversions.run(key, lambda: self._transcoder.convert(asset, kind, client=place))

    def _refresh_if_stale(self, asset: Asset, tree: Tree) -> None:
        """Has a changed source converted again; the live stream plays on meanwhile."""
        if tree.plan is None:
            return
        self._refreshing.send(self._refresh(asset, tree.name, tree.plan))

    async def _refresh(self, asset: Asset, name: str, plan: Plan) -> None:
        try:
            current = await asyncio.to_thread(self._store.head, asset.bucket, asset.key)
            if current is not None and current.version != plan.source.version:
                log.info("source has changed", extra={"video": name})
                await self._accepted(asset, plan.kind)
        except MamError as error:
            log.warning("changed source not converted", extra={"video": name, "code": error.code})


def _identity(viewer: Viewer) -> tuple[object, ...]:
    """Part of a shared build's key: viewers that differ share no build, for one of them may be refused."""
    return viewer.caller, viewer.grant


def _generations(lookups: Mapping[str, Lookup]) -> Generations:
    """Part of a shared build's key: a request after an invalidation shares no build that started before it."""
    return tuple(lookup.generation for lookup in lookups.values())
