"""The folders that assets lie in, as far as their keys make them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mam.library.entries import Entry, fold, natural


@dataclass(frozen=True, slots=True)
class Folder:
    """`path`: ends in a slash; '' for a whole bucket. `assets`: how many lie below; None where that is not known."""

    bucket: str
    path: str
    assets: int | None

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2] or self.bucket


class Folders:
    """Each folder with what is in it, kept in step entry by entry. Who shares it between threads needs a lock."""

    def __init__(self) -> None:
        self._below: Counter[tuple[str, str]] = Counter()  # assets below each folder
        self._inner: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # the folders directly in each

    def count(self, entry: Entry, by: int) -> None:
        """An entry has come (1) or gone (-1)."""
        path = entry.folder
        while True:
            place = (entry.bucket, path)
            self._below[place] += by
            if not path:
                break
            above = path[: path.rfind("/", 0, -1) + 1]
            if self._below[place]:
                self._inner[entry.bucket, above].add(path)
            else:
                self._inner[entry.bucket, above].discard(path)
                del self._below[place]
            path = above

    def within(self, buckets: Iterable[str], folder: str) -> list[Folder]:
        """Those directly in a folder, by name; each bucket, where there are several at their top."""
        buckets = sorted(buckets)
        if len(buckets) > 1 and not folder:
            return [Folder(name, "", self._below[name, ""]) for name in buckets]
        paths = ((bucket, path) for bucket in buckets for path in self._inner.get((bucket, folder), ()))
        found = [Folder(bucket, path, self._below[bucket, path]) for bucket, path in paths]
        return sorted(found, key=lambda each: (natural(fold(each.name)), each.bucket, each.path))


def below(prefixes: tuple[str, ...], folders: Iterable[Folder]) -> list[Folder]:
    """The folders in which assets with one of the prefixes may lie. What else is in a folder is not counted out."""
    shown = []
    for folder in folders:
        path = f"{folder.bucket}/{folder.path}"
        if path.startswith(prefixes):
            shown.append(folder)
        elif any(prefix.startswith(path) for prefix in prefixes):
            shown.append(replace(folder, assets=None))
    return shown
