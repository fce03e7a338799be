"""A new store gets the buckets that the settings name."""

from __future__ import annotations

import io

from mam.store import keys
from tests.integration.system import S3, configuration, settings_of


def test_source_buckets_are_made_and_what_is_in_them_stays(one_s3: S3, folder: str) -> None:
    named = [f"{folder}-films", f"{folder}-talks"]
    without_uploads = {"minio_source_buckets": named, "minio_upload_bucket": None}
    settings = settings_of(configuration(one_s3.server.address, 1)).model_copy(update=without_uploads)
    keys.make(settings)
    one_s3.client.put_object(named[0], "a.mp4", io.BytesIO(b"kept"), 4)
    keys.make(settings)
    assert {each.name for each in one_s3.client.list_buckets()} >= set(named)
    assert one_s3.client.get_object(named[0], "a.mp4").read() == b"kept"
