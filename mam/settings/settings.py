"""All settings: one class, read from the environment and `.env`, checked once at the start."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from mam.playback_rules import Rules, read_rules
from mam.processes import cores
from mam.rung_table import Rung, read_table
from mam.settings.base import Names
from mam.settings.credentials import SECRETS, CredentialSettings
from mam.settings.store import StoreKey, StoreSettings, store_key

MAX_SIGNED_URL_SECONDS = 7 * 24 * 3600  # This is the limit of Signature Version 4.
SAME_URL_SECONDS = 3600  # The signed URL of a picture stays the same for so long, so that browsers keep the picture.
# Settings that only the services get. Workers open strangers' files, so they have no secrets but the store's key and
# Redis's password.
SERVICES_ALONE = frozenset({
    "transcode_api_key", "service_key", "api_keys_file", "playback_secret", "playback_keys_file", "playback_keys_url",
    "webhook_url", "webhook_secret", "minio_play_usr", "minio_play_pwd", "minio_upload_bucket", "minio_upload_usr",
    "minio_upload_pwd",
})  # fmt: skip


def _no_key() -> SecretStr:
    """A random API key, so that a mistaken use of it gives no access."""
    return SecretStr(secrets.token_hex())


ProfileName = Literal["auto", "source", "h264", "ladder"]


class Settings(StoreSettings, CredentialSettings):
    """Every setting with its default; `.env.example` gives the reasons."""

    # Redis: one database for state and playlists, one for Celery's queues
    redis_host: str = "localhost"
    redis_port: int = 6379
    redis_db: int = 0
    redis_password: SecretStr | None = None
    celery_redis_db: int | None = None

    # the two services
    transcode_api_url: str = "http://localhost:8001"
    max_waiting_conversions: int = Field(default=256, gt=0)
    max_queued_jobs: int = Field(default=1000, gt=0)
    allowed_origins: Names = Field(default=["*"])
    allowed_hosts: Names = Field(default=[])
    log_level: str = "INFO"

    # pages
    web: bool = True
    session_hours: float = Field(default=12, gt=0, le=24 * 30)

    # playlists
    playback_rules: str = ""
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

    _rungs: tuple[Rung, ...] = PrivateAttr(())
    _rules: Rules = PrivateAttr(Rules())

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

    def playlist_form(self) -> str:
        """A digest of the settings that are baked into rendered playlists: it changes with each of them."""
        user, password = self.play_key
        parts = (self.public_endpoint, self.public_secure, self.minio_region, self.minio_bucket_vod, user,
                 self.signed_url_ttl_seconds, self.playback_rules)  # fmt: skip
        secret = password.get_secret_value().encode()
        # So short that whoever reads Redis cannot tell a guessed secret from others.
        return hmac.digest(secret, repr(parts).encode(), "sha256").hex()[:8]

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
        return store_key(self.minio_root_usr, self.minio_root_pwd)


@cache
def worker_settings() -> WorkerSettings:
    """The settings of this process, read once: afterwards a worker's environment no longer has them."""
    return WorkerSettings()
