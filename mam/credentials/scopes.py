"""What a client may do: the scopes of its API key, and the assets that they are for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from mam.errors import MamError

EVERYTHING = ("",)  # These prefixes cover all assets.


class Scope(str, Enum):
    """A kind of calls. The descriptions are those of docs/access.md."""

    READ = "read"  # look at assets, jobs and the fleet; watch whatever is not `off`; preview conversions
    CONVERT = "convert"  # have assets converted; cancel, retry and prioritise jobs
    UPLOAD = "upload"  # send files
    EDIT = "edit"  # forget cached playlists
    DELETE = "delete"  # delete streams and rungs
    SIGN = "sign"  # issue playback tokens and links, revoke them, list them
    ADMIN = "admin"  # everything, and the audit trail


class NotPermitted(MamError):
    status, code, title = 403, "not_permitted", "The API key does not permit this"
    hint = "Use a key that has this scope and prefix; an operator makes one with `python3 -m mam keys add`."


@dataclass(frozen=True, slots=True)
class Caller:
    """A client with an API key or a session. `key`: the key's id; `prefixes`: of `bucket/key`.

    `session`: names the session without giving access to it; '' for a client with the key itself.
    """

    key: str
    scopes: frozenset[Scope] = frozenset({Scope.ADMIN})
    prefixes: tuple[str, ...] = EVERYTHING
    session: str = ""

    @property
    def is_restricted(self) -> bool:
        """Whether it is for some assets alone."""
        return "" not in self.prefixes

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def covers(self, source: str) -> bool:
        """Whether an asset, `bucket/key`, is among its own."""
        return source.startswith(self.prefixes)

    def check(self, scope: Scope) -> None:
        """Raises NotPermitted without the scope."""
        if not self.may(scope):
            raise NotPermitted(f"The key {self.key!r} lacks the scope {scope.value!r}.")

    def check_source(self, source: str) -> None:
        """Raises NotPermitted for an asset, or a prefix of assets, that is not its own."""
        if not self.covers(source):
            raise NotPermitted(f"The key {self.key!r} is not for {source[:200]!r}.")

    def check_all(self) -> None:
        """Raises NotPermitted for a key that is for some assets alone: what it asks for concerns all."""
        if self.is_restricted:
            raise NotPermitted(f"The key {self.key!r} is for some assets alone, and this concerns all.")


def in_order(scopes: Iterable[Scope]) -> list[str]:
    """The names of scopes in the order of their definition."""
    found = set(scopes)
    return [scope.value for scope in Scope if scope in found]
