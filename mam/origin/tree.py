"""The HLS trees in the VoD bucket: their assets, live streams and playlists."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from mam.errors import VideoNotFound
from mam.hls import playlist
from mam.hls.plan import Plan
from mam.hls.playlist import InvalidPlaylist
from mam.hls.recipe import satisfies
from mam.naming import REVISION, Asset, commit_key, plan_key, video_names
from mam.origin.revisions import Revisions, revision_in
from mam.store.objects import Store


@dataclass(frozen=True, slots=True)
class Tree:
    """A live video: its commit and its plan. A tree of another tool has no plan."""

    name: str
    text: str
    plan: Plan | None

    @property
    def source(self) -> str:
        return str(self.plan.source.asset) if self.plan else ""

    @property
    def kinds(self) -> str:
        """The kinds that the tree satisfies, separated by spaces; '' for every kind."""
        return " ".join(self.plan.kinds) if self.plan else ""


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """The text of a playlist in the bucket, and the folder that its URIs are relative to.

    `video`: its name. `plan`: that of the video, where this is its commit.
    """

    video: str
    text: str
    folder: str
    plan: Plan | None = None


class Trees:
    """Reads the VoD bucket. Blocking: call it from a thread."""

    def __init__(self, store: Store, bucket: str) -> None:
        self._store = store
        self._bucket = bucket
        self._revisions = Revisions(store, bucket)

    def by_name(self, name: str, kind: str = "") -> Tree | None:
        """The live video of that name: its main stream, or the one that serves a `kind`; None when there is none.

        Raises StoreUnavailable, InvalidPlaylist.
        """
        if self._is_inside_a_revision(name):
            return None
        tree = self._main(name)
        return tree if tree is not None and satisfies(tree.kinds, kind) else self._serving(name, kind)

    def by_asset(self, asset: Asset, kind: str = "") -> Tree | None:
        """The live video made from an asset, under whichever of its names; None when there is none.

        A tree without a plan, of another tool, belongs to every asset of its name.
        """
        source = str(asset)
        for name in video_names(asset):
            tree = self.by_name(name, kind)
            if tree is not None and tree.source in (source, ""):
                return tree
        return None

    def plan(self, name: str, revision: str | None = None) -> Plan | None:
        """The plan of a revision, or the newest of the video; None when none can be read."""
        return self._revisions.plan(name, revision)

    def revision(self, name: str) -> str | None:
        """The main revision of a video, else the one that is being made; None where there is neither."""
        live = self._revisions.main(name)
        plan = self.plan(name) if live is None else None
        return plan.revision if plan else live

    def _main(self, name: str) -> Tree | None:
        text = self._text(commit_key(name))
        if text is None:
            return None
        revision = revision_in(text)
        return Tree(name, text, self.plan(name, revision) if revision else None)

    def _serving(self, name: str, kind: str) -> Tree | None:
        revision = self._revisions.serving(name, kind) if kind else None
        text = self._revisions.commit(name, revision) if revision else None
        plan = self.plan(name, revision) if revision else None
        return Tree(name, text, plan) if text and plan else None

    def _is_inside_a_revision(self, name: str) -> bool:
        """Whether a name leads into a revision of another video: no asset has such a name."""
        parts = name.split("/")
        return any(
            REVISION.fullmatch(part) and self._revisions.owns("/".join(parts[:depth]), part)
            for depth, part in enumerate(parts)
            if depth
        )

    def media_playlist(self, tree: Tree, rendition: str) -> MediaPlaylist:
        """The playlist that `rendition` names in the tree's multivariant playlist; the commit itself for ''.

        Raises VideoNotFound when there is no such rendition.
        """
        if not rendition:
            return MediaPlaylist(tree.name, tree.text, tree.name, tree.plan)
        uri = playlist.rendition_names(tree.text).get(rendition) if playlist.is_multivariant(tree.text) else None
        key = playlist.resolve(tree.name, uri) if uri else None
        text = self._text(key) if key else None
        if key is None or text is None:
            raise VideoNotFound(f"The video {tree.name!r} has no rendition {rendition[:80]!r}.",
                                hint="The playlist without ?rendition= lists the existing ones.")  # fmt: skip
        return MediaPlaylist(tree.name, text, posixpath.dirname(key))

    def remains(self, asset: Asset) -> tuple[str, Tree | None] | None:
        """The name of an asset's video, and its tree if it is live; None where the asset has neither tree nor plan."""
        for name in video_names(asset):
            tree = self.by_name(name)
            plan = self.plan(name) if tree is None else None
            if (tree and tree.source in (str(asset), "")) or (plan and plan.source.asset == asset):
                return name, tree
        return None

    def delete(self, name: str, tree: Tree | None) -> None:
        """Removes a video's HLS, its commits first. Its newest plan is removed last: until then `remains` finds it, so
        that an interrupted deletion can be repeated.

        Other videos may be in the same folder (`a` and `a/b`): only this video's objects are removed.
        """
        keys = self._named(tree.text, name, depth=0) if tree and tree.plan is None else set()
        self._revisions.forget_live(name)
        self._store.remove(self._bucket, sorted(keys))
        self._revisions.remove(name, self._revisions.owned(name))
        self._store.remove(self._bucket, [plan_key(name)])

    def _named(self, text: str, folder: str, *, depth: int) -> set[str]:
        """The objects that a playlist names, and those that the playlists among them name."""
        keys = {key for entry in playlist.entries(text) if (key := playlist.resolve(folder, entry.uri))}
        if depth == 0 and playlist.is_multivariant(text):
            for key in list(keys):
                media_playlist = self._text(key)
                keys |= self._named(media_playlist, posixpath.dirname(key), depth=1) if media_playlist else set()
        return keys

    def _text(self, key: str) -> str | None:
        data = self._store.get(self._bucket, key)
        try:
            return data.decode() if data is not None else None
        except UnicodeDecodeError as error:
            raise InvalidPlaylist("It is not UTF-8 text.") from error
