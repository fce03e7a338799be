"""Posters and storyboards for clients: by signed URLs that stay the same for an hour, so that browsers cache them."""

from __future__ import annotations

import time
from datetime import datetime, timezone

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
from mam.settings import MAX_SIGNED_URL_SECONDS, SAME_URL_SECONDS, Settings
from mam.store.objects import Store
from mam.store.signing import Sign, signer
from mam.vod.access import Access


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

    def poster(self, video: str, revision: str | None) -> str:
        """A signed URL of the poster. Raises InvalidName, NoPictures, StoreUnavailable."""
        key = poster_key(video, self._revision(video, revision))
        if self._store.head(self._bucket, key) is None:
            raise NoPictures(f"There is no poster of {video!r} (yet).")
        return self._sign(lives=SAME_URL_SECONDS)(key)

    def storyboard(self, video: str, revision: str | None) -> str:
        """The storyboard's WebVTT with signed sheets, valid as long as a playlist's segments. Raises likewise."""
        existing = self._revision(video, revision)
        data = self._store.get(self._bucket, storyboard_key(video, existing))
        if data is None:
            raise NoPictures(f"There is no storyboard of {video!r} (yet).")
        text = data.decode()
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

    def _revision(self, video: str, revision: str | None) -> str:
        check_video_name(video)
        wanted = revision or self._trees.revision(video)
        plan = self._trees.plan(video, wanted) if wanted else None
        if plan is None or not self._access.may_watch(str(plan.source.asset)):
            raise NoPictures(f"There is no video {video!r} with pictures.")
        return plan.revision

    def _sign(self, *, lives: int) -> Sign:
        """Signs with the time of the last full hour, for at least `lives` seconds from now if possible."""
        now = int(time.time()) // SAME_URL_SECONDS * SAME_URL_SECONDS
        expires = min(lives + SAME_URL_SECONDS, MAX_SIGNED_URL_SECONDS)
        return signer(self._settings, expires=expires, now=datetime.fromtimestamp(now, timezone.utc))
