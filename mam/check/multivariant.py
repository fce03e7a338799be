"""The rules of a multivariant playlist: what it promises of its media playlists against what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from mam.check.codecs import is_known
from mam.check.report import Finding, Presentation, error, note
from mam.check.syntax import MultivariantPlaylist, Variant

MARGIN = Fraction(1, 10)  # of BANDWIDTH and AVERAGE-BANDWIDTH
GROUPS = {"AUDIO": "audio", "SUBTITLES": "subtitles", "VIDEO": "video", "CLOSED-CAPTIONS": "captions"}
EITHER_WAY = Fraction(1, 100)  # of FRAME-RATE, which has three decimals; timestamps have their own rounding


@dataclass(frozen=True, slots=True)
class Measurement:
    """A media playlist of a tree. `codecs`, `rates`: of all its segments. `frame`: seconds, of its video or else audio.

    `offset`: the timestamp at which it starts. `complete`: every segment was measured, so that bit rates are known.
    `ends`: of its segments by EXTINF, seconds.
    """

    presentation: Presentation
    target: int
    codecs: tuple[str, ...] = ()
    rates: tuple[Fraction, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    frame: Fraction = Fraction(0)
    offset: Fraction | None = None
    complete: bool = True
    ends: tuple[Fraction, ...] = ()

    @property
    def has_video(self) -> bool:
        return self.presentation.track("video") is not None

    @property
    def usual_rate(self) -> Fraction:
        """Frames a second over the whole: less than the fastest segment's where the frame rate varies."""
        video = self.presentation.track("video")
        if video is None or not self.complete or video.end <= video.first:
            return max(self.rates, default=Fraction(0))
        return video.frames / (video.end - video.first)


def peak_rate(segments: Sequence[tuple[Fraction, int]], target: int) -> int:
    """The peak segment bit rate (RFC 8216 section 4.1): the largest of any contiguous set of segments that lasts 0.5
    to 1.5 target durations. `segments`: (seconds, bytes). Where no set does, the rate of all."""
    rates = []
    for first in range(len(segments)):
        seconds, size = Fraction(0), 0
        for duration, count in segments[first:]:
            seconds, size = seconds + duration, size + count
            if 2 * seconds > 3 * target:
                break
            if 2 * seconds >= target and seconds:
                rates.append(8 * size / seconds)
    return round(max(rates)) if rates else average_rate(segments)


def average_rate(segments: Sequence[tuple[Fraction, int]]) -> int:
    seconds = sum((duration for duration, _ in segments), Fraction(0))
    return round(8 * sum(size for _, size in segments) / seconds) if seconds else 0


def list_rules(playlist: MultivariantPlaylist, where: str) -> Iterator[Finding]:
    """What can be said of the list alone."""
    if not playlist.variants:
        yield error("rendition", where, "It lists no variant.")
    for variant in (*playlist.variants, *playlist.i_frames):
        yield from _attributes(variant, where)
    yield from _groups(playlist, where)


def _attributes(variant: Variant, where: str) -> Iterator[Finding]:
    place, values = f"{where} variant {variant.uri}", variant.attributes
    if not variant.uri:
        yield error("rendition", where, "A variant has no URI.")
    if not values.get("BANDWIDTH", "").isdecimal():
        yield error("bandwidth", place, "It has no BANDWIDTH.")
    if not values.get("AVERAGE-BANDWIDTH", "").isdecimal():
        yield error("average-bandwidth", place, "It has no AVERAGE-BANDWIDTH.")
    if not values.get("CODECS"):
        yield error("codecs", place, "It has no CODECS.")


def _groups(playlist: MultivariantPlaylist, where: str) -> Iterator[Finding]:
    known: dict[tuple[str, str], list[dict[str, str]]] = {}
    for rendition in playlist.renditions:
        kind, group = rendition.get("TYPE", ""), rendition.get("GROUP-ID", "")
        known.setdefault((kind, group), []).append(rendition)
        place = f"{where} rendition {rendition.get('NAME', '')!r}"
        if kind not in GROUPS or not group or not rendition.get("NAME"):
            yield error("group", place, "It lacks TYPE, GROUP-ID or NAME.")
        if kind == "SUBTITLES" and not rendition.get("URI"):
            yield error("group", place, "Subtitles have no URI.")
        if rendition.get("DEFAULT") == "YES" and rendition.get("AUTOSELECT", "YES") != "YES":
            yield error("group", place, "It is DEFAULT and not AUTOSELECT.")
    for (kind, group), members in known.items():
        yield from _group(members, f"{where} group {group!r} of {kind}")
    for variant in playlist.variants:
        for kind in GROUPS:
            named = variant.attributes.get(kind)
            if named and named != "NONE" and (kind, named) not in known:
                yield error("group", f"{where} variant {variant.uri}", f"There is no group {named!r} of {kind}.")


def _group(members: Sequence[Mapping[str, str]], where: str) -> Iterator[Finding]:
    names = [member.get("NAME") for member in members]
    if len(set(names)) < len(names):
        yield error("group", where, "Two of its renditions have one NAME.")
    if sum(member.get("DEFAULT") == "YES" for member in members) > 1:
        yield error("group", where, "More than one of its renditions is DEFAULT.")
    if len(members) > 1 and not all(member.get("LANGUAGE") for member in members):
        yield error("language", where, "An alternate has no LANGUAGE.")


def tree_rules(playlist: MultivariantPlaylist, measured: Mapping[str, Measurement], where: str) -> Iterator[Finding]:
    """What the list says against what its playlists hold. `measured`: by URI, without what could not be fetched."""
    for variant in playlist.variants:
        main = measured.get(variant.uri)
        if main is None:
            continue
        place = f"{where} variant {variant.uri}"
        groups = [_members(playlist, variant, kind, measured) for kind in ("AUDIO", "SUBTITLES")]
        yield from _rates(variant, main, groups, place)
        yield from _codecs(variant, main, groups[0], place)
        yield from _picture(variant, main, place)
    yield from _alike(playlist, measured, where)


def _members(
    playlist: MultivariantPlaylist, variant: Variant, kind: str, measured: Mapping[str, Measurement]
) -> list[Measurement]:
    """The renditions of a variant's group that have a playlist of their own, other than the variant's."""
    group = variant.attributes.get(kind)
    listed = [each for each in playlist.renditions if (each.get("TYPE"), each.get("GROUP-ID")) == (kind, group)]
    uris = [each.get("URI", "") for each in listed]
    return [measured[uri] for uri in uris if uri in measured and uri != variant.uri]


def _rates(
    variant: Variant, main: Measurement, groups: Sequence[Sequence[Measurement]], where: str
) -> Iterator[Finding]:
    """The largest sum of any playable combination; subtitles, which are not always shown, may count or not."""
    if not main.complete or not all(each.complete for group in groups for each in group):
        return
    pairs = (("BANDWIDTH", "peak"), ("AVERAGE-BANDWIDTH", "average"))
    for name, kind in pairs:
        if not variant.attributes.get(name, "").isdecimal():
            continue
        says = int(variant.attributes[name])
        rates = [[getattr(each.presentation, kind) for each in group] or [0] for group in groups]
        audio, both = max(rates[0]), max(map(sum, product(*rates)))
        low, high = getattr(main.presentation, kind) + audio, getattr(main.presentation, kind) + both
        if not (1 - MARGIN) * low <= says <= (1 + MARGIN) * high:
            told = f"{name} is {says}, {high} was measured ({float(Fraction(says, high or 1) - 1):+.0%})."
            yield error(name.lower(), where, told)


def _codecs(variant: Variant, main: Measurement, audio: Sequence[Measurement], where: str) -> Iterator[Finding]:
    listed = [each.strip() for each in variant.attributes.get("CODECS", "").split(",") if each.strip()]
    if not listed:
        return
    held = main.codecs + tuple(codec for each in audio for codec in each.codecs)
    for codec in dict.fromkeys(held):
        if not any(is_known(each, (codec,)) for each in listed):
            yield error("codecs", where, f"CODECS is {','.join(listed)}, and its segments hold {codec}.")
    for each in listed:
        if held and not is_known(each, held) and each not in ("wvtt", "stpp.ttml.im1t"):
            yield error("codecs", where, f"CODECS has {each}, its segments {', '.join(dict.fromkeys(held))}.")


def _picture(variant: Variant, main: Measurement, where: str) -> Iterator[Finding]:
    if not main.has_video:
        return
    says = variant.attributes.get("RESOLUTION")
    sizes = {f"{width}x{height}" for width, height in main.sizes}
    if not says:
        yield error("resolution", where, "It has video and no RESOLUTION.")
    elif says not in sizes:
        yield error("resolution", where, f"RESOLUTION is {says}, the video {', '.join(sorted(sizes))}.")
    rate = variant.attributes.get("FRAME-RATE")
    try:
        listed = Fraction(rate) if rate else None
    except ValueError:
        listed = Fraction(0)
    fastest, usual = max(main.rates, default=Fraction(0)), main.usual_rate
    if listed is None:
        yield error("frame-rate", where, "It has video and no FRAME-RATE.")
    elif fastest and not (1 - EITHER_WAY) * min(usual, fastest) <= listed <= (1 + EITHER_WAY) * fastest:
        yield error("frame-rate", where, f"FRAME-RATE is {rate}, the video has {float(fastest):.3f} frames a second.")


def _alike(playlist: MultivariantPlaylist, measured: Mapping[str, Measurement], where: str) -> Iterator[Finding]:
    """One target duration, one length and one timeline for all."""
    texts = {each.get("URI") for each in playlist.renditions if each.get("TYPE") == "SUBTITLES"}
    main = next((measured[variant.uri] for variant in playlist.variants if variant.uri in measured), None)
    if main is None:
        return
    for uri, each in measured.items():
        if each is main:
            continue
        place, span = f"{where} playlist {uri}", each.presentation.duration - main.presentation.duration
        slack = Fraction(main.target) if uri in texts else max(main.frame, each.frame)
        if uri not in texts and each.target != main.target:
            yield error("same-target", place, f"Its target duration is {each.target}, that of others {main.target}.")
        if abs(span) > slack:
            yield error("same-range", place, f"It lasts {float(span):+.3f} s as long as the first variant.")
        if each.offset is not None and main.offset is not None and abs(each.offset - main.offset) > slack:
            apart = float(each.offset - main.offset)
            yield error("sync", place, f"Its timestamps are {apart:+.3f} s from those of the first variant.")
        if uri not in texts and not _aligned(each.ends, main.ends, slack):
            yield note("alignment", place, "It is divided otherwise than the first variant.")


def _aligned(one: Sequence[Fraction], two: Sequence[Fraction], slack: Fraction) -> bool:
    return len(one) == len(two) and all(abs(a - b) <= slack for a, b in zip(one, two, strict=True))
