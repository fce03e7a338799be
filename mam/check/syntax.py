"""Reads playlists leniently, and checks their text (RFC 8216 section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from mam.check.report import Finding, error, note

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^,"]*)')
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?$")
MEDIA_TAGS = {
    "EXTINF", "EXT-X-BYTERANGE", "EXT-X-DISCONTINUITY", "EXT-X-KEY", "EXT-X-MAP", "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE", "EXT-X-I-FRAMES-ONLY", "EXT-X-GAP", "EXT-X-BITRATE",
}  # fmt: skip
MULTIVARIANT_TAGS = {
    "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-MEDIA", "EXT-X-SESSION-DATA", "EXT-X-SESSION-KEY",
}  # fmt: skip
ONCE = (
    "EXTM3U", "EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-PLAYLIST-TYPE", "EXT-X-ENDLIST", "EXT-X-I-FRAMES-ONLY", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A tag with its value, or a URI (`tag` empty)."""

    tag: str
    value: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment. `duration`: EXTINF, seconds. `map`: URI of its EXT-X-MAP. `whole`: no byte range, no encryption."""

    uri: str
    duration: Fraction
    map: str | None = None
    discontinuity: bool = False
    whole: bool = True


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    target: int  # EXT-X-TARGETDURATION (required); 0 when there is none
    segments: tuple[Segment, ...]
    independent: bool = False  # EXT-X-INDEPENDENT-SEGMENTS
    i_frames_only: bool = False  # EXT-X-I-FRAMES-ONLY
    discontinuity_sequence: int = 0  # EXT-X-DISCONTINUITY-SEQUENCE

    @property
    def duration(self) -> Fraction:
        return sum((segment.duration for segment in self.segments), Fraction(0))


@dataclass(frozen=True, slots=True)
class Variant:
    """EXT-X-STREAM-INF or EXT-X-I-FRAME-STREAM-INF."""

    uri: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class MultivariantPlaylist:
    variants: tuple[Variant, ...]
    renditions: tuple[dict[str, str], ...] = ()  # EXT-X-MEDIA: attributes
    i_frames: tuple[Variant, ...] = ()
    independent: bool = False  # EXT-X-INDEPENDENT-SEGMENTS


def lines(text: str) -> list[Line]:
    """Tags and URIs, in order, without comments and empty lines."""
    result = []
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip()
        if line.startswith("#EXT"):
            tag, _, value = line[1:].partition(":")
            result.append(Line(tag, value))
        elif line and not line.startswith("#"):
            result.append(Line("", line))
    return result


def attributes(value: str) -> dict[str, str]:
    """An attribute list (RFC 8216 section 4.2), without quotation marks."""
    return {name: text.strip().strip('"') for name, text in _ATTRIBUTE.findall(value)}


def is_multivariant(text: str) -> bool:
    return any(line.tag in MULTIVARIANT_TAGS for line in lines(text))


def read_media(text: str) -> MediaPlaylist:
    """Reads a media playlist leniently: no tag is required."""
    segments: list[Segment] = []
    target, sequence, duration, section = 0, 0, Fraction(0), None
    discontinuity = ranged = encrypted = False
    playlist_lines = lines(text)
    for line in playlist_lines:
        if line.tag == "EXTINF":
            duration = _seconds(line.value.partition(",")[0])
        elif line.tag == "EXT-X-TARGETDURATION":
            target = int(line.value) if line.value.isdecimal() else 0
        elif line.tag == "EXT-X-DISCONTINUITY-SEQUENCE":
            sequence = int(line.value) if line.value.isdecimal() else 0
        elif line.tag == "EXT-X-MAP":
            section = attributes(line.value).get("URI")
            ranged = ranged or "BYTERANGE" in attributes(line.value)
        elif line.tag == "EXT-X-KEY":
            encrypted = attributes(line.value).get("METHOD") != "NONE"
        elif line.tag == "EXT-X-BYTERANGE":
            ranged = True
        elif line.tag == "EXT-X-DISCONTINUITY":
            discontinuity = True
        elif not line.tag:
            segments.append(Segment(line.value, duration, section, discontinuity, not (ranged or encrypted)))
            duration, discontinuity, ranged = Fraction(0), False, False
    tags = {line.tag for line in playlist_lines}
    independent, i_frames_only = "EXT-X-INDEPENDENT-SEGMENTS" in tags, "EXT-X-I-FRAMES-ONLY" in tags
    return MediaPlaylist(target, tuple(segments), independent, i_frames_only, sequence)


def read_multivariant(text: str) -> MultivariantPlaylist:
    variants, renditions, i_frames = [], [], []
    playlist_lines = lines(text)
    for number, line in enumerate(playlist_lines):
        if line.tag == "EXT-X-STREAM-INF":
            following = playlist_lines[number + 1] if number + 1 < len(playlist_lines) else Line("", "")
            variants.append(Variant("" if following.tag else following.value, attributes(line.value)))
        elif line.tag == "EXT-X-MEDIA":
            renditions.append(attributes(line.value))
        elif line.tag == "EXT-X-I-FRAME-STREAM-INF":
            values = attributes(line.value)
            i_frames.append(Variant(values.get("URI", ""), values))
    independent = any(line.tag == "EXT-X-INDEPENDENT-SEGMENTS" for line in playlist_lines)
    return MultivariantPlaylist(tuple(variants), tuple(renditions), tuple(i_frames), independent)


def _seconds(text: str) -> Fraction:
    return Fraction(text.strip()) if _DECIMAL.match(text.strip()) else Fraction(0)


def syntax(data: bytes, where: str) -> Iterator[Finding]:
    """The rules of a playlist's text."""
    if data.startswith(b"\xef\xbb\xbf"):
        yield error("encoding", where, "It begins with a byte order mark.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        yield error("encoding", where, "It is not UTF-8.")
        text = data.decode("utf-8", "replace")
    if text.removeprefix("\ufeff").partition("\n")[0].rstrip("\r") != "#EXTM3U":
        yield error("header", where, "Its first line is not #EXTM3U.")
    playlist_lines = lines(text)
    tags = [line.tag for line in playlist_lines]
    for tag in ONCE:
        if tags.count(tag) > 1:
            yield error("repeated-tag", where, f"{tag} stands in it {tags.count(tag)} times.")
    if MULTIVARIANT_TAGS & set(tags):
        if mixed := MEDIA_TAGS & set(tags):
            yield error("mixed", where, f"It lists playlists, and has {', '.join(sorted(mixed))}.")
    else:
        yield from _media_syntax(playlist_lines, read_media(text), where)
    yield from _version(playlist_lines, where)


def _version(playlist_lines: list[Line], where: str) -> Iterator[Finding]:
    values = [line.value for line in playlist_lines if line.tag == "EXT-X-VERSION"]
    if any(not value.isdecimal() for value in values):
        yield error("version", where, f"EXT-X-VERSION:{values[0]} is no integer.")
        return
    version = int(values[0]) if values else 1
    needed, reason = needed_version(playlist_lines)
    if version < needed:
        yield error("version", where, f"EXT-X-VERSION is {version}, {reason} needs {needed}.")


def needed_version(playlist_lines: list[Line]) -> tuple[int, str]:
    """The protocol version that a playlist needs (RFC 8216 section 7), and the feature that needs it."""
    tags = {line.tag for line in playlist_lines}
    needs = [(1, "nothing")]
    if any(line.tag == "EXTINF" and "." in line.value.partition(",")[0] for line in playlist_lines):
        needs.append((3, "a decimal EXTINF"))
    needs += [(4, tag) for tag in ("EXT-X-BYTERANGE", "EXT-X-I-FRAMES-ONLY") if tag in tags]
    if "EXT-X-MAP" in tags:
        needs.append((5 if "EXT-X-I-FRAMES-ONLY" in tags else 6, "EXT-X-MAP"))
    if any(line.tag == "EXT-X-KEY" and "SAMPLE-AES" in line.value for line in playlist_lines):
        needs.append((5, "SAMPLE-AES"))
    if "EXT-X-DEFINE" in tags:
        needs.append((8, "EXT-X-DEFINE"))
    return max(needs)


def _media_syntax(playlist_lines: list[Line], playlist: MediaPlaylist, where: str) -> Iterator[Finding]:
    tags = [line.tag for line in playlist_lines]
    yield from _target(playlist_lines, playlist, where)
    if "EXT-X-PLAYLIST-TYPE" not in tags or Line("EXT-X-PLAYLIST-TYPE", "VOD") not in playlist_lines:
        yield error("vod", where, "It is not EXT-X-PLAYLIST-TYPE:VOD.")
    if "EXT-X-ENDLIST" not in tags:
        yield error("endlist", where, "It has no EXT-X-ENDLIST: players wait for more.")
    if not playlist.segments:
        yield error("segments", where, "It lists no segment.")
    uris, listed = tags.count(""), tags.count("EXTINF")
    if uris != listed:
        yield error("segments", where, f"It has {uris} URIs and {listed} EXTINF.")
    for number, segment in enumerate(playlist.segments):
        if segment.duration <= 0:
            yield error("segments", f"{where} segment {number}", "Its EXTINF is no positive number.")
    if not all(segment.whole for segment in playlist.segments):
        yield note("unsupported", where, "Byte ranges and encrypted segments are not measured.")


def _target(playlist_lines: list[Line], playlist: MediaPlaylist, where: str) -> Iterator[Finding]:
    values = [line.value for line in playlist_lines if line.tag == "EXT-X-TARGETDURATION"]
    if not values:
        yield error("target-duration", where, "It has no EXT-X-TARGETDURATION.")
    elif not values[0].isdecimal():
        yield error("target-duration", where, f"EXT-X-TARGETDURATION:{values[0]} is no integer.")
    elif not playlist.target:
        yield error("target-duration", where, "EXT-X-TARGETDURATION is 0.")
    else:
        for number, segment in enumerate(playlist.segments):
            if int(segment.duration + Fraction(1, 2)) > playlist.target:
                yield error(
                    "target-duration", f"{where} segment {number}",
                    f"Its EXTINF of {float(segment.duration):.3f} s exceeds the target duration, {playlist.target} s.",
                )  # fmt: skip
