"""PLAYBACK_RULES: who may watch the assets of a bucket or prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mam.errors import InvalidName
from mam.naming import check_prefix


class Policy(str, Enum):
    """Who may watch an asset."""

    PUBLIC = "public"  # everyone
    SIGNED = "signed"  # viewers with a token, an API key or a session
    PRIVATE = "private"  # clients with an API key, and pages with a session
    OFF = "off"  # nobody


POLICIES = ", ".join(policy.value for policy in Policy)


@dataclass(frozen=True, slots=True)
class Rules:
    """Policies by prefix, the longest first. An asset without a rule is off; without any rule, all are public."""

    policies: Mapping[str, Policy] = field(default_factory=dict)

    def policy(self, source: str) -> Policy:
        """The policy of an asset, `bucket/key`: that of the longest prefix of it."""
        if not self.policies:
            return Policy.PUBLIC
        return next((policy for prefix, policy in self.policies.items() if source.startswith(prefix)), Policy.OFF)

    def possible(self, path: str) -> set[Policy]:
        """The policies that assets of this path may have, which lacks their bucket and extension.

        It answers for a video's name, whose asset is unknown until its plan is read.
        """
        if not self.policies:
            return {Policy.PUBLIC}
        folder = path[: path.rfind("/") + 1]
        found = set()
        for prefix, policy in self.policies.items():
            bucket, _, below = prefix.partition("/")
            found.add(self.policy(f"{bucket}/{folder}"))
            if below.startswith(folder) and "/" not in below[len(folder) :]:
                found.add(policy)
        return found


def read_rules(text: str) -> Rules:
    """Rules from text such as `films/paid/=signed, films/=public`. Raises ValueError in words."""
    policies: dict[str, Policy] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        prefix, equals, name = (word.strip() for word in part.rpartition("="))
        try:
            policy = Policy(name)
        except ValueError:
            raise ValueError(f"{part!r} must end in = and one of {POLICIES}") from None
        _check_prefix(prefix if equals else part)
        if prefix in policies:
            raise ValueError(f"{prefix!r} has two rules")
        policies[prefix] = policy
    return Rules(dict(sorted(policies.items(), key=lambda rule: -len(rule[0]))))


def _check_prefix(prefix: str) -> None:
    bucket, slash, path = prefix.partition("/")
    if not slash:
        raise ValueError(f"{prefix!r} needs a bucket and a slash, such as films/ or films/paid/")
    try:
        check_prefix(prefix if path.strip("/") else f"{bucket}/")
    except InvalidName as error:
        raise ValueError(f"{prefix!r}: {error}") from None
