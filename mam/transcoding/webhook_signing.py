"""The headers that authenticate a webhook: those of the Standard Webhooks specification, and an older one.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from mam.settings import Settings

OLD_HEADER = "MAM-Signature"  # It stays for a release beside the standard's headers.


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with every secret in use: while one replaces another, receivers may know either.

    `keys`: the secrets as the standard decodes them. `secrets`: the secrets as written, for OLD_HEADER.
    """

    keys: tuple[bytes, ...]
    secrets: tuple[bytes, ...]

    @classmethod
    def of(cls, settings: Settings) -> Signer:
        secrets = tuple(secret.get_secret_value().encode() for secret in settings.webhook_secret or ())
        return cls(tuple(settings.webhook_keys()), secrets)

    def headers(self, message: str, moment: int, body: bytes) -> dict[str, str]:
        """The headers of a delivery. `message`: its id, the same at every attempt; `moment`: Unix seconds."""
        return {
            "webhook-id": message,
            "webhook-timestamp": str(moment),
            "webhook-signature": standard_signature(self.keys, message, moment, body),
            OLD_HEADER: old_signature(self.secrets, moment, body),
        }


def standard_signature(keys: Iterable[bytes], message: str, moment: int, body: bytes) -> str:
    """`v1,<base64 of HMAC-SHA256 of "id.timestamp.body">` for each key, with spaces between."""
    signed = f"{message}.{moment}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)


def old_signature(secrets: Iterable[bytes], moment: int, body: bytes) -> str:
    """`t=<Unix seconds>,v1=<HMAC-SHA256 of "t.body">`, one `v1` for each secret."""
    signed = f"{moment}.".encode() + body
    return ",".join([f"t={moment}", *(f"v1={hmac.digest(secret, signed, 'sha256').hex()}" for secret in secrets)])
