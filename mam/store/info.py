"""An object's properties in the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """`version`: the ETag, or size and modification time where the store gives none. `modified`: Unix seconds.

    In listings `version` is '' without an ETag, and folders have only a key, which ends in a slash.
    """

    key: str
    size: int = 0
    version: str = ""
    etag: str | None = None
    modified: int = 0
