"""The revisions of a video in the VoD bucket: which are live, which one is the main one, which may be removed.

Revisions of several kinds (profile and format) are live side by side. Each has a commit of its own,
`<video>/<revision>/index.m3u8`, and `<video>/.kinds/<kind>` says which revision serves requests for a kind.
`<video>/index.m3u8` is the commit of the main revision, which requests without options get.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mam.errors import InvalidPlan
from mam.hls import playlist
from mam.hls.plan import Plan
from mam.naming import (
    COMMIT,
    REPLACED,
    REVISION,
    commit_key,
    kind_key,
    kinds_prefix,
    plan_key,
    replaced_key,
    replaced_revision,
    revision_commit_key,
    revision_of,
    revision_plan_key,
    revision_prefix,
    segment_key,
    unfinished_key,
)
from mam.store.objects import Store

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A note to remove a revision later. `until`: Unix seconds at which its last signature expires."""

    video: str
    revision: str
    until: float

    def to_json(self) -> bytes:
        return json.dumps({"video": self.video, "until": self.until}).encode()

    @classmethod
    def from_json(cls, revision: str, data: bytes) -> Replaced | None:
        """None for anything but what `to_json` wrote."""
        try:
            note = json.loads(data)
            return cls(str(note["video"]), revision, float(note["until"]))
        except (ValueError, KeyError, TypeError):
            return None


class Revisions:
    """Reads and changes live revisions. Blocking: call it from a thread. All methods raise StoreUnavailable."""

    def __init__(self, store: Store, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    # reading

    def plan(self, video: str, revision: str | None = None) -> Plan | None:
        """A revision's plan, or the video's newest; None when it is missing, unreadable, or another video's."""
        data = self._store.get(self._bucket, revision_plan_key(video, revision) if revision else plan_key(video))
        try:
            plan = Plan.from_json(data) if data else None
        except InvalidPlan:
            return None
        return plan if plan and plan.video == video and revision in (None, plan.revision) else None

    def main(self, video: str) -> str | None:
        """The main revision; None without a commit, and for a tree of another tool."""
        data = self._store.get(self._bucket, commit_key(video))
        return named_revision(data) if data else None

    def serving(self, video: str, kind: str) -> str | None:
        """The live revision that serves requests for a kind; None when there is none."""
        data = self._store.get(self._bucket, kind_key(video, kind))
        revision = data.decode("ascii", "replace").strip() if data else ""
        return revision if REVISION.fullmatch(revision) else None

    def is_live(self, video: str, revision: str) -> bool:
        """Whether the revision serves requests: those without options, or those for some kind."""
        return revision in self._serving(video)

    def commit(self, video: str, revision: str) -> str | None:
        """The text of a revision's own commit, relative to the video's folder; None where there is none.

        Raises InvalidPlaylist.
        """
        data = self._store.get(self._bucket, revision_commit_key(video, revision))
        return _in_folder(data.decode("utf-8", "replace"), revision) if data else None

    def has_playlist(self, video: str, revision: str, rendition: str) -> bool:
        """Whether a rendition has a media playlist: it gets one when all of its segments exist."""
        return self._store.head(self._bucket, segment_key(video, revision, rendition, COMMIT)) is not None

    def owned(self, video: str) -> list[str]:
        """The revisions of a video, live or not: those with a plan of this video.

        A folder that looks like a revision may belong to another video, or to another tool.
        """
        folders = [info.key for info in self._store.listing(self._bucket, f"{video}/", recursive=False)]
        names = [folder.removeprefix(f"{video}/").rstrip("/") for folder in folders if folder.endswith("/")]
        return [name for name in names if REVISION.fullmatch(name) and self.owns(video, name)]

    def owns(self, video: str, revision: str) -> bool:
        """Whether a revision belongs to this video, by the plan in its folder."""
        data = self._store.get(self._bucket, revision_plan_key(video, revision))
        try:
            plan = json.loads(data or b"{}")
        except ValueError:
            return False
        return isinstance(plan, dict) and (plan.get("video"), plan.get("revision")) == (video, revision)

    # publishing

    def publish(self, plan: Plan, text: str, *, is_main: bool) -> None:
        """Makes a revision live. `text`: its commit, relative to its own folder.

        Its own commit is written first and the main one last, so that requests only get complete revisions.
        """
        video, revision = plan.video, plan.revision
        self._put(revision_commit_key(video, revision), text, playlist.CONTENT_TYPE)
        for kind in plan.kinds:
            self._put(kind_key(video, kind), revision, TEXT)
        if is_main:
            self._put_main(video, revision, _in_folder(text, revision))
        self._store.remove(self._bucket, [replaced_key(revision)])

    def make_main(self, video: str, revision: str) -> None:
        """Makes a live revision the main one."""
        text = self.commit(video, revision)
        if text is not None:  # else an earlier version of this program published it as the main one
            self._put_main(video, revision, text)

    def _put_main(self, video: str, revision: str, text: str) -> None:
        data = self._store.get(self._bucket, commit_key(video))
        previous = named_revision(data) if data else None
        if data == text.encode():
            return
        if data and previous and previous != revision:
            self._give_own_commit(video, previous, data.decode())
        self._put(commit_key(video), text, playlist.CONTENT_TYPE)

    def _give_own_commit(self, video: str, revision: str, text: str) -> None:
        """Gives the main revision a commit of its own if it has none: earlier versions wrote only the main commit.

        `text`: the main commit.
        """
        plan = self.plan(video, revision)
        if plan is None or self._store.head(self._bucket, revision_commit_key(video, revision)):
            return
        self._put(revision_commit_key(video, revision), _out_of_folder(text, revision), playlist.CONTENT_TYPE)
        for kind in plan.kinds:
            if self.serving(video, kind) is None:
                self._put(kind_key(video, kind), revision, TEXT)

    # removing

    def idle(self, video: str) -> list[Plan]:
        """The plans of revisions that serve no requests and are not being made."""
        serving = self._serving(video)
        idle = [revision for revision in self.owned(video) if revision not in serving]
        plans = [self.plan(video, revision) for revision in idle if not self._is_unfinished(revision)]
        return [plan for plan in plans if plan]

    def note_replaced(self, replaced: Replaced) -> None:
        """Schedules the removal of a revision; an earlier note stays."""
        if self._store.head(self._bucket, replaced_key(replaced.revision)) is None:
            self._store.put(self._bucket, replaced_key(replaced.revision), replaced.to_json(), JSON)

    def remove(self, video: str, revisions: Iterable[str]) -> None:
        """Removes revisions of this video.

        A note is written first and removed last, so that `remove_expired` completes an interrupted removal. The plan is
        removed before the files beside it: without a plan, no task adds files to a revision.
        """
        for revision in revisions:
            note = Replaced(video, revision, 0)
            self._store.put(self._bucket, replaced_key(revision), note.to_json(), JSON)
            first = [revision_commit_key(video, revision), revision_plan_key(video, revision)]
            self._store.remove(self._bucket, first)
            files = self._store.listing(self._bucket, revision_prefix(video, revision))
            self._store.remove(self._bucket, [info.key for info in files])
            self._store.remove(self._bucket, [replaced_key(revision)])

    def withdraw(self, video: str, revision: str) -> None:
        """Removes the plan of a revision as the newest of its video.

        The plan of a live revision replaces it: it names the video's asset, so that no other asset gets the name.
        """
        newest = self.plan(video)
        if newest is None or newest.revision != revision:
            return
        plans = [self.plan(video, other) for other in sorted(self._serving(video)) if other != revision]
        for plan in plans:
            if plan:
                self._store.put(self._bucket, plan_key(video), plan.to_json(), JSON)
                return
        self._store.remove(self._bucket, [plan_key(video)])

    def remove_expired(self, now: float, known: dict[str, Replaced]) -> list[str]:
        """Removes the revisions that are due, unless they serve requests again or are being made.

        `known`: the notes that earlier calls have read; it is updated. Returns the removed revisions.
        """
        keys = [info.key for info in self._store.listing(self._bucket, REPLACED)]
        revisions = {revision for key in keys if (revision := replaced_revision(key))}
        for revision in known.keys() - revisions:
            del known[revision]
        for revision in revisions - known.keys():
            data = self._store.get(self._bucket, replaced_key(revision))
            if data and (note := Replaced.from_json(revision, data)):
                known[revision] = note
        due = [note for note in known.values() if note.until <= now]
        return [note.revision for note in due if self._remove_replaced(note)]

    def _remove_replaced(self, note: Replaced) -> bool:
        if self._is_unfinished(note.revision):
            return False  # the revision is being made again; its commit removes the note
        if note.revision in self._serving(note.video):
            self._store.remove(self._bucket, [replaced_key(note.revision)])
            return False
        self.withdraw(note.video, note.revision)
        self.remove(note.video, [note.revision])
        return True

    def forget_live(self, video: str) -> None:
        """Takes a video offline: removes its main commit and the objects that name the revision of each kind."""
        kinds = [info.key for info in self._store.listing(self._bucket, kinds_prefix(video))]
        self._store.remove(self._bucket, [commit_key(video), *kinds])

    def _serving(self, video: str) -> Collection[str]:
        """The revisions that serve requests."""
        kinds = [info.key.rpartition("/")[2] for info in self._store.listing(self._bucket, kinds_prefix(video))]
        serving = [self.main(video), *(self.serving(video, kind) for kind in kinds)]
        return {revision for revision in serving if revision}

    def _is_unfinished(self, revision: str) -> bool:
        return self._store.head(self._bucket, unfinished_key(revision)) is not None

    def _put(self, key: str, text: str, content_type: str) -> None:
        self._store.put(self._bucket, key, text.encode(), content_type)


def named_revision(commit: bytes) -> str | None:
    """The revision that a main commit names; None for a tree of another tool."""
    try:
        return revision_in(commit.decode())
    except (playlist.InvalidPlaylist, UnicodeDecodeError):
        return None


def revision_in(text: str) -> str | None:
    """The revision that a commit's text names; None for a tree of another tool. Raises InvalidPlaylist."""
    return next((revision_of(entry.uri) for entry in playlist.entries(text)), None)


def _in_folder(text: str, folder: str) -> str:
    """A playlist rewritten for the folder above its own."""
    return playlist.rewrite(text, lambda uri: f"{folder}/{uri}")


def _out_of_folder(text: str, folder: str) -> str:
    """A playlist rewritten for the folder that all its URIs are in."""
    return playlist.rewrite(text, lambda uri: uri.removeprefix(f"{folder}/"))
