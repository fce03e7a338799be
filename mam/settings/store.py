"""The settings of the object store: its address, its buckets and its keys."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator
from typing_extensions import Self

from mam.settings.base import Endpoint, Group, Names

MAX_OBJECT_BYTES = 5 << 40  # This is S3's limit.

StoreKey = tuple[str, SecretStr]  # A user of the store and its secret.


def store_key(user: str | None, secret: SecretStr | None) -> StoreKey | None:
    return (user, secret) if user and secret else None


class StoreSettings(Group):
    """The settings of the object store, uploads among them."""

    # the object store
    minio_endpoint: Endpoint = "localhost:9000"
    minio_usr: str = "minioadmin"
    minio_pwd: SecretStr = SecretStr("minioadmin")
    minio_secure: bool = False
    minio_region: str = "us-east-1"
    minio_bucket_vod: str = "vod"
    minio_source_buckets: Names | None = None
    minio_public_endpoint: Endpoint | None = None
    minio_public_secure: bool | None = None
    minio_play_usr: str | None = None
    minio_play_pwd: SecretStr | None = None

    # uploads: off without a bucket
    minio_upload_bucket: str | None = None
    minio_upload_prefix: str = ""
    minio_upload_usr: str | None = None
    minio_upload_pwd: SecretStr | None = None
    max_upload_bytes: int = Field(default=50 << 30, gt=0, le=MAX_OBJECT_BYTES)
    upload_hours: float = Field(default=24, gt=0)

    @model_validator(mode="after")
    def _play_key_of_its_own(self) -> Self:
        user = self.minio_play_usr
        if (user is None) != (self.minio_play_pwd is None):
            raise ValueError("MINIO_PLAY_USR and MINIO_PLAY_PWD belong together: set both, or neither")
        if user and user in (self.minio_usr, self.minio_upload_usr):
            raise ValueError(
                "MINIO_PLAY_USR must be neither MINIO_USR nor MINIO_UPLOAD_USR: it is a key that may do nothing but "
                "read HLS (docs/access.md)"
            )
        return self

    @model_validator(mode="after")
    def _uploads_with_a_key_of_their_own(self) -> Self:
        bucket = self.minio_upload_bucket
        if bucket is None:
            return self
        if not self.minio_upload_usr or not self.minio_upload_pwd:
            raise ValueError(
                "MINIO_UPLOAD_BUCKET needs MINIO_UPLOAD_USR and MINIO_UPLOAD_PWD, a key that may do nothing but put "
                "there (docs/uploads.md)"
            )
        if self.minio_upload_usr == self.minio_usr:
            raise ValueError("MINIO_UPLOAD_USR must not be MINIO_USR: uploads are signed with a key of their own")
        if not self.may_stream(bucket):
            raise ValueError(
                f"MINIO_UPLOAD_BUCKET={bucket} must be one of MINIO_SOURCE_BUCKETS, and not the VoD bucket"
            )
        prefix = self.minio_upload_prefix.strip("/")
        self.minio_upload_prefix = f"{prefix}/" if prefix else ""
        return self

    @property
    def public_endpoint(self) -> str:
        """Host and port at which players reach the store; signed URLs name them."""
        return self.minio_public_endpoint or self.minio_endpoint

    @property
    def public_secure(self) -> bool:
        return self.minio_secure if self.minio_public_secure is None else self.minio_public_secure

    @property
    def store_key(self) -> StoreKey:
        """The key with which services and workers use the store."""
        return self.minio_usr, self.minio_pwd

    @property
    def upload_key(self) -> StoreKey | None:
        """The key that signs uploads; None while uploads are off."""
        return store_key(self.minio_upload_usr, self.minio_upload_pwd) if self.minio_upload_bucket else None

    @property
    def play_key(self) -> StoreKey:
        """The key that signs the URLs of viewers: the play key if there is one."""
        return store_key(self.minio_play_usr, self.minio_play_pwd) or self.store_key

    def may_stream(self, bucket: str) -> bool:
        """Whether assets of `bucket` may become streams; never those of the VoD bucket itself."""
        listed = self.minio_source_buckets is None or bucket in self.minio_source_buckets
        return listed and bucket != self.minio_bucket_vod
