"""What the store says of an object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """`version`: the ETag, or size and modification time where the store gives none. `modified`: Unix seconds.

    Listed: `version` is '' where there is no ETag, and folders have keys that end in a slash, and nothing else.
    """

    key: str
    size: int = 0
    version: str = ""
    etag: str | None = None
    modified: int = 0
