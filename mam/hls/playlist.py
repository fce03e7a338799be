"""Playlists of RFC 8216: rendered from a plan, and rewritten with other URIs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from mam.errors import MamError
from mam.hls.timeline import MICROSECONDS, Timeline

CONTENT_TYPE = "application/vnd.apple.mpegurl"
TYPES = {"ts": "video/mp2t", "m4s": "video/mp4", "mp4": "video/mp4", "vtt": "text/vtt"}  # Content types by extension.
VERSION = 3  # decimal EXTINF
MAP_VERSION = 6  # EXT-X-MAP
_URI_ATTRIBUTE = re.compile(r'(?<=[:,])URI="([^"\r\n]*)"')
_EXTINF = re.compile(r"#EXTINF:\s*([0-9]+(?:\.[0-9]+)?)")


class InvalidPlaylist(MamError):
    status, code, title = 502, "invalid_playlist", "The playlist in the VoD bucket cannot be served"
    hint = "Convert the video again (POST /transcode), or repair its index.m3u8."


def render(timeline: Timeline, uris: Iterable[str], *, init: str = "") -> str:
    """The media playlist of a whole video (RFC 8216 section 4.3), one URI per segment. `init`: the URI of EXT-X-MAP."""
    durations = list(timeline.durations())
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{MAP_VERSION if init else VERSION}",
        f"#EXT-X-TARGETDURATION:{target_duration(durations)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *([f'#EXT-X-MAP:URI="{init}"'] if init else []),
    ]
    for duration, uri in zip(durations, uris, strict=True):
        lines += (f"#EXTINF:{duration // MICROSECONDS}.{duration % MICROSECONDS:06d},", uri)
    lines += ("#EXT-X-ENDLIST", "")
    return "\n".join(lines)


def target_duration(durations: Iterable[int]) -> int:
    """EXT-X-TARGETDURATION (required), of durations in microseconds.

    No EXTINF, rounded to the nearest integer, exceeds it; it is at least 1, which players demand.
    """
    return max(1, (max(durations) + MICROSECONDS // 2) // MICROSECONDS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One URI of a playlist: that of a segment or variant (`attribute` false) or of a tag such as EXT-X-MAP."""

    uri: str
    attribute: bool


def _lines(text: str) -> list[str]:
    text = text.removeprefix("\ufeff")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if not lines or lines[0].rstrip() != "#EXTM3U":
        raise InvalidPlaylist("It does not begin with #EXTM3U.")
    return lines


def is_multivariant(text: str) -> bool:
    """Whether the playlist lists other playlists (RFC 8216 section 4.3.4)."""
    return any(line.startswith(("#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:")) for line in _lines(text))


def entries(text: str) -> Iterator[Entry]:
    """Every URI in the playlist, in order."""
    for line in _lines(text):
        if line.startswith("#EXT"):
            for uri in attribute_uris(line):
                yield Entry(uri, attribute=True)
        elif line and not line.startswith("#"):
            yield Entry(line.strip(), attribute=False)


def attribute_uris(line: str) -> list[str]:
    """The URIs that a line names in attributes; none where it is no tag."""
    return _URI_ATTRIBUTE.findall(line) if line.startswith("#EXT") else []


def rewrite(text: str, replace: Callable[[str], str]) -> str:
    """A playlist with every URI replaced. Raises InvalidPlaylist for another text."""
    result = []
    for line in _lines(text):
        if line.startswith("#EXT"):
            result.append(_URI_ATTRIBUTE.sub(lambda match: f'URI="{replace(match[1])}"', line))
        elif line and not line.startswith("#"):
            result.append(replace(line.strip()))
        else:
            result.append(line)
    return "\n".join(result)


def duration(text: str) -> float:
    """Seconds of a media playlist: the sum of its EXTINF."""
    return sum(float(seconds) for seconds in _EXTINF.findall(text))


def resolve(folder: str, uri: str) -> str | None:
    """The object key of a relative URI in a playlist in `folder`; None for an absolute URL.

    Raises InvalidPlaylist when it leaves the folder: a playlist's author must not choose which objects are signed.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InvalidPlaylist(f"It names {uri[:200]!r}, which is no URI.") from error
    if parts.scheme or parts.netloc:
        return None
    path = normpath(unquote(parts.path))
    if not parts.path or path.startswith(("/", "../")) or path in (".", "..") or "\x00" in path:
        raise InvalidPlaylist(f"It names {uri[:200]!r}, which lies outside the video's folder.")
    return f"{folder}/{path}"


def rendition_names(text: str) -> dict[str, str]:
    """The media playlists that a multivariant playlist lists: name to URI.

    A name is the folder of an `index.m3u8`, else the file's stem (`720p/index.m3u8` and `720p.m3u8` are both `720p`);
    where two names would be the same, the URI itself.
    """
    uris = list(dict.fromkeys(entry.uri for entry in entries(text)))
    short = [_short_name(uri) for uri in uris]
    return {name if short.count(name) == 1 else uri: uri for name, uri in zip(short, uris, strict=True)}


def _short_name(uri: str) -> str:
    folder, _, name = unquote(urlsplit(uri).path).rpartition("/")
    base = name.rpartition(".")[0] or name
    return folder.rpartition("/")[2] if folder and base in ("index", "playlist", "prog_index", "main") else base
