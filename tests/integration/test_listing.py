"""Listings of real stores: everything is found once, however it lies in folders."""

from __future__ import annotations

import io

from mam.library.listing import Listing
from mam.settings import Settings
from mam.store.objects import Store
from tests.integration.system import S3, configuration, settings_of


def test_all_videos_of_a_bucket_are_listed_once(s3: S3, folder: str) -> None:
    bucket = f"listed-{folder}"
    settings = listing(s3, f"{bucket},not-there")
    store = Store(settings)
    store.ensure_bucket(bucket)
    keys = {"top.mp4", "a/Ü b+c%41.mp4", "a/deep/er/x.mov", "b/y.m4v", *(f"many/{n:04d}.mp4" for n in range(1010))}
    for key in keys | {"notes.txt", "b/z.srt"}:
        s3.client.put_object(bucket, key, io.BytesIO(b"123"), 3)
    found = list(Listing(settings, store).all(lambda: None))
    assert sorted(one.key for one in found) == sorted(keys)
    for one in found[:5]:
        info = store.head(bucket, one.key)
        assert info
        assert (one.size, one.modified) == (info.size, info.modified)
    nothing = listing(s3, "not-there")
    assert not list(Listing(nothing, store).all(lambda: None))


def listing(s3: S3, buckets: str) -> Settings:
    """The settings of a system that has these source buckets, and takes no uploads."""
    env = {name: value for name, value in configuration(s3.server.address, 1).items() if "UPLOAD" not in name}
    return settings_of({**env, "MINIO_SOURCE_BUCKETS": buckets})
