"""Who asks for a video, as far as that decides whether it may be watched."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from mam.access.denials import Denied, is_denied
from mam.access.grants import Grant
from mam.hls.recipe import Profile


@dataclass(frozen=True, slots=True)
class Viewer:
    """A client, or the person behind it. `is_keyed`: it has an API key or a session. `grant`: that of its token.

    `denied`: the denials when the request came.
    """

    is_keyed: bool = False
    grant: Grant | None = None
    denied: Denied = field(default_factory=dict)

    def holds_grant(self, source: str) -> bool:
        """Whether its token is for this asset, `bucket/key`, and was not revoked."""
        grant = self.grant
        if grant is None or not grant.covers(source):
            return False
        return not is_denied(grant, source, self.denied, time.time())

    def may_make(self, profile: Profile) -> bool:
        """Whether it may have a video converted by this profile. A token must say so."""
        return self.is_keyed or self.grant is None or profile in self.grant.makes


ANYONE = Viewer()
KEYED = Viewer(is_keyed=True)
