"""Which objects of a source bucket are videos, and an object as the library lists it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from mam.errors import InvalidName
from mam.naming import MEDIA_TYPES, check_key

PLAIN_LENGTH = 256  # A key of up to this many characters has at most 1,024 bytes.


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a source bucket. `modified`: Unix seconds. `mark`: a hash of its version; 0 where unknown."""

    bucket: str
    key: str
    size: int
    modified: int
    mark: int


def is_video(key: str) -> bool:
    """Whether an object is shown: its name is that of a video, and URLs can carry its key."""
    name, _, extension = key.rpartition("/")[2].rpartition(".")
    return bool(name) and extension.lower() in MEDIA_TYPES and _is_usable(key)


def _is_usable(key: str) -> bool:
    if key.isprintable() and len(key) <= PLAIN_LENGTH and "//" not in key and "/." not in key and key[0] not in "./":
        return True  # nearly all keys: a quick check suffices
    try:
        check_key(key)
    except InvalidName:
        return False
    return True


def mark(version: str) -> int:
    """A hash of a version in four bytes: enough to notice another version."""
    return zlib.crc32(version.encode()) if version else 0
