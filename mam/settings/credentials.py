"""The credentials: API keys, the keys of playback tokens, and those of webhooks."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode
from typing_extensions import Self

from mam.settings.base import Group, split

LEAST_KEY_LENGTH = 32  # That makes 128 bits even of hex digits. A generated key has 43 characters.
LEAST_KEY_CHARACTERS = 4  # So many characters must differ: `aaaaaaaaaaaaaaaa` is long, too.
SECRETS = (  # Their example values are public, and must be replaced.
    "transcode_api_key", "service_key", "minio_usr", "minio_pwd", "minio_play_usr", "minio_play_pwd",
    "minio_upload_usr", "minio_upload_pwd", "redis_password", "webhook_secret", "playback_secret",
)  # fmt: skip
PLACEHOLDER = "change-me"  # Example values that must be replaced begin with it.
WEBHOOK_PREFIX = "whsec_"  # Secrets in the format of Standard Webhooks begin with it.
MAKE_KEY = "make one with `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`"


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


Secrets = Annotated[list[SecretStr], NoDecode, BeforeValidator(split)]


class CredentialSettings(Group):
    """Who is let in, and what is signed."""

    replaced_examples: ClassVar[tuple[str, ...]] = SECRETS
    transcode_api_key: SecretStr
    service_key: Secrets | None = None
    api_keys_file: Path | None = None
    webhook_url: str | None = None
    webhook_secret: Secrets | None = None
    webhook_allow_private: bool = False

    playback_secret: Secrets | None = None
    playback_keys_file: Path | None = None
    playback_keys_url: str | None = None

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
    def _no_examples(self) -> Self:
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

    @model_validator(mode="after")
    def _signed_webhooks(self) -> Self:
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("WEBHOOK_URL needs a WEBHOOK_SECRET to sign with")
        self.webhook_keys()
        return self

    @field_validator("playback_keys_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("PLAYBACK_KEYS_URL must begin with https:// or http://")
        return value

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

    def webhook_keys(self) -> list[bytes]:
        """The keys that sign webhooks. A secret is base64 behind `whsec_`, as in Standard Webhooks, or any other text.

        Raises ValueError where no base64 follows `whsec_`.
        """
        return [_webhook_key(secret.get_secret_value()) for secret in self.webhook_secret or ()]
