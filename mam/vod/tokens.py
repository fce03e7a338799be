"""Playback tokens: each gives access to the segments of one revision that is still being made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time

from mam.errors import MamError
from mam.settings import Settings

KEY_ID_BYTES, EXPIRY_BYTES, MAC_BYTES = 3, 5, 16  # The sum is a multiple of three: base64 without padding.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class InvalidToken(MamError):
    status, code, title = 403, "invalid_token", "The playback token is not valid"
    hint = "Request the playlist again: its URLs carry a fresh token."


class Tokens:
    """Issues and checks tokens: base64url of key id, expiry (Unix seconds) and HMAC over video, revision and expiry.

    The first secret of PLAYBACK_SECRET signs, all of them check: an operator adds a new secret in front, and removes
    the old one when its tokens have expired.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = {_key_id(key): key for key in settings.playback_keys()}
        self._current = next(iter(self._keys))

    def issue(self, video: str, revision: str, *, ttl: int) -> str:
        """A token for the revision's segments that is valid for `ttl` seconds."""
        expiry = (int(time.time()) + ttl).to_bytes(EXPIRY_BYTES, "big")
        mac = _mac(self._keys[self._current], video, revision, expiry)
        return base64.urlsafe_b64encode(self._current + expiry + mac).decode()

    def check(self, token: str, video: str, revision: str) -> None:
        """Raises InvalidToken unless the token was issued here, for this revision, and has not expired."""
        raw = _decoded(token)
        key_id, expiry, mac = raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:-MAC_BYTES], raw[-MAC_BYTES:]
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(_mac(key, video, revision, expiry), mac):
            raise InvalidToken("It was not issued for this video.")
        if int.from_bytes(expiry, "big") < time.time():
            raise InvalidToken("It has expired.")


def _decoded(token: str) -> bytes:
    if not _TOKEN.fullmatch(token):  # the decoder skips other characters, and each token has only one spelling
        raise InvalidToken("It is not a token.")
    return base64.urlsafe_b64decode(token)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"key id" + key).digest()[:KEY_ID_BYTES]


def _mac(key: bytes, video: str, revision: str, expiry: bytes) -> bytes:
    # The revision and the expiry have fixed lengths, so no byte can move from one part to another.
    return hmac.digest(key, revision.encode() + expiry + video.encode(), "sha256")[:MAC_BYTES]
