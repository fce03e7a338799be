"""A store in memory: what the rules of the bucket's layout are tried on ten thousand times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mam.store.info import ObjectInfo
from mam.store.objects import Store


class MemoryStore(Store):
    """One bucket, whatever it is called. Like a file system it refuses an object where a folder is, and the other way
    round: what holds here holds on stores that keep files as files."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.objects.get(key)

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        return ObjectInfo(key, len(self.objects[key])) if key in self.objects else None

    def put(self, bucket: str, key: str, data: bytes | memoryview, content_type: str) -> None:
        parts = key.split("/")
        above = {"/".join(parts[:length]) for length in range(1, len(parts))}
        assert not above & self.objects.keys(), f"{key!r} lies below an object"
        assert not any(other.startswith(f"{key}/") for other in self.objects), f"{key!r} is a folder"
        self.objects[key] = bytes(data)

    def listing(self, bucket: str, prefix: str, *, recursive: bool = True) -> Iterator[ObjectInfo]:
        found = [key for key in sorted(self.objects) if key.startswith(prefix)]
        if not recursive:
            cut = [(key, key.find("/", len(prefix))) for key in found]
            found = sorted({key if at < 0 else key[: at + 1] for key, at in cut})
        return iter([ObjectInfo(key, len(self.objects.get(key, b""))) for key in found])

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        for key in list(keys):
            self.objects.pop(key, None)
