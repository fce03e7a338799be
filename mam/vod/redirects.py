"""The redirects of segments that were requested lately: the URL is the same for all requests of a period."""

from __future__ import annotations

from dataclasses import dataclass

from mam.cache.response import Headers
from mam.vod.pending_segments import redirect_period

MOST = 20_000  # So many redirects are kept; one more, and all are forgotten.
LONGEST = 3 << 10  # Paths of more bytes are not kept.


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to the store. `source`: the asset, `bucket/key`; `route`: the template that the path matches.

    `side`: the shorter side of the picture in pixels; 0 without a picture.
    """

    source: str
    route: str
    headers: Headers
    side: int


class Redirects:
    """The redirects of this process in the current period. A route adds what it found; the hot path sends it again."""

    def __init__(self) -> None:
        self._period = 0
        self._count = 0
        self._kept: dict[bytes, dict[bytes, Redirect]] = {}  # by the path of the rendition, and by file

    def get(self, raw_path: bytes) -> Redirect | None:
        folder, _, file = raw_path.rpartition(b"/")
        files = self._kept.get(folder)
        return files.get(file) if files and self._period == redirect_period() else None

    def keep(self, raw_path: bytes, url: str, *, source: str, route: str, side: int) -> None:
        if len(raw_path) > LONGEST:
            return
        period = redirect_period()
        if self._period != period or self._count >= MOST:
            self._kept.clear()
            self._period, self._count = period, 0
        folder, _, file = raw_path.rpartition(b"/")
        headers = [(b"location", url.encode()), (b"cache-control", b"no-store"), (b"content-length", b"0")]
        self._kept.setdefault(folder, {})[file] = Redirect(source, route, headers, side)
        self._count += 1

    def forget(self, revision: str) -> None:
        """Forgets the redirects to a revision whose segments may be gone."""
        ours = revision.encode()
        for folder in [folder for folder in self._kept if folder.split(b"/")[-2:-1] == [ours]]:
            del self._kept[folder]
