"""Names and part sizes of uploads: cleaned names, alternatives to taken names, sizes of parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mam.errors import InvalidName, UnsupportedFile
from mam.hls.sidecars import FORMATS, base
from mam.naming import MEDIA_TYPES, Asset, check_key, extension, stem, video_names

MIB = 1 << 20
SMALLEST_PART = 8 * MIB  # S3 demands 5 MiB; a whole part is sent again after a broken connection.
PARTS = 2000  # An upload has about this many parts at most: S3 allows 10,000.
MAX_NAME_BYTES = 255  # File systems, in which stores may keep objects, allow this much for one name.
OTHER_NAMES = 200  # This many names are tried for a file.
EXTENSIONS = tuple(sorted((*MEDIA_TYPES, *FORMATS)))  # Files with these extensions are accepted.
_SIDECAR_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt"}
_PLAYABLE = re.compile(r"(?:video|audio)/[a-z0-9][a-z0-9.+-]{0,63}")
_DROPPED = {"Cc", "Cs", "Zl", "Zp"}  # controls, surrogates, line and paragraph separators
_TURNING = frozenset(
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)  # gpj.exe shows as exe.jpg


def part_size(size: int) -> int:
    """The size of every part but the last: whole MiB, 8 at least, so that there are about 2,000 parts at most."""
    wanted = -(-size // PARTS)
    return max(SMALLEST_PART, -(-wanted // MIB) * MIB)


def part_sizes(size: int, part: int) -> list[int]:
    """The size of each part of a file, in order."""
    whole, remainder = divmod(size, part)
    return [part] * whole + [remainder] * (remainder > 0)


def clean_name(name: str) -> str:
    """A file's name for use in a key: the last part of a path. Raises InvalidName, UnsupportedFile.

    It is composed (NFC): a decomposed name from a Mac would be another object than the name that people type.
    """
    cleaned = _clean(re.split(r"[/\\]", name)[-1])
    if not is_media(cleaned) and not is_sidecar(cleaned):
        known = ", ".join(f".{known}" for known in EXTENSIONS)
        raise UnsupportedFile(f"{cleaned[:200]!r} is none of {known}.")
    _check_part(cleaned)
    return cleaned


def clean_folder(folder: str) -> str:
    """`courses/2024/`, or nothing. Raises InvalidName."""
    parts = [_clean(part) for part in folder.strip("/").split("/")] if folder.strip("/") else []
    for part in parts:
        _check_part(part)
    return "".join(f"{part}/" for part in parts)


def other_names(name: str) -> Iterator[str]:
    """The name itself, then with numbers: `a.mp4`, `a (2).mp4`, `a (3).mp4` ...

    In names of subtitles the number follows the name of their medium: `a (2).en.srt` belongs to `a (2).mp4`.
    """
    yield name
    start = base(name) if is_sidecar(name) else stem(name)
    for number in range(2, OTHER_NAMES):
        yield f"{start} ({number}){name.removeprefix(start)}"


def check(asset: Asset) -> None:
    """Raises InvalidName unless the name is valid for the asset and for its video."""
    check_key(asset.key)
    if is_media(asset.key):
        video_names(asset)


def is_media(key: str) -> bool:
    return extension(key) in MEDIA_TYPES


def is_sidecar(key: str) -> bool:
    return extension(key) in FORMATS


def claim(key: str) -> str:
    """The part of a key that two uploads may not share: the stem of media, the whole key of other files.

    `a.mov` beside `a.mp4` would share its subtitles and title, and its video's name would need a hash.
    """
    return stem(key) if is_media(key) else key


def content_type(name: str, requested: str) -> str:
    """The object's content type: the client's where that is a video or audio type, else by the extension.

    Other types are refused: the store would serve a page from its own origin.
    """
    suffix = extension(name)
    if suffix in MEDIA_TYPES:
        return requested if _PLAYABLE.fullmatch(requested) else MEDIA_TYPES[suffix]
    return _SIDECAR_TYPES[suffix]


def _clean(part: str) -> str:
    composed = unicodedata.normalize("NFC", part)
    kept = (c for c in composed if unicodedata.category(c) not in _DROPPED and c not in _TURNING)
    return "".join(kept).replace("\\", "_").strip()


def _check_part(part: str) -> None:
    check_key(part)
    if len(part.encode()) > MAX_NAME_BYTES:
        raise InvalidName(f"{part[:80]!r} is longer than {MAX_NAME_BYTES} bytes.", hint="Give it a shorter name.")
