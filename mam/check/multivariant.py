"""The rules of a multivariant playlist: its claims about media playlists against measurements. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product

from mam.check.codecs import is_known
from mam.check.measurement import Measurement
from mam.check.report import Finding, error, note
from mam.check.syntax import MultivariantPlaylist, Variant

MARGIN = Fraction(1, 10)  # BANDWIDTH and AVERAGE-BANDWIDTH may differ by this part.
GROUPS = {"AUDIO": "audio", "SUBTITLES": "subtitles", "VIDEO": "video", "CLOSED-CAPTIONS": "captions"}
EITHER_WAY = Fraction(1, 100)  # FRAME-RATE may differ by this part: it has three decimals, and timestamps are rounded.


def list_rules(playlist: MultivariantPlaylist, where: str) -> Iterator[Finding]:
    """The rules of the list alone."""
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
    """Compares the list with its playlists. `measured`: by URI, without unreachable ones."""
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
    """The measured renditions of a variant's group, except the variant's own playlist."""
    group = variant.attributes.get(kind)
    listed = [
        rendition
        for rendition in playlist.renditions
        if (rendition.get("TYPE"), rendition.get("GROUP-ID")) == (kind, group)
    ]
    uris = [rendition.get("URI", "") for rendition in listed]
    return [measured[uri] for uri in uris if uri in measured and uri != variant.uri]


def _rates(
    variant: Variant, main: Measurement, groups: Sequence[Sequence[Measurement]], where: str
) -> Iterator[Finding]:
    """Compares bit rates with the largest sum of a playable combination; subtitles may count or not."""
    if not main.complete or not all(member.complete for group in groups for member in group):
        return
    pairs = (("BANDWIDTH", "peak"), ("AVERAGE-BANDWIDTH", "average"))
    for name, kind in pairs:
        if not variant.attributes.get(name, "").isdecimal():
            continue
        listed = int(variant.attributes[name])
        rates = [[getattr(member.presentation, kind) for member in group] or [0] for group in groups]
        audio, both = max(rates[0]), max(map(sum, product(*rates)))
        low, high = getattr(main.presentation, kind) + audio, getattr(main.presentation, kind) + both
        if not (1 - MARGIN) * low <= listed <= (1 + MARGIN) * high:
            description = f"{name} is {listed}, {high} was measured ({float(Fraction(listed, high or 1) - 1):+.0%})."
            yield error(name.lower(), where, description)


def _codecs(variant: Variant, main: Measurement, audio: Sequence[Measurement], where: str) -> Iterator[Finding]:
    listed = [name.strip() for name in variant.attributes.get("CODECS", "").split(",") if name.strip()]
    if not listed:
        return
    actual = main.codecs + tuple(codec for name in audio for codec in name.codecs)
    for codec in dict.fromkeys(actual):
        if not any(is_known(name, (codec,)) for name in listed):
            yield error("codecs", where, f"CODECS is {','.join(listed)}, and its segments hold {codec}.")
    for name in listed:
        if actual and not is_known(name, actual) and name not in ("wvtt", "stpp.ttml.im1t"):
            yield error("codecs", where, f"CODECS has {name}, its segments {', '.join(dict.fromkeys(actual))}.")


def _picture(variant: Variant, main: Measurement, where: str) -> Iterator[Finding]:
    if not main.has_video:
        return
    resolution = variant.attributes.get("RESOLUTION")
    sizes = {f"{width}x{height}" for width, height in main.sizes}
    if not resolution:
        yield error("resolution", where, "It has video and no RESOLUTION.")
    elif resolution not in sizes:
        yield error("resolution", where, f"RESOLUTION is {resolution}, the video {', '.join(sorted(sizes))}.")
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
    """All playlists must have the same target duration, length and timeline."""
    subtitle_uris = {r.get("URI") for r in playlist.renditions if r.get("TYPE") == "SUBTITLES"}
    main = next((measured[variant.uri] for variant in playlist.variants if variant.uri in measured), None)
    if main is None:
        return
    for uri, measurement in measured.items():
        if measurement is main:
            continue
        place, difference = f"{where} playlist {uri}", measurement.presentation.duration - main.presentation.duration
        slack = Fraction(main.target) if uri in subtitle_uris else max(main.frame, measurement.frame)
        if uri not in subtitle_uris and measurement.target != main.target:
            yield error(
                "same-target", place, f"Its target duration is {measurement.target}, that of others {main.target}."
            )
        if abs(difference) > slack:
            yield error("same-range", place, f"It lasts {float(difference):+.3f} s as long as the first variant.")
        if measurement.offset is not None and main.offset is not None and abs(measurement.offset - main.offset) > slack:
            shift = float(measurement.offset - main.offset)
            yield error("sync", place, f"Its timestamps are {shift:+.3f} s from those of the first variant.")
        if uri not in subtitle_uris and not _aligned(measurement.ends, main.ends, slack):
            yield note("alignment", place, "It is divided otherwise than the first variant.")


def _aligned(left: Sequence[Fraction], right: Sequence[Fraction], slack: Fraction) -> bool:
    return len(left) == len(right) and all(
        abs(first - second) <= slack for first, second in zip(left, right, strict=True)
    )
