"""What an upload is called and cut into: cleaned names, names beside those that are taken, sizes of parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mam.errors import InvalidName, UnsupportedFile
from mam.hls.sidecars import FORMATS, base
from mam.naming import MEDIA_TYPES, Asset, check_key, extension, stem, video_names

MIB = 1 << 20
SMALLEST_PART = 8 * MIB  # S3 demands 5; a part is also what is sent again after a broken connection
PARTS = 2000  # about so many at most: S3 allows 10,000
MAX_NAME_BYTES = 255  # of one folder or file where the store keeps them as such
OTHER_NAMES = 200  # are tried before giving up
EXTENSIONS = tuple(sorted((*MEDIA_TYPES, *FORMATS)))  # what is taken
_SIDECAR_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt"}
_PLAYABLE = re.compile(r"(?:video|audio)/[a-z0-9][a-z0-9.+-]{0,63}")
_DROPPED = {"Cc", "Cs", "Zl", "Zp"}  # controls, surrogates, line and paragraph separators
_TURNING = frozenset(
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)  # gpj.exe shows as exe.jpg


def part_size(size: int) -> int:
    """Bytes of each part but the last: whole MiB, 8 at least, so that there are about 2,000 parts at most."""
    wanted = -(-size // PARTS)
    return max(SMALLEST_PART, -(-wanted // MIB) * MIB)


def part_sizes(size: int, part: int) -> list[int]:
    """The size of each part of a file, in order."""
    whole, rest = divmod(size, part)
    return [part] * whole + [rest] * (rest > 0)


def clean_name(name: str) -> str:
    """A file's name as it becomes part of a key. Raises InvalidName, UnsupportedFile.

    Of a path the last part; composed (NFC), because a Mac's name would be another object than what people type.
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

    Those of subtitles stand where those of their medium would: `a (2).en.srt` is of `a (2).mp4`.
    """
    yield name
    start = base(name) if is_sidecar(name) else stem(name)
    for number in range(2, OTHER_NAMES):
        yield f"{start} ({number}){name.removeprefix(start)}"


def check(asset: Asset) -> None:
    """Raises InvalidName unless the asset, and the video that is made of it, can be called so."""
    check_key(asset.key)
    if is_media(asset.key):
        video_names(asset)


def is_media(key: str) -> bool:
    return extension(key) in MEDIA_TYPES


def is_sidecar(key: str) -> bool:
    return extension(key) in FORMATS


def claim(key: str) -> str:
    """What two uploads may not both have: media their stem, others their key.

    `a.mov` beside `a.mp4` would share its subtitles and its title, and its video would be called by a hash.
    """
    return stem(key) if is_media(key) else key


def content_type(name: str, wanted: str) -> str:
    """The type that the object gets: what the client says where that is a video or sound, else by the extension.

    Not just anything: the store would hand it out as a page of its own origin.
    """
    known = extension(name)
    if known in MEDIA_TYPES:
        return wanted if _PLAYABLE.fullmatch(wanted) else MEDIA_TYPES[known]
    return _SIDECAR_TYPES[known]


def _clean(part: str) -> str:
    composed = unicodedata.normalize("NFC", part)
    kept = (c for c in composed if unicodedata.category(c) not in _DROPPED and c not in _TURNING)
    return "".join(kept).replace("\\", "_").strip()


def _check_part(part: str) -> None:
    check_key(part)
    if len(part.encode()) > MAX_NAME_BYTES:
        raise InvalidName(f"{part[:80]!r} is longer than {MAX_NAME_BYTES} bytes.", hint="Give it a shorter name.")
