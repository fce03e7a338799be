"""Finds subtitle files beside an asset in its bucket, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mam.hls.languages import tag_of_a_word
from mam.naming import stem

FORMATS = ("vtt", "srt")  # The preferred format comes first.
# RFC 8216 section 4.3.4.1: subtitles for the deaf and hard of hearing.
SDH_CHARACTERISTICS = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
_SDH = frozenset({"sdh", "cc", "hi"})  # "hi" has this meaning after a language; alone it is Hindi.
_FORCED = frozenset({"forced"})
_MEDIA = frozenset({"3gp", "avi", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpg", "mxf", "qt", "ts", "webm", "wmv"})


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A subtitle file. `language`: a BCP 47 tag, empty when the name has none."""

    key: str
    language: str  # LANGUAGE
    forced: bool = False  # FORCED=YES
    sdh: bool = False  # for the deaf and hard of hearing: speech and described sounds

    @property
    def characteristics(self) -> str:
        """CHARACTERISTICS (optional): empty for none."""
        return SDH_CHARACTERISTICS if self.sdh else ""


def prefix(asset: str) -> str:
    """The prefix of the keys of an asset's sidecars: `courses/intro.mp4` -> `courses/intro.`."""
    return stem(asset) + "."


def base(key: str) -> str:
    """A sidecar's name without language, uses and format: `courses/intro.en.sdh.srt` -> `courses/intro`.

    Without its asset this is a guess: `Mr.No.srt` may be the Norwegian subtitles of `Mr`.
    """
    folder, slash, name = key.rpartition("/")
    words = name.split(".")
    for first in range(1, len(words) - 1):
        suffix = [word.lower() for word in words[first:-1]]
        if "".join(words[:first]).strip() and _language_and_uses(suffix[suffix[0] in _MEDIA :]) is not None:
            return folder + slash + ".".join(words[:first])
    return stem(key)


def sidecars(asset: str, keys: Iterable[str]) -> list[Sidecar]:
    """The sidecars of an asset, at most one per language and use, in an order that does not depend on that of `keys`.

    `keys`: those of objects that begin with `prefix(asset)`. Assets that differ only in their extension share a
    sidecar, unless its name has the extension (`intro.mp4.srt`). Such a sidecar precedes others, and WebVTT precedes
    SubRip.
    """
    listed = sorted(set(keys) - {asset})
    longer = tuple(prefix(key) for key in listed if _extension(key) in _MEDIA and prefix(key) != prefix(asset))
    best: dict[tuple[str, bool, bool], tuple[tuple[int, int], Sidecar]] = {}
    for key in listed:
        if not key.startswith(prefix(asset)) or key.startswith(
            longer
        ):  # intro.en.srt belongs to intro.en.mp4 where that exists
            continue
        candidate = _read(asset, key)
        if candidate is None:
            continue
        rank, sidecar = candidate
        use = (sidecar.language, sidecar.forced, sidecar.sdh)
        if use not in best or rank < best[use][0]:
            best[use] = candidate
    return [best[use][1] for use in sorted(best)]


def _read(asset: str, key: str) -> tuple[tuple[int, int], Sidecar] | None:
    """(rank, sidecar) of a key of the form `[extension.][language.][uses.]format`; None for others."""
    *words, form = key.removeprefix(prefix(asset)).lower().split(".")
    if form not in FORMATS:
        return None
    has_extension = words[:1] == [_extension(asset)]
    language_and_uses = _language_and_uses(words[has_extension:])
    if language_and_uses is None:
        return None
    language, uses = language_and_uses
    sidecar = Sidecar(key, language, forced=bool(uses & _FORCED), sdh=bool(uses & _SDH))
    return (not has_extension, FORMATS.index(form)), sidecar


def _language_and_uses(words: list[str]) -> tuple[str, set[str]] | None:
    """(language, uses) from `[language.][uses]`; None for other words."""
    language = tag_of_a_word(words[0]) if words and words[0] not in _MEDIA else ""
    uses = set(words[1:] if language else words)
    return None if uses - _SDH - _FORCED else (language, uses)


def _extension(key: str) -> str:
    return key.removeprefix(prefix(key)).lower()
