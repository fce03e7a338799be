"""The setup of a new store: `python -m mam.store.buckets` creates the source buckets and what uploads need."""

from __future__ import annotations

from minio import Minio

from mam.settings import Settings
from mam.store import upload_key


def make(settings: Settings) -> None:
    """Creates missing source buckets, the upload bucket and its key.

    Raises MinioException where MINIO_USR may not; MinioAdminException where the upload key cannot be made.
    """
    keys = settings.minio_usr, settings.minio_pwd.get_secret_value()
    store = Minio(settings.minio_endpoint, *keys, secure=settings.minio_secure, region=settings.minio_region)
    for bucket in settings.minio_source_buckets or ():
        if not store.bucket_exists(bucket):
            store.make_bucket(bucket)
    upload_key.make(settings)


if __name__ == "__main__":
    make(Settings())
