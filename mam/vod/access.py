"""Access to videos: checked by every route that plays or shows one, before any request to store or transcoder."""

from __future__ import annotations

from functools import lru_cache

from mam.access.viewers import Viewer
from mam.credentials.scopes import Caller, NotPermitted, Scope
from mam.errors import NotFound, VideoNotFound
from mam.naming import Asset, users_path
from mam.playback_rules import Policy
from mam.settings import Settings

_WITH_ANY_KEY = Viewer(Caller("library"))
KNOWN = 4096  # The policies of so many assets are remembered.


class Access:
    """Access by bucket (MINIO_SOURCE_BUCKETS) and by PLAYBACK_RULES. A refused video looks like a missing one.

    `source` is always the asset, `bucket/key`; for the tree of another tool, its name in the VoD bucket.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rules = settings.rules
        # Of the last assets that were requested; names have at most a kilobyte.
        self.policy = lru_cache(KNOWN)(self._policy)

    @property
    def is_open(self) -> bool:
        """Whether everyone may watch everything."""
        return self._settings.minio_source_buckets is None and not self._rules.policies

    def _policy(self, source: str) -> Policy:
        """The policy for an asset, or for the tree of another tool."""
        bucket = source.partition("/")[0]
        if bucket == self._settings.minio_bucket_vod or self._settings.may_stream(bucket):
            return self._rules.policy(source)
        return Policy.OFF

    def may_watch(self, source: str, viewer: Viewer) -> bool:
        policy = self.policy(source)
        if policy is Policy.PUBLIC:
            return True
        if policy is Policy.OFF:
            return False
        return viewer.may_read(source) or (policy is Policy.SIGNED and viewer.holds_grant(source))

    def may_watch_some(self, name: str, viewer: Viewer) -> bool:
        """Whether a video of this name may be one that the viewer may watch: nothing but its name is known yet."""
        if not self._rules.policies:
            return True
        possible = self._rules.possible(users_path(name))
        if Policy.PUBLIC in possible:
            return True
        if viewer.may(Scope.READ):
            return possible != {Policy.OFF}
        return Policy.SIGNED in possible and viewer.grant is not None and viewer.grant.may_cover(name)

    def shows(self, source: str) -> bool:
        """Whether an asset is in the library, for clients with a key: unless nobody may watch it."""
        return self.may_watch(source, _WITH_ANY_KEY)

    def check_bucket(self, bucket: str) -> None:
        """Raises NotFound unless assets of the bucket may become streams."""
        if not self._settings.may_stream(bucket):
            raise NotFound(f"There is no bucket {bucket!r} in the library.")

    def check_subject(self, bucket: str) -> None:
        """Raises NotFound unless tokens may be for objects of the bucket. Other tools' trees are in the VoD bucket."""
        if bucket != self._settings.minio_bucket_vod:
            self.check_bucket(bucket)

    def check_asset(self, asset: Asset, viewer: Viewer) -> None:
        """Raises NotFound unless the asset may be watched."""
        if asset.bucket == self._settings.minio_bucket_vod or not self.may_watch(str(asset), viewer):
            raise refusal(no_asset(asset))

    def may_download(self, source: str, viewer: Viewer) -> bool:
        """Whether the viewer may have the asset itself: with a key or session, or a token or link that says so."""
        policy = self.policy(source)
        if policy is Policy.OFF:
            return False
        grant = viewer.grant
        by_grant = grant is not None and grant.download and policy is not Policy.PRIVATE
        return viewer.may_read(source) or (by_grant and viewer.holds_grant(source))

    def check_listed(self, asset: Asset) -> None:
        """Raises NotFound unless the asset's bucket is listed: for clients with a key, whatever the rules say."""
        if not self._settings.may_stream(asset.bucket):
            raise no_asset(asset)

    def check_name(self, name: str, viewer: Viewer) -> None:
        """Raises VideoNotFound where no video of this name may be watched."""
        if not self.may_watch_some(name, viewer):
            raise refusal(no_video(name))

    def check_own_name(self, name: str, caller: Caller) -> None:
        """Raises NotPermitted where no video of this name can be of an asset that the caller's key is for."""
        path = users_path(name)
        if not any(path.startswith(prefix.partition("/")[2]) for prefix in caller.prefixes):
            raise NotPermitted(f"The key {caller.key!r} is not for {name[:200]!r}.")

    def check_video(self, name: str, source: str, viewer: Viewer) -> None:
        """Raises VideoNotFound unless the video may be watched. `source`: '' for a tree of another tool."""
        if not self.may_watch(self.source_of(name, source), viewer):
            raise refusal(no_video(name))

    def source_of(self, name: str, source: str) -> str:
        """The source of a video by its own: the tree of another tool has none, and counts as an object there."""
        return source or f"{self._settings.minio_bucket_vod}/{name}"


def refusal(error: NotFound) -> NotFound:
    """The same error where something exists, or may exist, that the viewer may not watch (mam/vod/concealment.py)."""
    error.is_refusal = True
    return error


def no_asset(asset: Asset) -> NotFound:
    return NotFound(f"There is no object {asset}.")


def no_video(name: str) -> VideoNotFound:
    return VideoNotFound(f"There is no video {name!r}.")
