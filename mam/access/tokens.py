"""Playback tokens: JSON Web Tokens (RFC 7519) that permit a viewer to watch an asset, or all of a prefix."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from typing import Any

import jwt

from mam.access.grants import AUDIENCE, MOST_SECONDS, Grant, grant_of
from mam.access.keys import Key, Keys
from mam.errors import MamError

LONGEST = 3000  # A token has this many characters at most: it is part of every address.
LEEWAY_SECONDS = 60  # The clock of a signer may be this much ahead.
REMEMBERED = 10_000  # The grants of this many verified tokens are remembered. Refused tokens are not.
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class InvalidToken(MamError):
    status, code, title = 403, "invalid_token", "The playback token is not valid"
    hint = "Reload the page that shows the video, or ask its operator for a new address."


class Tokens:
    """Verifies tokens, and issues them. `keys`: the current ones, the first of which signs."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        self._keys = keys
        self._remembered: dict[str, tuple[Key, Grant]] = {}

    def grant(self, token: str) -> Grant:
        """What a token permits. Raises InvalidToken."""
        now = time.time()
        key, grant = self._remembered.get(token) or self._verified(token, now)
        current = self._keys().get(key.kid)
        if current is not key and current != key:  # its key was taken away or replaced
            self._remembered.pop(token, None)
            raise InvalidToken("Its key is not known here.")
        if not key.may_grant(grant.subject, now):
            raise InvalidToken("Its key does not permit this.")
        if not grant.is_current(now):
            raise InvalidToken("It has expired." if now >= grant.expires else "It is not valid yet.")
        return grant

    def issue(self, claims: dict[str, Any]) -> str:
        """A token with these claims, for AUDIENCE, signed with the first of our own keys."""
        key = next(iter(self._keys().values()))
        return jwt.encode({**claims, "aud": AUDIENCE}, key.material, key.algorithm, headers={"kid": key.kid})

    def _verified(self, token: str, now: float) -> tuple[Key, Grant]:
        _check_form(token)
        try:
            key = self._keys().get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise InvalidToken("Its key is not known here.")
            # Times are checked at every use; `aud` is one text, for a token for several services is none for this one.
            payload: dict[str, Any] = jwt.decode(
                token, key.material, [key.algorithm], audience=AUDIENCE,
                options={"require": ["exp", "sub", "aud"], "strict_aud": True, "verify_exp": False, "verify_nbf": False,
                         "verify_iat": False},
            )  # fmt: skip
            grant = grant_of(payload, key_id=key.kid, leeway=LEEWAY_SECONDS)
        except jwt.InvalidAudienceError:
            raise InvalidToken(f"Its audience is not {AUDIENCE!r}.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken(f"It cannot be verified: {error}.") from None
        if grant.expires - now > MOST_SECONDS + LEEWAY_SECONDS:
            raise InvalidToken(f"It is valid for more than {MOST_SECONDS // 86400} days.")
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]  # the first one: if it is still used, it comes back
        self._remembered[token] = key, grant
        return key, grant


def _check_form(token: str) -> None:
    """Raises InvalidToken unless the token is spelled in the only way that its bytes have."""
    if len(token) > LONGEST or not _FORM.fullmatch(token):
        raise InvalidToken("It is not a token.")
    for part in token.split("."):
        try:
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except ValueError:
            raise InvalidToken("It is not a token.") from None
        if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
            raise InvalidToken("It is not a token.")
