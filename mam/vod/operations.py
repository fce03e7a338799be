"""What operators do to videos: forget their cached playlists, delete their HLS, take a rung out of a ladder."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from mam.cache.store import PlaylistCache
from mam.errors import ConversionFailed, VideoNotFound
from mam.hls.recipe import Format, Profile, kind_of
from mam.http.transcoder import Transcoder
from mam.library.status import FOREIGN, foreign_field
from mam.library.status_store import StatusStore
from mam.naming import Asset, check_video_name, job_id
from mam.origin.tree import Trees
from mam.vod.access import Access
from mam.vod.conversions import JOBS


class Operations:
    """Deletes and forgets. One per service."""

    def __init__(
        self, *, access: Access, trees: Trees, cache: PlaylistCache, transcoder: Transcoder, known: StatusStore
    ) -> None:
        self._access = access
        self._trees = trees
        self._cache = cache
        self._transcoder = transcoder
        self._known = known

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
