"""The playlists of a plan: media playlists and the multivariant playlist."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise

from mam.hls import ladder, playlist
from mam.hls.plan import Plan
from mam.hls.playlist import MAP_VERSION, VERSION
from mam.hls.rates import Rate
from mam.hls.renditions import Rendition
from mam.naming import INIT, segment_name

AUDIO, SUBTITLES = "audio", "subtitles"  # GROUP-ID
UNKNOWN = "und"
STREAM_INF = "#EXT-X-STREAM-INF:"
_BANDWIDTH = re.compile(r"(?<=[:,])BANDWIDTH=([0-9]+)")
_AVERAGE = re.compile(r"AVERAGE-BANDWIDTH=([0-9]+)")
NOT_QUOTABLE = str.maketrans({'"': "'", "\r": " ", "\n": " "})  # RFC 8216 section 4.2


def render(plan: Plan, uri: Callable[[Rendition], str], variants: Mapping[str, str]) -> str:
    """The multivariant playlist (RFC 8216 section 4.3.4). `uri`: of a rendition; `variants`: as from `variants`."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{MAP_VERSION if plan.has_init(plan.renditions[0]) else VERSION}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *(_media("AUDIO", AUDIO, rendition, uri(rendition)) for rendition in _sounds(plan)),
        *(_media("SUBTITLES", SUBTITLES, rendition, uri(rendition)) for rendition in _texts(plan)),
    ]
    for name, line in variants.items():
        lines += [line, uri(plan.named(name))]
    return "\n".join([*lines, ""])


def variants(plan: Plan, rates: Mapping[str, Rate]) -> dict[str, str]:
    """EXT-X-STREAM-INF of each picture, with any of the sounds and subtitles beside it; of a video without a picture
    that of its first sound. `rates`: by rendition name.
    """
    pictures = [r for r in plan.renditions if r.video] or plan.renditions[:1]
    return {
        picture.name: _variant(picture, [r for r in _sounds(plan) if r is not picture], _texts(plan), rates)
        for picture in pictures
    }


def variants_of(text: str) -> dict[str, str]:
    """EXT-X-STREAM-INF of each variant that a multivariant playlist lists, by the variant's URI."""
    lines = text.splitlines()
    return {uri: line for line, uri in pairwise(lines) if line.startswith(STREAM_INF)}


def ordered(variants: Mapping[str, str], at_once: Collection[str]) -> dict[str, str]:
    """The variants of a ladder: first the one that a player had best begin with, of an average near START_RATE, then
    by bit rate.

    `at_once`: those whose segments exist or are only copied. They are preferred, unless they need a fast line.
    """
    peaks = {name: int(_BANDWIDTH.findall(line)[0]) for name, line in variants.items()}
    averages = {name: int(_AVERAGE.findall(line)[0]) for name, line in variants.items()}
    quick = [name for name in variants if name in at_once and averages[name] <= ladder.MOST_AT_START]
    first = min(quick or variants, key=lambda name: abs(averages[name] - ladder.START_RATE))
    return {name: variants[name] for name in sorted(variants, key=lambda name: (name != first, -peaks[name]))}


def _sounds(plan: Plan) -> list[Rendition]:
    main = plan.renditions[0]
    return [] if main.audio and main.video else [r for r in plan.renditions if r.audio and not r.video]


def _texts(plan: Plan) -> list[Rendition]:
    return [r for r in plan.renditions if r.subtitles]


def _variant(
    picture: Rendition, sounds: Sequence[Rendition], texts: Sequence[Rendition], rates: Mapping[str, Rate]
) -> str:
    groups = [[rates[r.name] for r in group] for group in ([picture], sounds, texts)]
    attributes = [
        f"BANDWIDTH={sum(max((rate.peak for rate in group), default=0) for group in groups)}",
        f"AVERAGE-BANDWIDTH={sum(max((rate.average for rate in group), default=0) for group in groups)}",
        f'CODECS="{_codecs([picture, *sounds])}"',
    ]
    if picture.video:
        attributes += [
            f"RESOLUTION={picture.video.width}x{picture.video.height}",
            f"FRAME-RATE={picture.video.frame_rate:.3f}",
        ]
        if picture.video.video_range != "SDR":
            attributes.append(f"VIDEO-RANGE={picture.video.video_range}")
        if picture.video.captions is False:  # else Shaka reads three segments in search of some before it plays
            attributes.append("CLOSED-CAPTIONS=NONE")
    if sounds:
        attributes.append(f'AUDIO="{AUDIO}"')
    if texts:
        attributes.append(f'SUBTITLES="{SUBTITLES}"')
    return f"{STREAM_INF}{','.join(attributes)}"


def media_playlist(plan: Plan, rendition: Rendition, base: str) -> str:
    """The playlist of a rendition. `base`: the prefix of its files' names: a folder or route, or ''."""
    numbers = range(len(plan.timeline))
    uris = (base + segment_name(number, plan.extension(rendition)) for number in numbers)
    return playlist.render(plan.timeline, uris, init=base + INIT if plan.has_init(rendition) else "")


def unique_name(name: str, taken: set[str]) -> str:
    """A NAME that differs from those `taken`: it must be unique in its group (RFC 8216 section 4.3.4.1.1)."""
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name} {number}", number + 1
    taken.add(candidate)
    return candidate


def _codecs(renditions: Sequence[Rendition]) -> str:
    """CODECS (RFC 6381) of a variant and all renditions that may be played with it."""
    return ",".join(dict.fromkeys(track.codecs for r in renditions for track in r.tracks if track.codecs))


def _media(kind: str, group: str, rendition: Rendition, uri: str) -> str:
    """EXT-X-MEDIA, RFC 8216 section 4.3.4.1."""
    attributes = [f"TYPE={kind}", f'GROUP-ID="{group}"', f'NAME="{_quotable(rendition.title or rendition.name)}"']
    # Apple's authoring specification, 8.10, demands LANGUAGE; "und" is RFC 5646's tag for an unknown one.
    attributes.append(f'LANGUAGE="{rendition.language or UNKNOWN}"')
    attributes += [f"DEFAULT={_yes(rendition.default)}", "AUTOSELECT=YES"]
    if rendition.subtitles:
        attributes.append(f"FORCED={_yes(rendition.forced)}")
    if rendition.characteristics:
        attributes.append(f'CHARACTERISTICS="{_quotable(rendition.characteristics)}"')
    if rendition.audio:
        attributes.append(f'CHANNELS="{rendition.audio.channels}"')
    return f'#EXT-X-MEDIA:{",".join(attributes)},URI="{uri}"'


def _quotable(text: str) -> str:
    return text.translate(NOT_QUOTABLE)


def _yes(value: bool) -> str:
    return "YES" if value else "NO"
