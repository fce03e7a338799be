"""The files of other tools' trees: those that their playlists name, and no others, are given to viewers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from cachetools import TTLCache

from mam.errors import NotFound, VideoNotFound
from mam.hls import heights as sizes
from mam.hls import playlist
from mam.hls.playlist import InvalidPlaylist
from mam.naming import Asset, video_names
from mam.origin.tree import Tree, Trees
from mam.singleflight import SingleFlight
from mam.vod import heights
from mam.vod.access import no_video

KNOWN, KNOWN_SECONDS = 64, 30  # So many trees are remembered for so long: another tool may replace them at any time.


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A file of another tool's tree. `side`: the shorter side of the highest picture that it may belong to."""

    key: str
    side: int

    def check_height(self, most: int) -> None:
        """Raises TooHigh where the picture exceeds a limit; 0 for none."""
        if not sizes.fits(self.side, most):
            raise heights.too_high(self.side, most)


class ForeignTrees:
    """The files of other tools' trees. One per service."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._known: TTLCache[str, Mapping[str, int]] = TTLCache(KNOWN, KNOWN_SECONDS)
        self._flights = SingleFlight()

    async def name_of(self, asset: Asset) -> str | None:
        """The name of the tree that stands for an asset; None where another tool made none. Raises StoreUnavailable."""
        for name in video_names(asset):
            if await self._files(name) is not None:
                return name
        return None

    async def file(self, name: str, path: str) -> ForeignFile:
        """A file of the tree of that name. `path`: below its folder.

        Raises VideoNotFound where another tool made no such tree, NotFound where no playlist of it names the file.
        """
        files = await self._files(name)
        if files is None:
            raise no_video(name)
        if path not in files:
            hint = "Request the playlist again: it names the existing files."
            raise NotFound(f"The video has no {path[:200]}.", hint=hint)
        return ForeignFile(f"{name}/{path}", files[path])

    async def _files(self, name: str) -> Mapping[str, int] | None:
        known = self._known.get(name)
        if known is None:
            known = await self._flights.run(name, lambda: asyncio.to_thread(self._read, name))
            if known is not None:  # a missing tree may exist later
                self._known[name] = known
        return known

    def _read(self, name: str) -> Mapping[str, int] | None:
        """The paths of the files that a tree's playlists name, with the sides of their pictures."""
        tree = self._trees.by_name(name)
        if tree is None or tree.plan is not None:
            return None
        sides = sizes.of_playlist(tree.text)
        is_multivariant = playlist.is_multivariant(tree.text)
        files: dict[str, int] = {}
        for rendition in playlist.rendition_names(tree.text) if is_multivariant else (sizes.ALONE,):
            with suppress(VideoNotFound, InvalidPlaylist):  # it does not play, which is no matter of the others
                for path in self._named(tree, rendition):
                    files[path] = max(files.get(path, 0), sides.get(rendition, 0))
        return files

    def _named(self, tree: Tree, rendition: str) -> list[str]:
        """The paths that a media playlist of a tree names. Raises VideoNotFound, InvalidPlaylist, StoreUnavailable."""
        media = self._trees.media_playlist(tree, rendition)
        keys = (playlist.resolve(media.folder, entry.uri) for entry in playlist.entries(media.text))
        return [key.removeprefix(f"{tree.name}/") for key in keys if key]
