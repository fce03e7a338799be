"""What the VoD bucket itself says of assets: of a few that are being shown, or of everything, after Redis was wiped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from mam.errors import InvalidName, NotFound
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

AT_ONCE = 16  # reads of the store
Alive = Callable[[], None]
Found = tuple[str, AssetStatus]  # the record's field, and the record


class Tree(Protocol):
    """A live video. `plan` is None where another tool made it."""

    @property
    def name(self) -> str: ...
    @property
    def plan(self) -> Plan | None: ...


class Trees(Protocol):
    """Who reads the trees of the VoD bucket."""

    def by_name(self, name: str) -> Tree | None: ...
    def plan(self, name: str, revision: str | None = None) -> Plan | None: ...


class BucketScan:
    """Blocking: call it from a thread. Raises StoreUnavailable."""

    def __init__(self, store: Store, trees: Trees, bucket: str) -> None:
        self._store = store
        self._trees = trees
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(AT_ONCE, "looking")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def at(self, assets: list[Asset]) -> list[Found]:
        """What there is of each of these, in their order; an empty record of what has nothing."""
        return list(self._pool.map(self._asset, assets))

    def all(self, alive: Alive) -> Iterator[Found]:
        """Every live video, by folders. `alive`: called again and again; what it raises ends the walk."""
        folders, running = deque([""]), set[Future[tuple[list[str], Found | None]]]()
        try:
            while folders or running:
                while folders and len(running) < AT_ONCE:
                    running.add(self._pool.submit(self._folder, folders.popleft()))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                alive()
                for future in done:
                    inner, found = future.result()
                    folders.extend(inner)
                    if found:
                        yield found
        finally:
            for future in running:
                future.cancel()

    def _asset(self, asset: Asset) -> Found:
        field = field_of(asset)
        try:
            names = video_names(asset)
        except InvalidName:  # too long to become a video
            return field, AssetStatus()
        for name in names:
            found = self._video(name)
            if found and found[0] in (field, foreign_field(name)):
                return found
        for name in names:
            plan = self._trees.plan(name)
            if plan and field_of(plan.source.asset) == field and self._is_unfinished(plan.revision):
                duration = float(plan.timeline.duration)
                return field, AssetStatus(name, "", plan.revision, MAKING, plan.source.version, duration)
        return field, AssetStatus()

    def _folder(self, path: str) -> tuple[list[str], Found | None]:
        """The folders in a folder that may hold videos, and the video that it is itself."""
        names = {info.key[len(path) :] for info in self._store.listing(self._bucket, path, recursive=False)}
        inner = {name for name in names if name.endswith("/")}
        inner = {name for name in inner if REVISION.fullmatch(name[:-1]) or not is_ours(name[:-1])}
        if COMMIT in names or PLAN in names:
            inner = {name for name in inner if not REVISION.fullmatch(name[:-1])}  # what is in them is segments
        found = self._video(path[:-1]) if path and COMMIT in names else None
        return [path + name for name in sorted(inner)], found

    def _video(self, name: str) -> Found | None:
        """The live video of that name."""
        try:
            tree = self._trees.by_name(name)
        except (InvalidPlaylist, InvalidName):
            return None  # no player gets it either
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
            is_playable=True,
            poster=revision if self._is_there(poster_key(name, revision)) else "",
            storyboard=revision if self._is_there(storyboard_key(name, revision)) else "",
        )

    def _is_unfinished(self, revision: str) -> bool:
        return self._is_there(unfinished_key(revision))

    def _is_there(self, key: str) -> bool:
        try:
            return self._store.head(self._bucket, key) is not None
        except NotFound:
            return False
