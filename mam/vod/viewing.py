"""From a request to a playlist: cached, else built from the bucket, else after a conversion."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from contextlib import suppress

from mam.errors import ConversionTimeout, MamError, NotFound, Unavailable, VideoNotFound
from mam.events import FINAL, Listener
from mam.naming import Asset, check_video_name, video_names
from mam.settings import Settings
from mam.store.objects import Store
from mam.vod.flight import SingleFlight
from mam.vod.signed import give_out
from mam.vod.transcoder import Transcoder
from mam.vod.trees import Tree, Trees
from redis_adapter import GZIP_LEVEL, CachedPlaylist, Lookup, PlaylistCache

LOOK_SECONDS = 5  # a waiting request looks at its job this often even when no event came
ANY = ""  # a profile: whatever is live will do
DEFAULT_PROFILE = "source"  # what is made when nothing is live and the viewer does not mind

log = logging.getLogger(__name__)


class TooManyConversions(Unavailable):
    code, title = "too_many_conversions", "Too many videos are waiting to be converted"
    hint = "Try again later; what is converted already plays meanwhile."


class Viewing:
    """Gives out playlists as gzip bytes."""

    def __init__(
        self, settings: Settings, store: Store, cache: PlaylistCache, transcoder: Transcoder, listener: Listener
    ) -> None:
        self._settings = settings
        self._store = store
        self._trees = Trees(store, settings.minio_bucket_vod)
        self._cache = cache
        self._transcoder = transcoder
        self._listener = listener
        self._builds = SingleFlight()
        self._conversions = SingleFlight()
        self._background: set[asyncio.Task[None]] = set()

    async def by_name(self, name: str, rendition: str) -> bytes:
        """The playlist of a live video. Raises InvalidName, VideoNotFound, StoreUnavailable."""
        check_video_name(name)
        (cached,) = await self._cache.get([name], rendition)
        if cached.playlist:
            return cached.playlist.body

        async def build() -> bytes:
            tree = await asyncio.to_thread(self._trees.by_name, name)
            if tree is None:
                raise VideoNotFound(f"There is no video {name!r}.")
            return await self._give_out(tree, rendition, cached)

        return await self._builds.run(("name", name, rendition), build)

    async def by_asset(self, asset: Asset, profile: str, rendition: str) -> bytes:
        """The playlist of an asset, converted now if it never was, or not in this profile.

        Raises NotFound, what the conversion failed with, TooManyConversions, ConversionTimeout, StoreUnavailable.
        """
        self._check_bucket(asset)
        names = list(dict.fromkeys(video_names(asset)))
        lookups = dict(zip(names, await self._cache.get(names, rendition), strict=True))
        for found in lookups.values():
            if found.playlist and found.playlist.source in (str(asset), "") and _fits(found.playlist.profile, profile):
                return found.playlist.body

        async def build() -> bytes:
            tree = await asyncio.to_thread(self._trees.by_asset, asset)
            if tree is not None and _fits(tree.profile, profile):
                self._refresh_if_stale(asset, tree)
                return await self._give_out(tree, rendition, lookups[tree.name])
            name = await self._converted(asset, profile or DEFAULT_PROFILE)
            (lookup,) = await self._cache.get([name], rendition)
            tree = await asyncio.to_thread(self._trees.by_name, name)
            if tree is None:
                raise Unavailable("The video was converted, and is gone again.", hint="Ask again.")
            return await self._give_out(tree, rendition, lookup)

        return await self._builds.run(("asset", asset, profile, rendition), build)

    async def clear(self, name: str) -> None:
        """Forgets the cached playlists of a video, in every process at once."""
        check_video_name(name)
        await self._cache.invalidate(name)

    async def delete(self, asset: Asset) -> str:
        """Deletes the HLS of an asset, never the asset. Returns the video's name. Raises VideoNotFound."""
        self._check_bucket(asset)
        tree = await asyncio.to_thread(self._trees.by_asset, asset)
        if tree is None:
            raise VideoNotFound(f"There is no stream of {asset}.")
        await asyncio.to_thread(self._trees.delete, tree)
        await self._cache.invalidate(tree.name)
        return tree.name

    def _check_bucket(self, asset: Asset) -> None:
        if not self._settings.may_stream(asset.bucket):
            raise NotFound(f"There is no object {asset}.")

    async def _give_out(self, tree: Tree, rendition: str, lookup: Lookup) -> bytes:
        def render() -> bytes:
            text = give_out(self._trees.media_playlist(tree, rendition), self._settings)
            return gzip.compress(text.encode(), GZIP_LEVEL, mtime=0)

        body = await asyncio.to_thread(render)
        kept = CachedPlaylist(body, tree.source, tree.profile)
        await self._cache.put(tree.name, kept, rendition, lookup.generation)
        return body

    async def _converted(self, asset: Asset, profile: str) -> str:
        """The name of an asset's video after its conversion, which everyone who wants it shares."""
        key = (asset, profile)
        if key not in self._conversions and len(self._conversions) >= self._settings.max_waiting_conversions:
            raise TooManyConversions(f"{len(self._conversions)} conversions are being waited for.")
        return await self._conversions.run(key, lambda: self._convert(asset, profile))

    async def _convert(self, asset: Asset, profile: str) -> str:
        deadline = time.monotonic() + self._settings.transcode_timeout_seconds
        accepted = await asyncio.to_thread(self._transcoder.convert, asset, profile)
        if accepted.job is not None:
            await self._wait(accepted.job, deadline)
        return accepted.video

    async def _wait(self, job: str, deadline: float) -> None:
        """Until the job has ended well. Raises what it failed with, or ConversionTimeout."""
        async with self._listener.watch(job, FINAL) as happened:
            while time.monotonic() < deadline:
                happened.clear()
                if await asyncio.to_thread(self._transcoder.is_done, job):
                    return
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(happened.wait(), LOOK_SECONDS)
        raise ConversionTimeout(f"Not converted within {self._settings.transcode_timeout_seconds:.0f} s.")

    def _refresh_if_stale(self, asset: Asset, tree: Tree) -> None:
        """Has a changed source converted anew, while what is live plays on."""
        if tree.plan is None or ("refresh", asset) in self._conversions:
            return

        async def refresh() -> None:
            current = await asyncio.to_thread(self._store.head, asset.bucket, asset.key)
            if current is not None and tree.plan and current.version != tree.plan.source.version:
                log.info("source has changed", extra={"video": tree.name})
                await asyncio.to_thread(self._transcoder.convert, asset, tree.profile)

        async def quietly() -> None:
            try:
                await self._conversions.run(("refresh", asset), refresh)
            except MamError as error:
                log.warning("changed source not converted", extra={"video": tree.name, "code": error.code})

        task = asyncio.create_task(quietly())
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _fits(live: str, wanted: str) -> bool:
    """Whether what is live will do. A tree of another tool says no profile, and does as anything."""
    return wanted == ANY or live in (wanted, "")
