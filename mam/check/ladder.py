"""The rules of a ladder, the video variants of one multivariant playlist: what each says, and what was measured. Pure.

Rules that advise find notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from mam.check.measurement import Measurement
from mam.check.report import Finding, error, note
from mam.check.syntax import MultivariantPlaylist, Variant

FIRST_RATE = 2_000_000  # AVERAGE-BANDWIDTH of the first listed variant, bits per second.
FASTEST = Fraction(60) * Fraction(101, 100)  # Frames per second; frame rates are measured by rounded timestamps.
USUAL = Fraction(30) * Fraction(101, 100)
# Bits per second: a slower variant has at most 30 frames per second. Other codecs have no row in Apple's table.
SLOW = {"avc": 2_000_000, "hvc": 1_600_000, "hev": 1_600_000}
PEAK_TO_AVERAGE = 2
STEREO = 2  # channels
# Members of different groups may differ in these attributes (RFC 8216 and its second edition).
OWN = ("GROUP-ID", "URI", "CHANNELS", "BIT-DEPTH", "SAMPLE-RATE", "STABLE-RENDITION-ID")

Measured = Mapping[str, Measurement]


def ladder_rules(playlist: MultivariantPlaylist, measured: Measured, where: str) -> Iterator[Finding]:
    """The rules that hold between variants. `measured`: by URI, without unreachable ones."""
    pictures = [variant for variant in playlist.variants if _is_picture(variant, measured)]
    # A picture is listed once for each group of sounds.
    distinct = list({variant.uri: variant for variant in reversed(pictures)}.values())[::-1]
    yield from _score(playlist, where)
    yield from _video_range(pictures, measured, where)
    yield from _captions(pictures, measured, where)
    yield from _fast_frames(distinct, measured, where)
    if len(distinct) > 1:
        yield from _first_variant(pictures, where)
        yield from _aspect_ratio(distinct, measured, where)
        yield from _slow_variants(distinct, measured, where)
        yield from _peaks(distinct, measured, where)


def _is_picture(variant: Variant, measured: Measured) -> bool:
    return variant.uri in measured and measured[variant.uri].has_video


def _score(playlist: MultivariantPlaylist, where: str) -> Iterator[Finding]:
    without = [variant.uri for variant in playlist.variants if "SCORE" not in variant.attributes]
    if 0 < len(without) < len(playlist.variants):
        yield error("score", where, f"Some variants have a SCORE, and {', '.join(without)} not.")
    for variant in playlist.variants:
        score = variant.attributes.get("SCORE", "0")
        if not score.replace(".", "", 1).isdecimal():
            yield error("score", f"{where} variant {variant.uri}", f"SCORE={score} is no positive number.")


def _fast_frames(pictures: Sequence[Variant], measured: Measured, where: str) -> Iterator[Finding]:
    for variant in pictures:
        rate = measured[variant.uri].usual_rate
        if rate > FASTEST:
            description = f"Its video has {float(rate):.3f} frames a second, more than 60."
            yield error("fast-frames", f"{where} variant {variant.uri}", description)


def _video_range(pictures: Sequence[Variant], measured: Measured, where: str) -> Iterator[Finding]:
    said = {variant.uri: variant.attributes.get("VIDEO-RANGE", "SDR") for variant in pictures}
    for variant in pictures:
        place, wrong = f"{where} variant {variant.uri}", set(measured[variant.uri].ranges) - {said[variant.uri]}
        if wrong:
            description = f"VIDEO-RANGE is {said[variant.uri]}, the video {', '.join(sorted(wrong))}."
            yield error("video-range", place, description)
        elif set(said.values()) != {"SDR"} and "VIDEO-RANGE" not in variant.attributes:
            yield error("video-range", place, "It has no VIDEO-RANGE, and another variant is not SDR.")
    if pictures and "SDR" not in said.values():
        # One copied picture alone is what its owner asked for.
        level = error if len(said) > 1 else note
        yield level("sdr", where, f"No variant is SDR beside {', '.join(sorted(set(said.values())))}.")


def _captions(pictures: Sequence[Variant], measured: Measured, where: str) -> Iterator[Finding]:
    """CLOSED-CAPTIONS=NONE says that no variant has any."""
    without = [variant for variant in pictures if variant.attributes.get("CLOSED-CAPTIONS") == "NONE"]
    if not without:
        return
    for variant in pictures:
        place = f"{where} variant {variant.uri}"
        if variant.attributes.get("CLOSED-CAPTIONS") != "NONE":
            yield error("captions", place, "It has no CLOSED-CAPTIONS=NONE, and another variant has.")
        elif measured[variant.uri].captioned:
            yield error("captions", place, "CLOSED-CAPTIONS is NONE, and its pictures carry captions.")


def _aspect_ratio(pictures: Sequence[Variant], measured: Measured, where: str) -> Iterator[Finding]:
    first = next((size for variant in pictures for size in measured[variant.uri].shown if all(size)), None)
    for variant in pictures:
        for size in measured[variant.uri].shown:
            if first and all(size) and not _same_shape(first, size):
                description = f"It is shown as {size[0]}x{size[1]}, another variant as {first[0]}x{first[1]}."
                yield error("aspect-ratio", f"{where} variant {variant.uri}", description)


def _same_shape(left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Whether two sizes have one aspect ratio: each side may be rounded to an even number, hence by one pixel."""
    ratios = Fraction(*left), Fraction(*right)
    return abs(ratios[0] - ratios[1]) <= (1 + max(ratios)) * (Fraction(1, left[1]) + Fraction(1, right[1]))


def _first_variant(pictures: Sequence[Variant], where: str) -> Iterator[Finding]:
    """Of the variants that share the sound of the first, the first is the one nearest to FIRST_RATE."""
    first = pictures[0]
    peers = [v for v in pictures if v.attributes.get("AUDIO") == first.attributes.get("AUDIO") and _average(v)]
    nearest = min(peers, key=lambda variant: abs(_average(variant) - FIRST_RATE), default=first)
    if _average(first) and abs(_average(nearest) - FIRST_RATE) < abs(_average(first) - FIRST_RATE):
        yield note(
            "first-variant", where,
            f"The first variant has {_average(first)} bits a second on average, "
            f"{nearest.uri} with {_average(nearest)} is nearer to {FIRST_RATE}.",
        )  # fmt: skip


def _slow_variants(pictures: Sequence[Variant], measured: Measured, where: str) -> Iterator[Finding]:
    for variant in pictures:
        picture = measured[variant.uri]
        rate, average = picture.usual_rate, picture.presentation.average or _average(variant)
        limit = max((SLOW.get(codec[:3], 0) for codec in picture.codecs), default=0)
        if 0 < average < limit and rate > USUAL:
            description = f"It has {float(rate):.3f} frames a second at {average} bits a second on average."
            yield note("slow-variant", f"{where} variant {variant.uri}", description)


def _peaks(pictures: Sequence[Variant], measured: Measured, where: str) -> Iterator[Finding]:
    for variant in pictures:
        peak, average = measured[variant.uri].presentation.peak, measured[variant.uri].presentation.average
        if average and peak > PEAK_TO_AVERAGE * average:
            description = f"Its peak of {peak} bits a second is {peak / average:.1f} times its average."
            yield note("peaks", f"{where} variant {variant.uri}", description)


def _average(variant: Variant) -> int:
    value = variant.attributes.get("AVERAGE-BANDWIDTH", "")
    return int(value) if value.isdecimal() else 0


def group_rules(playlist: MultivariantPlaylist, measured: Measured, where: str) -> Iterator[Finding]:
    """The rules between renditions: groups of one kind have the same members, and stereo is beside surround."""
    for kind in ("AUDIO", "SUBTITLES", "VIDEO"):
        yield from _same_members([r for r in playlist.renditions if r.get("TYPE") == kind], kind, where)
    sounds = [rendition for rendition in playlist.renditions if rendition.get("TYPE") == "AUDIO"]
    for rendition in sounds:
        yield from _channels(rendition, measured, where)
    counts = [_count(rendition) for rendition in sounds]
    if counts and all(count is not None and count > STEREO for count in counts):
        yield error("stereo", where, "All renditions of its sound have more than two channels.")


def _same_members(renditions: Sequence[Mapping[str, str]], kind: str, where: str) -> Iterator[Finding]:
    groups: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for rendition in renditions:
        member = tuple(sorted((name, value) for name, value in rendition.items() if name not in OWN))
        groups.setdefault(rendition.get("GROUP-ID", ""), set()).add(member)
    for (left, members), (right, others) in pairwise(groups.items()):
        if members != others:
            names = sorted({dict(member).get("NAME", "") for member in members ^ others})
            description = f"Groups {left!r} and {right!r} of {kind} differ in {', '.join(names)}."
            yield error("same-members", where, description)


def _channels(rendition: Mapping[str, str], measured: Measured, where: str) -> Iterator[Finding]:
    listed, sound = _count(rendition), measured.get(rendition.get("URI", ""))
    actual = sound.channels if sound else ()
    if "CHANNELS" in rendition and listed is None and "/" not in rendition["CHANNELS"]:
        description = f"CHANNELS={rendition['CHANNELS']} is no number."
        yield error("channels", f"{where} rendition {rendition.get('NAME', '')!r}", description)
    elif listed is not None and actual and set(actual) != {listed}:
        description = f"CHANNELS is {listed}, its sound has {', '.join(map(str, actual))}."
        yield error("channels", f"{where} rendition {rendition.get('NAME', '')!r}", description)


def _count(rendition: Mapping[str, str]) -> int | None:
    """CHANNELS; None where it is missing, or has the parameters of objects, which are no channels."""
    value = rendition.get("CHANNELS", "")
    return int(value) if value.isdecimal() else None
