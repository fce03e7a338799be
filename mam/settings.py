"""Settings: one class, read from the environment and `.env`, checked once at the start."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mam.playback_rules import Rules, read_rules
from mam.processes import cores
from mam.rung_table import Rung, read_table

MAX_SIGNED_URL_SECONDS = 7 * 24 * 3600  # This is the limit of Signature Version 4.
SAME_URL_SECONDS = 3600  # The signed URL of a picture stays the same for so long, so that browsers keep the picture.
MAX_OBJECT_BYTES = 5 << 40  # This is S3's limit.
# Settings that only the services get. Workers open strangers' files, so they have no secrets but the store's key and
# Redis's password.
SERVICES_ALONE = frozenset({
    "transcode_api_key", "service_key", "api_keys_file", "playback_secret", "playback_keys_file", "playback_keys_url",
    "webhook_url", "webhook_secret", "minio_play_usr", "minio_play_pwd", "minio_upload_bucket", "minio_upload_usr",
    "minio_upload_pwd",
})  # fmt: skip
LEAST_KEY_LENGTH = 32  # That makes 128 bits even of hex digits. A generated key has 43 characters.
LEAST_KEY_CHARACTERS = 4  # So many characters must differ: `aaaaaaaaaaaaaaaa` is long, too.
SECRETS = (  # Their example values are public, and must be replaced.
    "transcode_api_key", "service_key", "minio_usr", "minio_pwd", "minio_play_usr", "minio_play_pwd",
    "minio_upload_usr", "minio_upload_pwd", "redis_password", "webhook_secret", "playback_secret",
)  # fmt: skip
PLACEHOLDER = "change-me"  # Example values that must be replaced begin with it.
WEBHOOK_PREFIX = "whsec_"  # Secrets in the format of Standard Webhooks begin with it.
MAKE_KEY = "make one with `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`"


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _keys_in(value: SecretStr) -> list[str]:
    return [key.strip() for key in value.get_secret_value().split(",")]


def _check_strength(name: str, keys: Iterable[str]) -> None:
    """Raises ValueError for a key that can be guessed."""
    for key in keys:
        is_example = key.lower().startswith(PLACEHOLDER)  # refused later, in other words
        if not is_example and (len(key) < LEAST_KEY_LENGTH or len(set(key)) < LEAST_KEY_CHARACTERS):
            raise ValueError(f"{name} has less than {LEAST_KEY_LENGTH} characters, or few of them: {MAKE_KEY}")


def _webhook_key(secret: str) -> bytes:
    if not secret.startswith(WEBHOOK_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(WEBHOOK_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"WEBHOOK_SECRET has no base64 behind {WEBHOOK_PREFIX}")
    return key


def _host_and_port(value: str) -> str:
    """People paste `http://host:9000/`; the S3 client needs `host:9000`."""
    return (urlsplit(value).netloc if "://" in value else value).strip("/")


def _no_key() -> SecretStr:
    """A random API key, so that a mistaken use of it gives no access."""
    return SecretStr(secrets.token_hex())


StoreKey = tuple[str, SecretStr]  # A user of the store and its secret.


def _store_key(user: str | None, secret: SecretStr | None) -> StoreKey | None:
    return (user, secret) if user and secret else None


Names = Annotated[list[str], NoDecode, BeforeValidator(_split)]
ProfileName = Literal["auto", "source", "h264", "ladder"]
Endpoint = Annotated[str, AfterValidator(_host_and_port)]


class Settings(BaseSettings):
    """Every setting with its default; `.env.example` gives the reasons."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # The input may be a secret.
    )

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

    # Redis: one database for state and playlists, one for Celery's queues
    redis_host: str = "localhost"
    redis_port: int = 6379
    redis_db: int = 0
    redis_password: SecretStr | None = None
    celery_redis_db: int | None = None

    # the two services
    transcode_api_key: SecretStr
    service_key: Annotated[list[SecretStr], NoDecode, BeforeValidator(_split)] | None = None
    api_keys_file: Path | None = None
    transcode_api_url: str = "http://localhost:8001"
    max_waiting_conversions: int = Field(default=256, gt=0)
    max_queued_jobs: int = Field(default=1000, gt=0)
    allowed_origins: Names = ["*"]
    allowed_hosts: Names = []
    log_level: str = "INFO"

    # pages
    web: bool = True
    session_hours: float = Field(default=12, gt=0, le=24 * 30)

    # webhooks
    webhook_url: str | None = None
    webhook_secret: Annotated[list[SecretStr], NoDecode, BeforeValidator(_split)] | None = None
    webhook_allow_private: bool = False

    # playlists
    playback_rules: str = ""
    playback_secret: Annotated[list[SecretStr], NoDecode, BeforeValidator(_split)] | None = None
    playback_keys_file: Path | None = None
    playback_keys_url: str | None = None
    playback_country_header: str | None = None
    segment_wait_seconds: float = Field(default=7, gt=0)
    signed_url_ttl_seconds: int = Field(default=3600, gt=0)
    playlist_cache_ttl_seconds: int = Field(default=2700, gt=0)
    playlist_cache_bytes: int = Field(default=0, ge=0)

    # the library
    library_seconds: float = Field(default=30, ge=1)

    # conversion
    default_profile: ProfileName = "auto"
    ladder_file: Path | None = None
    ladder_fill: Literal["watched", "all", "none"] = "watched"
    max_key_frame_seconds: int = Field(default=20, ge=1)
    embedded_workers: int = Field(default_factory=cores, ge=0)
    segment_seconds: int = Field(default=6, ge=1, le=30)
    h264_preset: str = Field(default="veryfast", pattern=r"^[a-z]+$")
    h264_crf: int = Field(default=23, ge=0, le=51)
    audio_bitrate: int = Field(default=128_000, ge=16_000, le=512_000)
    stop_idle_minutes: float = Field(default=10, ge=0)
    viewer_conversions_per_hour: int = Field(default=60, ge=0)
    viewer_profiles: Names | None = None
    max_source_bytes: int = Field(default=1 << 40, gt=0)
    max_duration_seconds: int = Field(default=24 * 3600, gt=0)
    encoder_stall_seconds: int = Field(default=60, gt=0)
    encoder_threads: int | None = Field(default=None, ge=1)
    task_lease_seconds: int = Field(default=30, ge=2)
    worker_metrics_port: int | None = Field(default=None, ge=0, le=65535)

    replaced_examples: ClassVar[tuple[str, ...]] = SECRETS
    _rungs: tuple[Rung, ...] = PrivateAttr(())
    _rules: Rules = PrivateAttr(Rules())

    @field_validator("transcode_api_key")
    @classmethod
    def _strong(cls, value: SecretStr) -> SecretStr:
        _check_strength("TRANSCODE_API_KEY", _keys_in(value))
        return value

    @field_validator("service_key")
    @classmethod
    def _strong_too(cls, value: list[SecretStr] | None) -> list[SecretStr] | None:
        _check_strength("SERVICE_KEY", [key.get_secret_value() for key in value or ()])
        return value

    @model_validator(mode="after")
    def _no_examples(self) -> Settings:
        for name in self.replaced_examples:
            value = getattr(self, name)
            values = value if isinstance(value, list) else [value]
            if name == "transcode_api_key":
                values = _keys_in(value)
            for secret in values:
                text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
                if text and text.strip().lower().startswith(PLACEHOLDER):
                    raise ValueError(f"{name.upper()} still has the example's value: {MAKE_KEY}")
        return self

    @field_validator("allowed_hosts")
    @classmethod
    def _small_letters(cls, value: list[str]) -> list[str]:
        return [host.lower() for host in value]

    @field_validator("transcode_api_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        """Both `http://host:8001` and `http://host:8001/transcode` are in use."""
        return value.rstrip("/").removesuffix("/transcode")

    @model_validator(mode="after")
    def _signed_webhooks(self) -> Settings:
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("WEBHOOK_URL needs a WEBHOOK_SECRET to sign with")
        self.webhook_keys()
        return self

    @model_validator(mode="after")
    def _play_key_of_its_own(self) -> Settings:
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
    def _uploads_with_a_key_of_their_own(self) -> Settings:
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

    @model_validator(mode="after")
    def _readable_ladder(self) -> Settings:
        try:
            self._rungs = read_table(self.ladder_file.read_text("utf-8")) if self.ladder_file else ()
        except (OSError, ValueError) as error:
            raise ValueError(f"LADDER_FILE={self.ladder_file}: {error}") from error
        return self

    @model_validator(mode="after")
    def _readable_rules(self) -> Settings:
        try:
            self._rules = read_rules(self.playback_rules)
        except ValueError as error:
            raise ValueError(f"PLAYBACK_RULES: {error}") from error
        return self

    @field_validator("viewer_profiles")
    @classmethod
    def _known_profiles(cls, value: list[str] | None) -> list[str] | None:
        names = get_args(ProfileName)
        for name in value or ():
            if name not in names:
                raise ValueError(f"VIEWER_PROFILES: {name[:40]!r} is no profile; they are {', '.join(names)}")
        if value == []:
            raise ValueError(f"VIEWER_PROFILES must name a profile; they are {', '.join(names)}")
        return value

    @field_validator("playback_keys_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("PLAYBACK_KEYS_URL must begin with https:// or http://")
        return value

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs of the operator's ladder; () without LADDER_FILE."""
        return self._rungs

    @property
    def rules(self) -> Rules:
        """Who may watch, by bucket and prefix: PLAYBACK_RULES."""
        return self._rules

    @property
    def profiles_of_viewers(self) -> frozenset[str]:
        """The profiles by which viewers without a key, a session or a token may have videos converted."""
        # `h264` is that of ?reencode=true, and `ladder` that of the pages.
        return frozenset(self.viewer_profiles or (self.default_profile, "ladder", "h264"))

    @property
    def broker_db(self) -> int:
        """Celery's database: it is a separate one, so that the queues may have another eviction policy."""
        return self.redis_db + 1 if self.celery_redis_db is None else self.celery_redis_db

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
        return _store_key(self.minio_upload_usr, self.minio_upload_pwd) if self.minio_upload_bucket else None

    @property
    def play_key(self) -> StoreKey:
        """The key that signs the URLs of viewers: the play key if there is one."""
        return _store_key(self.minio_play_usr, self.minio_play_pwd) or self.store_key

    def api_keys(self) -> list[str]:
        """The values of TRANSCODE_API_KEY: all are accepted, and may do everything."""
        return _keys_in(self.transcode_api_key)

    def service_keys(self) -> list[str]:
        """The keys between the services: the first is sent, all are accepted. TRANSCODE_API_KEY without SERVICE_KEY."""
        return [key.get_secret_value() for key in self.service_key or ()] or self.api_keys()

    def playback_keys(self) -> list[bytes]:
        """The keys of playback tokens, the signing one first; derived from the API keys where none is set."""
        if self.playback_secret:
            return [secret.get_secret_value().encode() for secret in self.playback_secret]
        return [hmac.digest(key.encode(), b"playback", "sha256") for key in self.api_keys()]

    def playlist_form(self) -> str:
        """A digest of the settings that are baked into rendered playlists: it changes with each of them."""
        user, password = self.play_key
        parts = (self.public_endpoint, self.public_secure, self.minio_region, self.minio_bucket_vod, user,
                 self.signed_url_ttl_seconds, self.playback_rules)  # fmt: skip
        secret = password.get_secret_value().encode()
        # So short that whoever reads Redis cannot tell a guessed secret from others.
        return hmac.digest(secret, repr(parts).encode(), "sha256").hex()[:8]

    def webhook_keys(self) -> list[bytes]:
        """The keys that sign webhooks. A secret is base64 behind `whsec_`, as in Standard Webhooks, or any other text.

        Raises ValueError where no base64 follows `whsec_`.
        """
        return [_webhook_key(secret.get_secret_value()) for secret in self.webhook_secret or ()]

    def may_stream(self, bucket: str) -> bool:
        """Whether assets of `bucket` may become streams; never those of the VoD bucket itself."""
        listed = self.minio_source_buckets is None or bucket in self.minio_source_buckets
        return listed and bucket != self.minio_bucket_vod

    def signature_ttl(self, duration: float) -> int:
        """The lifetime of a signed URL in seconds. `duration`: seconds of the video.

        Twice the video's length leaves room for pauses. The lifetime of a cached playlist comes on top: the last client
        that gets the playlist can still play it to its end.
        """
        seconds = max(self.signed_url_ttl_seconds, int(2 * duration) + 1) + self.playlist_cache_ttl_seconds
        return min(seconds, MAX_SIGNED_URL_SECONDS)

    def longest_signature(self, duration: float) -> int:
        """Seconds after which no signed URL of a video is valid any more, pictures and redirects included."""
        return min(self.signature_ttl(duration) + SAME_URL_SECONDS, MAX_SIGNED_URL_SECONDS)


class WorkerSettings(Settings):
    """The settings of workers, without those of SERVICES_ALONE."""

    transcode_api_key: SecretStr = Field(default_factory=_no_key)

    @model_validator(mode="before")
    @classmethod
    def _without_services_alone(cls, values: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in values.items() if name.lower() not in SERVICES_ALONE}


class StoreKeySettings(Settings):
    """The settings of `python -m mam store-keys`: root's key besides, which no service and no worker reads."""

    replaced_examples: ClassVar[tuple[str, ...]] = (*SECRETS, "minio_root_usr", "minio_root_pwd")
    transcode_api_key: SecretStr = Field(default_factory=_no_key)
    minio_root_usr: str | None = None
    minio_root_pwd: SecretStr | None = None

    @model_validator(mode="after")
    def _root_apart(self) -> StoreKeySettings:
        root = self.minio_root_usr
        if (root is None) != (self.minio_root_pwd is None):
            raise ValueError("MINIO_ROOT_USR and MINIO_ROOT_PWD belong together: set both, or neither")
        if root and root in (self.minio_usr, self.minio_play_usr, self.minio_upload_usr):
            raise ValueError(
                "MINIO_ROOT_USR must be none of MINIO_USR, MINIO_PLAY_USR and MINIO_UPLOAD_USR; where MINIO_USR is the "
                "store's administrator, leave it unset"
            )
        return self

    @property
    def root_key(self) -> StoreKey | None:
        """The administrator's key; None where it is MINIO_USR's."""
        return _store_key(self.minio_root_usr, self.minio_root_pwd)


@cache
def worker_settings() -> WorkerSettings:
    """The settings of this process, read once: afterwards a worker's environment no longer has them."""
    return WorkerSettings()
