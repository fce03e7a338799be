"""Access to videos: checked by every route that plays or shows one."""

from __future__ import annotations

from mam.errors import NotFound, VideoNotFound
from mam.naming import Asset
from mam.settings import Settings


class Access:
    """Access by bucket (MINIO_SOURCE_BUCKETS). A refused video looks like a missing one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def is_open(self) -> bool:
        """Whether every bucket may be streamed."""
        return self._settings.minio_source_buckets is None

    def check_bucket(self, bucket: str) -> None:
        """Raises NotFound unless the bucket's assets may be watched."""
        if not self._settings.may_stream(bucket):
            raise NotFound(f"There is no bucket {bucket!r} in the library.")

    def check_asset(self, asset: Asset) -> None:
        """Raises NotFound unless the asset may be watched."""
        if not self._settings.may_stream(asset.bucket):
            raise NotFound(f"There is no object {asset}.")

    def check_video(self, name: str, source: str) -> None:
        """Raises VideoNotFound unless the video may be watched. `source`: as for `may_watch`."""
        if not self.may_watch(source):
            raise no_video(name)

    def may_watch(self, source: str) -> bool:
        """Whether a video may be watched. `source`: its asset, `bucket/key`; '' for a tree of another tool: always."""
        return not source or self._settings.may_stream(source.partition("/")[0])


def no_video(name: str) -> VideoNotFound:
    return VideoNotFound(f"There is no video {name!r}.")
