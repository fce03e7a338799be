"""Posters and storyboards for clients: by signed URLs that stay the same for an hour, so that browsers cache them."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from mam.access.viewers import Viewer
from mam.errors import NotFound
from mam.hls import storyboard
from mam.naming import (
    check_video_name,
    poster_key,
    poster_path,
    revision_prefix,
    storyboard_key,
    storyboard_path,
)
from mam.origin.tree import Trees
from mam.playback_rules import Policy
from mam.settings import MAX_SIGNED_URL_SECONDS, SAME_URL_SECONDS, Settings
from mam.store.objects import Store
from mam.store.signing import Sign, signer
from mam.vod.access import Access, refusal

BRIEF_SECONDS = 120  # The URL of a picture that is not public is valid this long: it is requested at once.


class NoPictures(NotFound):
    code, title = "no_pictures", "The video has no pictures"
    hint = "Pictures follow some seconds after the plan; sound alone has none. POST /transcode makes missing pictures."


class Thumbnails:
    """The pictures of videos. Blocking: call it from a thread."""

    def __init__(self, settings: Settings, access: Access, store: Store, trees: Trees) -> None:
        self._settings = settings
        self._access = access
        self._store = store
        self._trees = trees
        self._bucket = settings.minio_bucket_vod

    def poster(self, video: str, revision: str | None, viewer: Viewer) -> str:
        """A signed URL of the poster. Raises InvalidName, NoPictures, StoreUnavailable."""
        existing, is_public = self._revision(video, revision, viewer)
        key = poster_key(video, existing)
        if self._store.head(self._bucket, key) is None:
            raise NoPictures(f"There is no poster of {video!r} (yet).")
        return self._sign(lives=SAME_URL_SECONDS)(key) if is_public else self._sign_briefly(key)

    def sheet(self, video: str, revision: str, name: str, viewer: Viewer) -> str:
        """A signed URL of a sheet of the storyboard. Raises likewise."""
        existing, _ = self._revision(video, revision, viewer)
        return self._sign_briefly(f"{revision_prefix(video, existing)}{name}")

    def storyboard(self, video: str, revision: str | None, viewer: Viewer) -> str:
        """The storyboard's WebVTT. Sheets of public videos are signed, for as long as a playlist's segments.

        Other sheets are at their own route. Raises likewise.
        """
        existing, is_public = self._revision(video, revision, viewer)
        data = self._store.get(self._bucket, storyboard_key(video, existing))
        if data is None:
            raise NoPictures(f"There is no storyboard of {video!r} (yet).")
        text = data.decode()
        if not is_public:
            return storyboard.with_urls(text, lambda name: f"{existing}/{name}")
        sign = self._sign(lives=self._settings.signature_ttl(float(storyboard.duration_of(text))))
        return storyboard.with_urls(text, lambda name: sign(f"{revision_prefix(video, existing)}{name}"))

    def paths(self, video: str, revision: str) -> tuple[str | None, str | None]:
        """The paths of poster and storyboard; None for one that does not exist. Raises StoreUnavailable."""
        pictures = ((poster_key, poster_path), (storyboard_key, storyboard_path))
        poster, board = (
            path(video, revision) if self._store.head(self._bucket, key(video, revision)) is not None else None
            for key, path in pictures
        )
        return poster, board

    def _revision(self, video: str, revision: str | None, viewer: Viewer) -> tuple[str, bool]:
        """The wanted revision, else the main or the newest one, and whether the video is public."""
        check_video_name(video)
        missing = NoPictures(f"There is no video {video!r} with pictures.")
        if not self._access.may_watch_some(video, viewer):
            raise refusal(missing)
        wanted = revision or self._trees.revision(video)
        plan = self._trees.plan(video, wanted) if wanted else None
        if plan is None:
            raise missing
        if not self._access.may_watch(str(plan.source.asset), viewer):
            raise refusal(missing)
        return plan.revision, self._access.policy(str(plan.source.asset)) is Policy.PUBLIC

    def _sign(self, *, lives: int) -> Sign:
        """Signs with the time of the last full hour, for at least `lives` seconds from now if possible."""
        now = int(time.time()) // SAME_URL_SECONDS * SAME_URL_SECONDS
        expires = min(lives + SAME_URL_SECONDS, MAX_SIGNED_URL_SECONDS)
        return signer(self._settings, expires=expires, now=datetime.fromtimestamp(now, timezone.utc))

    def _sign_briefly(self, key: str) -> str:
        return signer(self._settings, expires=BRIEF_SECONDS)(key)
