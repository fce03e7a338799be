"""The key that signs uploads, and its permissions: `python -m mam.store.upload_key` creates it on MinIO.

A client with a presigned PUT URL can add headers to the request, such as `x-amz-copy-source`, and thereby read any
object that the signer may read (CVE-2026-97731). So the signer may read nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin

from mam.settings import Settings

APPLIED = "XMinioAdminPolicyChangeAlreadyApplied"


def policy(bucket: str, prefix: str = "") -> dict[str, Any]:
    """The key's policy: it may put objects below the prefix, and list and abort unfinished uploads."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*"],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucketMultipartUploads"],
                "Resource": [f"arn:aws:s3:::{bucket}"],
            },
        ],
    }


def make(settings: Settings) -> None:
    """Creates the upload bucket, its key and the policy on MinIO with the administrator's key. It can be repeated.

    Raises MinioAdminException, MinioException where MINIO_USR lacks the permission, or the store is not MinIO.
    """
    bucket, user, secret = settings.minio_upload_bucket, settings.minio_upload_usr, settings.minio_upload_pwd
    if not bucket or not user or not secret:
        return
    keys = settings.minio_usr, settings.minio_pwd.get_secret_value()
    store = Minio(settings.minio_endpoint, *keys, secure=settings.minio_secure, region=settings.minio_region)
    if not store.bucket_exists(bucket):
        store.make_bucket(bucket)
    admin = MinioAdmin(
        endpoint=settings.minio_endpoint, credentials=StaticProvider(*keys), secure=settings.minio_secure
    )
    name = f"mam-upload-{bucket}"
    admin.user_add(user, secret.get_secret_value())
    admin.policy_add(name, policy=policy(bucket, settings.minio_upload_prefix))
    try:
        admin.attach_policy([name], user=user)
    except MinioAdminException as error:
        if APPLIED not in str(error):
            raise


def main() -> None:
    """Runs `make`, and prints the policy."""
    settings = Settings()
    if not settings.minio_upload_bucket:
        sys.exit("MINIO_UPLOAD_BUCKET is not set: uploads are off.")
    make(settings)
    print(json.dumps(policy(settings.minio_upload_bucket, settings.minio_upload_prefix), indent=2))


if __name__ == "__main__":
    main()
