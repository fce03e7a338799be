"""The built scripts and styles: their names hold a digest of their content, and the build compresses them."""

from __future__ import annotations

import json
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import Response

from mam.errors import NotFound

FOLDER = Path(__file__).with_name("dist")  # mam/web/ui/build.mjs writes it.
NAME = re.compile(r"[A-Za-z0-9._-]+")
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))  # The better encoding comes first.
_NAMED_BY_CONTENT = re.compile(r".+-([A-Z0-9]{8}|[0-9.]+)\.[a-z]+")
_FOREVER, _A_WHILE = "public, max-age=31536000, immutable", "public, max-age=3600"
_REFUSED = re.compile(r";\s*q=0(\.0*)?\s*$")
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class NotBuilt(NotFound):
    code, title = "pages_not_built", "The pages have not been built"
    hint = "Run `make pages`, or set WEB=0 for services without pages. The API works without them."


@dataclass(frozen=True, slots=True)
class Entry:
    """The files that a page loads first. `preloads`: the files that the script imports at once."""

    script: str
    styles: tuple[str, ...]
    preloads: tuple[str, ...]


class PageAssets:
    """The files of one build, each read once. A missing file is looked for again, because a build may follow."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._files: dict[str, bytes] = {}

    def entry(self, name: str) -> Entry:
        """The files that the page `name` loads. Raises NotBuilt."""
        files = self._manifest()[name]
        return Entry(files["script"], tuple(files["styles"]), tuple(files["preloads"]))

    def answer(self, name: str, accepts: str) -> Response:
        """A file in the best encoding that a client accepts. Raises NotFound."""
        if not NAME.fullmatch(name) or name == "manifest.json":
            raise NotFound(f"There is no file {name[:80]!r}.", hint="Load the page again: it names the files of today.")
        suffix = "." + name.rpartition(".")[2]
        media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        age = _FOREVER if _NAMED_BY_CONTENT.fullmatch(name) else _A_WHILE
        headers = {"Cache-Control": age, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        accepted = {part.partition(";")[0].strip() for part in accepts.split(",") if not _REFUSED.search(part)}
        for encoding, extension in _ENCODINGS:
            if encoding in accepted and (body := self._file(name + extension)) is not None:
                return Response(body, media_type=media_type, headers={**headers, "Content-Encoding": encoding})
        body = self._file(name)
        if body is None:
            raise NotFound(f"There is no file {name!r}.", hint="Load the page again: it names the files of today.")
        return Response(body, media_type=media_type, headers=headers)

    def _file(self, name: str) -> bytes | None:
        if name not in self._files:
            try:
                self._files[name] = (self._folder / name).read_bytes()
            except OSError:
                return None
        return self._files[name]

    def _manifest(self) -> dict[str, Any]:
        data = self._file("manifest.json")
        if data is None:
            raise NotBuilt("mam/web/dist has no manifest.json.")
        manifest: dict[str, Any] = json.loads(data)
        return manifest
