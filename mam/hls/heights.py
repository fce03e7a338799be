"""How high pictures are: the shorter side of each rendition, in plans and in playlists, and what is left below a limit.

The shorter side is what people call the height of a picture, whichever way it lies: 720p.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mam.hls import playlist
from mam.hls.plan import Plan

NO_LIMIT = 0
UNKNOWN = 1 << 30  # A picture whose size is not told exceeds every limit.
ALONE = ""  # The name of a media playlist that no multivariant playlist lists.

_RESOLUTION = re.compile(r"(?<=[:,])RESOLUTION=([0-9]+)x([0-9]+)")
_CODECS = re.compile(r'(?<=[:,])CODECS="([^"\r\n]*)"')
_VIDEO_GROUP = re.compile(r'(?<=[:,])(?:GROUP-ID|VIDEO)="([^"\r\n]*)"')
_SOUNDS = ("mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "stpp", "wvtt")  # CODECS of what is no picture
_VARIANT, _IMAGES, _MEDIA = "#EXT-X-STREAM-INF:", "#EXT-X-I-FRAME-STREAM-INF:", "#EXT-X-MEDIA:"

Sides = Mapping[str, int]  # The shorter side in pixels by rendition; without renditions that have no picture.


def fits(side: int, most: int) -> bool:
    """Whether a picture keeps to a limit. `side`: 0 without a picture. `most`: NO_LIMIT for any picture."""
    return not most or side <= most


def fitting(variants: Mapping[str, str], sides: Sides, most: int) -> dict[str, str]:
    """The variants that keep to a limit, by rendition."""
    return {name: line for name, line in variants.items() if fits(sides.get(name, 0), most)}


def of_plan(plan: Plan) -> dict[str, int]:
    """The sides of a plan's renditions."""
    return {r.name: min(r.video.width, r.video.height) for r in plan.renditions if r.video}


def of_playlist(text: str) -> dict[str, int]:
    """The sides that a playlist tells, by the names of `playlist.rendition_names`; of a media playlist: ALONE.

    Raises InvalidPlaylist.
    """
    if not playlist.is_multivariant(text):
        return {ALONE: UNKNOWN}
    sides = _listed([line.rstrip("\r") for line in text.split("\n")])
    return {name: side for name, uri in playlist.rendition_names(text).items() if (side := sides.get(uri, 0))}


def below(text: str, sides: Sides, most: int) -> str:
    """A multivariant playlist without the pictures that exceed a limit. Sounds and subtitles stay.

    `sides`: by the names of `playlist.rendition_names`. Raises InvalidPlaylist for another text.
    """
    left_out = {uri for name, uri in playlist.rendition_names(text).items() if not fits(sides.get(name, 0), most)}
    kept: list[str] = []
    variant: list[str] = []  # the tag of a variant, whose URI follows
    for line in text.split("\n"):
        if line.startswith(_VARIANT):
            variant = [line]
        elif line.strip() and not line.startswith("#"):
            kept += [] if line.strip() in left_out else [*variant, line]
            variant = []
        elif left_out.isdisjoint(playlist.attribute_uris(line)):
            kept.append(line)
    return "\n".join(kept)


def _listed(lines: Iterable[str]) -> dict[str, int]:
    """The side of each URI that the lines of a multivariant playlist name. What is listed twice has the larger one."""
    lines, variant = list(lines), ""
    groups = _groups(lines)
    found: dict[str, int] = {}
    for line in lines:
        if line.startswith(_VARIANT):
            variant = line
        elif line.strip() and not line.startswith("#"):
            found[line.strip()] = max(found.get(line.strip(), 0), _side(variant))
            variant = ""
        for uri in playlist.attribute_uris(line):
            found[uri] = max(found.get(uri, 0), _side_of_tag(line, groups))
    return found


def _side_of_tag(line: str, groups: Mapping[str, int]) -> int:
    """The side of what a tag names by an attribute: pictures for seeking, or another angle; 0 for no picture."""
    if line.startswith(_IMAGES):
        return _side(line)
    if not line.startswith(_MEDIA) or "TYPE=VIDEO" not in line:
        return 0
    return max((groups.get(group, UNKNOWN) for group in _VIDEO_GROUP.findall(line)), default=UNKNOWN)


def _groups(lines: Iterable[str]) -> dict[str, int]:
    """The sides of groups of pictures (EXT-X-MEDIA of TYPE=VIDEO): those of the variants that they belong to."""
    found: dict[str, int] = {}
    for line in lines:
        if line.startswith(_VARIANT):
            for group in _VIDEO_GROUP.findall(line):
                found[group] = max(found.get(group, 0), _side(line))
    return found


def _side(tag: str) -> int:
    """The side that a variant's tag tells; 0 for one whose codecs are sounds, UNKNOWN for any other that tells none."""
    if size := _RESOLUTION.search(tag):
        return min(int(size[1]), int(size[2]))
    codecs = [codec.strip().lower() for found in _CODECS.findall(tag) for codec in found.split(",")]
    return 0 if codecs and all(codec.startswith(_SOUNDS) for codec in codecs) else UNKNOWN
