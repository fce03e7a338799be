"""The playlists of a plan: media playlists, the multivariant playlist, and its bit rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mam.hls import playlist
from mam.hls.plan import Plan, Rendition
from mam.hls.playlist import MAP_VERSION, VERSION, target_duration
from mam.hls.timeline import MICROSECONDS
from mam.naming import INIT, segment_name

AUDIO, SUBTITLES = "audio", "subtitles"  # GROUP-ID
UNKNOWN = "und"
NOT_QUOTABLE = str.maketrans({'"': "'", "\r": " ", "\n": " "})  # RFC 8216 section 4.2


@dataclass(frozen=True, slots=True)
class Rate:
    """The bit rates of a media playlist in bits per second: the peak segment bit rate, and the average."""

    peak: int
    average: int


def measure(durations: Sequence[int], sizes: Sequence[int]) -> Rate:
    """The bit rates of segments that last `durations` (microseconds) and have `sizes` (bytes).

    Peak, by RFC 8216 section 4.3.4.2: the largest of any contiguous set of segments that lasts half to one and a half
    target durations.
    """
    target = target_duration(durations) * MICROSECONDS
    average = _rate(sum(sizes), sum(durations))
    peak = average
    for first in range(len(durations)):
        microseconds, size = 0, 0
        for duration, segment_size in zip(durations[first:], sizes[first:], strict=True):
            microseconds += duration
            size += segment_size
            if 2 * microseconds > 3 * target:
                break
            if 2 * microseconds >= target:
                peak = max(peak, _rate(size, microseconds))
    return Rate(peak, average)


def _rate(size: int, microseconds: int) -> int:
    """Bits per second, rounded up."""
    return -(-8 * size * MICROSECONDS // max(1, microseconds))


def render(plan: Plan, uri: Callable[[Rendition], str], rates: Mapping[str, Rate]) -> str:
    """The multivariant playlist (RFC 8216 section 4.3.4). `uri`: of a rendition; `rates`: by rendition name."""
    main = plan.renditions[0]
    sounds = [r for r in plan.renditions if r.audio and not r.video] if not main.audio or not main.video else []
    texts = [r for r in plan.renditions if r.subtitles]
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{MAP_VERSION if plan.has_init(main) else VERSION}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *(_media("AUDIO", AUDIO, rendition, uri(rendition)) for rendition in sounds),
        *(_media("SUBTITLES", SUBTITLES, rendition, uri(rendition)) for rendition in texts),
    ]
    groups = [[rates[main.name]], *([rates[r.name] for r in group if r is not main] for group in (sounds, texts))]
    attributes = [
        f"BANDWIDTH={sum(max((rate.peak for rate in group), default=0) for group in groups)}",
        f"AVERAGE-BANDWIDTH={sum(max((rate.average for rate in group), default=0) for group in groups)}",
        f'CODECS="{codecs(plan)}"',
    ]
    if main.video:
        attributes += [
            f"RESOLUTION={main.video.width}x{main.video.height}",
            f"FRAME-RATE={main.video.frame_rate:.3f}",
        ]
        if main.video.video_range != "SDR":
            attributes.append(f"VIDEO-RANGE={main.video.video_range}")
    if sounds:
        attributes.append(f'AUDIO="{AUDIO}"')
    if texts:
        attributes.append(f'SUBTITLES="{SUBTITLES}"')
    return "\n".join([*lines, f"#EXT-X-STREAM-INF:{','.join(attributes)}", uri(main), ""])


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


def codecs(plan: Plan) -> str:
    """CODECS (RFC 6381) of the main rendition and all renditions that may be played with it."""
    return ",".join(dict.fromkeys(track.codecs for track in plan.tracks if track.codecs))


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
