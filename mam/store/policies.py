"""What each key of the store may do: its policy, in the language of S3. Pure."""

from __future__ import annotations

from typing import Any

from mam.naming import INTERNAL
from mam.settings import Settings

Policy = dict[str, Any]
Statement = dict[str, Any]
ANY = "*"


def by_user(settings: Settings) -> dict[str, Policy]:
    """The policy of each user that the settings name: that of MINIO_USR first."""
    policies = {settings.minio_usr: work(settings)}
    if settings.minio_play_usr:
        policies[settings.minio_play_usr] = play(settings.minio_bucket_vod)
    if settings.upload_key and settings.minio_upload_bucket:
        policies[settings.upload_key[0]] = upload(settings.minio_upload_bucket, settings.minio_upload_prefix)
    return policies


def names(settings: Settings) -> dict[str, str]:
    """What the policy of each user is called in the store: by its bucket, because installations may share a store."""
    called = {settings.minio_usr: f"mam-work-{settings.minio_bucket_vod}"}
    if settings.minio_play_usr:
        called[settings.minio_play_usr] = f"mam-play-{settings.minio_bucket_vod}"
    if settings.upload_key:
        called[settings.upload_key[0]] = f"mam-upload-{settings.minio_upload_bucket}"
    return called


def work(settings: Settings) -> Policy:
    """The key of services and workers reads the source buckets, and reads, writes and removes in the VoD bucket.

    It may also remove uploads: a file that proves to be no video. It creates no bucket.
    """
    vod, sources = settings.minio_bucket_vod, settings.minio_source_buckets
    # Without MINIO_SOURCE_BUCKETS any bucket may be streamed, and the library asks which there are.
    statements = [] if sources is not None else [_allow(["s3:ListAllMyBuckets"], [_arn(ANY)])]
    buckets = [ANY] if sources is None else list(dict.fromkeys([*sources, vod]))
    statements += [
        _allow(["s3:ListBucket"], [_arn(bucket) for bucket in buckets]),
        _allow(["s3:GetObject"], [_arn(bucket, ANY) for bucket in buckets]),
        _allow(["s3:PutObject", "s3:DeleteObject"], [_arn(vod, ANY)]),
    ]
    if settings.minio_upload_bucket:
        uploads = _arn(settings.minio_upload_bucket, f"{settings.minio_upload_prefix}{ANY}")
        statements.append(_allow(["s3:DeleteObject"], [uploads]))
    return _policy(*statements)


def play(bucket: str) -> Policy:
    """The play key reads the HLS in the VoD bucket, and nothing that this program alone reads there.

    So neither a mistake in signing nor a playlist of another tool that names such an object gives it to viewers.
    """
    return _policy(
        _allow(["s3:GetObject"], [_arn(bucket, ANY)]),
        {**_allow(["s3:GetObject"], [_arn(bucket, pattern) for pattern in INTERNAL]), "Effect": "Deny"},
    )


def upload(bucket: str, prefix: str = "") -> Policy:
    """The upload key puts objects below the prefix, and lists and aborts unfinished uploads.

    A client with a presigned PUT URL can add headers to the request, such as `x-amz-copy-source`, and thereby read any
    object that the signer may read (CVE-2026-97731). So the signer may read nothing.
    """
    return _policy(
        _allow(
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], [_arn(bucket, f"{prefix}{ANY}")]
        ),
        _allow(["s3:ListBucketMultipartUploads"], [_arn(bucket)]),
    )


def without_administration(policy: Policy) -> Policy:
    """The policy for MinIO, where each user may otherwise change its own secret and make keys of its own.

    Other stores do not know these actions.
    """
    return {**policy, "Statement": [*policy["Statement"], {"Effect": "Deny", "Action": ["admin:*"]}]}


def _policy(*statements: Statement) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: list[str], resources: list[str]) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _arn(bucket: str, key: str = "") -> str:
    """The name of a bucket, or of objects in it; * is any text."""
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
