"""The assets of revisions, by which the access to their files is judged: read from plans, and remembered."""

from __future__ import annotations

import asyncio

from cachetools import LRUCache

from mam.hls.plan import Plan
from mam.naming import Asset, video_names
from mam.origin.tree import Trees
from mam.vod.access import no_asset, no_video

KNOWN = 4096  # The assets of this many revisions are remembered.


class Origins:
    """The assets of revisions. One per service."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._sources: LRUCache[tuple[str, str], str] = LRUCache(KNOWN)  # by video and revision

    async def video_of(self, asset: Asset, revision: str) -> str:
        """The video of an asset that the revision belongs to. Raises NotFound, as if the asset were refused."""
        for name in video_names(asset):
            if await self._source(name, revision) == str(asset):
                return name
        raise no_asset(asset)

    async def source_of(self, video: str, revision: str) -> str:
        """The asset of a revision, `bucket/key`. Raises VideoNotFound, as if the video were refused."""
        source = await self._source(video, revision)
        if source is None:
            raise no_video(video)
        return source

    def learn(self, plan: Plan) -> None:
        """Remembers whose revision a plan describes, so that its first segment needs no look at the bucket."""
        self._sources[plan.video, plan.revision] = str(plan.source.asset)

    async def _source(self, video: str, revision: str) -> str | None:
        known = self._sources.get((video, revision))
        if known is None:
            plan = await asyncio.to_thread(self._trees.plan, video, revision)
            if plan is None or (plan.video, plan.revision) != (video, revision):
                return None  # a missing plan may exist later
            self.learn(plan)
            known = str(plan.source.asset)
        return known
