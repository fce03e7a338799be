"""The origins of revisions, by which the access to their files is judged: read from plans, and remembered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cachetools import LRUCache

from mam.hls.heights import Sides, of_plan
from mam.hls.plan import Plan
from mam.naming import Asset, video_names
from mam.origin.tree import Trees
from mam.vod import heights
from mam.vod.access import no_asset, no_video

KNOWN = 4096  # The origins of this many revisions are remembered.


@dataclass(frozen=True, slots=True)
class Origin:
    """What a revision was made of, and into. `source`: the asset, `bucket/key`; `sides`: those of its pictures."""

    video: str
    source: str
    sides: Sides
    is_ladder: bool

    def side(self, rendition: str) -> int:
        """The shorter side of a rendition's picture in pixels; 0 without a picture."""
        return self.sides.get(rendition, 0)

    def check_height(self, rendition: str, most: int) -> None:
        """Raises TooHigh where a rendition's picture exceeds a limit; 0 for none."""
        if most:
            heights.check(self.sides, rendition, most, is_ladder=self.is_ladder)


class Origins:
    """The origins of revisions. One per service."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._known: LRUCache[tuple[str, str], Origin] = LRUCache(KNOWN)  # by video and revision

    async def of_asset(self, asset: Asset, revision: str) -> Origin:
        """The origin of an asset's revision. Raises NotFound, as if the asset were refused."""
        for name in video_names(asset):
            origin = await self._origin(name, revision)
            if origin and origin.source == str(asset):
                return origin
        raise no_asset(asset)

    async def of_video(self, video: str, revision: str) -> Origin:
        """The origin of a video's revision. Raises VideoNotFound, as if the video were refused."""
        origin = await self._origin(video, revision)
        if origin is None:
            raise no_video(video)
        return origin

    def learn(self, plan: Plan) -> Origin:
        """Remembers whose revision a plan describes, so that its first segment needs no look at the bucket."""
        origin = Origin(plan.video, str(plan.source.asset), of_plan(plan), bool(plan.ladder))
        self._known[plan.video, plan.revision] = origin
        return origin

    async def _origin(self, video: str, revision: str) -> Origin | None:
        known = self._known.get((video, revision))
        if known is not None:
            return known
        plan = await asyncio.to_thread(self._trees.plan, video, revision)
        if plan is None or (plan.video, plan.revision) != (video, revision):
            return None  # a missing plan may exist later
        return self.learn(plan)
