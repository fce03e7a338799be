"""Who asks for a video, as far as that decides whether it may be watched."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from mam.access.denials import Denied, is_denied
from mam.access.grants import Grant
from mam.credentials.scopes import Caller, Scope
from mam.hls.recipe import Profile


@dataclass(frozen=True, slots=True)
class Viewer:
    """A client, or the person behind it. `caller`: that of its API key or session. `grant`: that of its token.

    `denied`: the denials when the request came. `place`: a digest of the token's viewer or of the network; '' where
    conversions are not counted.
    """

    caller: Caller | None = None
    grant: Grant | None = None
    denied: Denied = field(default_factory=dict)
    place: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether its API key or session has a scope."""
        return self.caller is not None and self.caller.may(scope)

    def may_read(self, source: str) -> bool:
        """Whether its API key or session is for this asset, `bucket/key`."""
        return self.caller is not None and self.caller.may(Scope.READ) and self.caller.covers(source)

    @property
    def max_height(self) -> int:
        """The longest shorter side of a picture that it may watch, in pixels; 0 for any."""
        return self.grant.max_height if self.grant is not None else 0

    def holds_grant(self, source: str) -> bool:
        """Whether its token is for this asset, `bucket/key`, and was not revoked."""
        grant = self.grant
        if grant is None or not grant.covers(source):
            return False
        return not self.denied or not is_denied(grant, source, self.denied, time.time())

    def may_make(self, source: str, profile: Profile, everyone: Collection[Profile]) -> bool:
        """Whether it may have an asset, `bucket/key`, converted by this profile.

        `everyone`: the profiles of viewers without a token.

        A token must say so itself, and may name other profiles.
        """
        if self.caller is not None and self.caller.may(Scope.CONVERT) and self.caller.covers(source):
            return True
        return profile in (self.grant.makes if self.grant else everyone)


def place_of(viewer: str, address: str) -> str:
    """A digest of where a request comes from: a token's viewer, else the network of an address."""
    return hashlib.sha256((viewer or _network(address)).encode()).hexdigest()[:32]


def _network(address: str) -> str:
    """The /24 of an IPv4 address, the /56 of an IPv6 address: whoever has one address may have all of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 56), strict=False))


ANYONE = Viewer()
