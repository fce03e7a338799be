"""Renders the playlists of live videos and of videos in the making, and puts them into the cache."""

from __future__ import annotations

import asyncio

from mam.cache.store import CachedPlaylist, Lookup, PlaylistCache, compressed
from mam.errors import VideoNotFound
from mam.hls.heights import of_plan
from mam.hls.plan import Plan
from mam.origin.tree import Tree, Trees
from mam.playback_rules import Policy
from mam.settings import Settings
from mam.vod import heights, playlists
from mam.vod.access import Access
from mam.vod.origins import Origins
from mam.vod.outcomes import Outcomes
from mam.vod.pending_segments import PendingSegments

LIVE_MAX_AGE = 60  # A client may keep a live playlist for this many seconds: its signatures last far longer.


class Renderer:
    """Renders playlists for the slots of the cache. One per service."""

    def __init__(
        self,
        settings: Settings,
        *,
        access: Access,
        trees: Trees,
        cache: PlaylistCache,
        pending: PendingSegments,
        origins: Origins,
        outcomes: Outcomes,
    ) -> None:
        self._settings = settings
        self._access = access
        self._trees = trees
        self._cache = cache
        self._pending = pending
        self._origins = origins
        self._outcomes = outcomes

    async def live(self, tree: Tree, cache_slot: str, rendition: str, lookup: Lookup, *, most: int) -> CachedPlaylist:
        """The playlist of a live video. `most`: the limit on the height of pictures; 0 for none. Raises TooHigh."""
        if most:
            sides = playlists.sides_of(tree.text, tree.plan)
            heights.check(sides, rendition, most, is_ladder=bool(tree.plan and tree.plan.ladder))
        promised = playlists.promised_rung(tree.plan, tree.text, rendition) if tree.plan else None
        if tree.plan:
            self._origins.learn(tree.plan)
        if tree.plan and promised:
            self._pending.warm(tree.plan, promised, live=True)
        presigned = self._access.policy(self._access.source_of(tree.name, tree.source)) is Policy.PUBLIC
        foreign = tree.plan is None

        def render() -> bytes:
            if tree.plan and promised:
                return compressed(playlists.unfinished(tree.plan, promised))
            media = self._trees.media_playlist(tree, rendition)
            return compressed(playlists.live(media, self._settings, presigned=presigned, foreign=foreign, most=most))

        body = await asyncio.to_thread(render)
        self._outcomes.built.inc()
        playlist = CachedPlaylist(body, tree.source, tree.kinds, LIVE_MAX_AGE)
        await self._cache.put(tree.name, playlist, cache_slot, lookup.generation)
        return playlist

    async def unfinished(
        self, plan: Plan, cache_slot: str, rendition: str, lookup: Lookup, *, most: int
    ) -> CachedPlaylist:
        """The playlist of a video in the making, from its plan. `most`: as of `live`. Raises TooHigh, VideoNotFound."""
        if most:
            heights.check(of_plan(plan), rendition, most, is_ladder=bool(plan.ladder))

        def render() -> bytes:
            chosen = plan.rendition(rendition) if rendition else plan.renditions[0]
            if chosen is None:
                raise VideoNotFound(
                    f"The video {plan.video!r} has no rendition {rendition[:80]!r}.", hint="Ask without ?rendition=."
                )
            is_multivariant = len(plan.renditions) > 1 and not rendition
            if is_multivariant:
                return compressed(playlists.renditions(plan, most))
            return compressed(playlists.unfinished(plan, chosen))

        self._origins.learn(plan)
        rung = plan.rendition(rendition) if rendition else None
        if rung and rung.group:
            self._pending.warm(plan, rung, live=False)
        source = str(plan.source.asset)
        playlist = CachedPlaylist(await asyncio.to_thread(render), source, " ".join(plan.kinds))
        self._outcomes.built.inc()
        await self._cache.put(plan.video, playlist, cache_slot, lookup.generation)
        return playlist
