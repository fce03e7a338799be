"""The statuses of assets by the VoD bucket: of a few for a request, or of all after Redis lost its data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from mam.errors import InvalidName, NotFound
from mam.hls import playlist
from mam.hls.plan import Plan
from mam.hls.playlist import InvalidPlaylist
from mam.library.status import FOREIGN, MAKING, AssetStatus, field_of, foreign_field
from mam.naming import (
    COMMIT,
    PLAN,
    REVISION,
    Asset,
    is_ours,
    poster_key,
    storyboard_key,
    unfinished_key,
    video_names,
)
from mam.store.objects import Store

AT_ONCE = 16  # The store is read by this many threads.
Alive = Callable[[], None]
FieldStatus = tuple[str, AssetStatus]  # a status with its field in the hash


class Tree(Protocol):
    """A live video. `plan` is None for a tree of another tool."""

    @property
    def name(self) -> str: ...
    @property
    def plan(self) -> Plan | None: ...
    @property
    def text(self) -> str: ...


class Trees(Protocol):
    """A reader of the trees in the VoD bucket."""

    def by_name(self, name: str) -> Tree | None: ...
    def plan(self, name: str, revision: str | None = None) -> Plan | None: ...


class BucketScan:
    """Reads statuses from the bucket. Blocking: call it from a thread. Raises StoreUnavailable."""

    def __init__(self, store: Store, trees: Trees, bucket: str) -> None:
        self._store = store
        self._trees = trees
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(AT_ONCE, "looking")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def at(self, assets: list[Asset]) -> list[FieldStatus]:
        """The status of each of the assets, in order; an empty one where the bucket has nothing of it."""
        return list(self._pool.map(self._asset, assets))

    def all(self, alive: Alive) -> Iterator[FieldStatus]:
        """Every live video, by folders. `alive`: called repeatedly; an error that it raises ends the scan."""
        folders, running = deque([""]), set[Future[tuple[list[str], FieldStatus | None]]]()
        try:
            while folders or running:
                while folders and len(running) < AT_ONCE:
                    running.add(self._pool.submit(self._folder, folders.popleft()))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                alive()
                for future in done:
                    subfolders, status = future.result()
                    folders.extend(subfolders)
                    if status:
                        yield status
        finally:
            for future in running:
                future.cancel()

    def _asset(self, asset: Asset) -> FieldStatus:
        field = field_of(asset)
        try:
            names = video_names(asset)
        except InvalidName:  # too long to become a video
            return field, AssetStatus()
        for name in names:
            status = self._video(name)
            if status and status[0] in (field, foreign_field(name)):
                return status
        for name in names:
            plan = self._trees.plan(name)
            if plan and field_of(plan.source.asset) == field and self._is_unfinished(plan.revision):
                duration = float(plan.timeline.duration)
                return field, AssetStatus(name, "", plan.revision, MAKING, plan.source.version, duration)
        return field, AssetStatus()

    def _folder(self, path: str) -> tuple[list[str], FieldStatus | None]:
        """The subfolders of a folder that may hold videos, and the folder's own video."""
        names = {info.key[len(path) :] for info in self._store.listing(self._bucket, path, recursive=False)}
        subfolders = {name for name in names if name.endswith("/")}
        subfolders = {name for name in subfolders if REVISION.fullmatch(name[:-1]) or not is_ours(name[:-1])}
        if COMMIT in names or PLAN in names:
            subfolders = {
                name for name in subfolders if not REVISION.fullmatch(name[:-1])
            }  # revisions hold segments, not videos
        status = self._video(path[:-1]) if path and COMMIT in names else None
        return [path + name for name in sorted(subfolders)], status

    def _video(self, name: str) -> FieldStatus | None:
        """The live video of that name."""
        try:
            tree = self._trees.by_name(name)
        except (InvalidPlaylist, InvalidName):
            return None  # players do not get it either
        if tree is None:
            return None
        if tree.plan is None:
            return foreign_field(name), AssetStatus(video=name, live=FOREIGN, is_playable=True)
        revision = tree.plan.revision
        return field_of(tree.plan.source.asset), AssetStatus(
            video=name,
            live=revision,
            duration=float(tree.plan.timeline.duration),
            notes=tree.plan.notes,
            rungs=_rungs(tree.plan.ladder, tree.text),
            is_playable=True,
            poster=revision if self._exists(poster_key(name, revision)) else "",
            storyboard=revision if self._exists(storyboard_key(name, revision)) else "",
        )

    def _is_unfinished(self, revision: str) -> bool:
        return self._exists(unfinished_key(revision))

    def _exists(self, key: str) -> bool:
        try:
            return self._store.head(self._bucket, key) is not None
        except NotFound:
            return False


def _rungs(ladder: list[str], text: str) -> tuple[int, int] | None:
    """How many pictures of a ladder the commit lists, and how many there are."""
    return (len(playlist.rendition_names(text).keys() & {*ladder}), len(ladder)) if ladder else None
