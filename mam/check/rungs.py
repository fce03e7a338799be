"""The rules of switching: the segments of all video variants begin with the same picture at the same time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from mam.check.measurement import Measurement
from mam.check.report import Finding, error
from mam.check.syntax import MultivariantPlaylist

TICKS = Fraction(2, 90_000)  # The tolerance for two rounded timestamps of MPEG-TS.


def rung_rules(playlist: MultivariantPlaylist, measured: Mapping[str, Measurement], where: str) -> Iterator[Finding]:
    """Compares each variant and rendition with the first video variant. `measured`: by URI."""
    texts = {rendition.get("URI") for rendition in playlist.renditions if rendition.get("TYPE") == "SUBTITLES"}
    uris = dict.fromkeys(variant.uri for variant in playlist.variants if variant.uri in measured)
    main = next((measured[uri] for uri in uris if measured[uri].has_video), None)
    if main is None:
        return
    for uri, other in measured.items():
        if other is main or uri in texts:
            continue
        yield from _discontinuities(main, other, f"{where} playlist {uri}")
        if uri in uris and other.has_video:
            yield from _first_pictures(main, other, f"{where} playlist {uri}")


def _first_pictures(main: Measurement, other: Measurement, where: str) -> Iterator[Finding]:
    """Where both are divided alike, segments of one number begin with one picture: another is half a frame away."""
    if not _alike(main.ends, other.ends, max(main.frame, other.frame)):
        return
    slack = max(TICKS, min(main.frame, other.frame) / 2)
    wrong = []
    for number in sorted(main.starts.keys() & other.starts.keys()):
        left, right = main.starts[number], other.starts[number]
        if left is None or right is None:
            if left != right:
                yield error("matching", where, f"Segment {number} has pictures in one of it and the first variant.")
        elif abs(right - left) > slack:
            wrong.append((number, float(right - left)))
    if wrong:
        number, lag = wrong[0]
        description = f"{len(wrong)} of its segments, the first {number}, begin {lag:+.4f} s from the first variant's."
        yield error("matching", where, description)


def _discontinuities(main: Measurement, other: Measurement, where: str) -> Iterator[Finding]:
    slack = max(main.frame, other.frame)
    if not _alike(main.discontinuities, other.discontinuities, slack):
        yield error("discontinuity", where, "Its discontinuities are elsewhere than those of the first variant.")
    if main.sequence != other.sequence:
        description = f"EXT-X-DISCONTINUITY-SEQUENCE is {other.sequence}, that of the first variant {main.sequence}."
        yield error("discontinuity", where, description)


def _alike(left: Sequence[Fraction], right: Sequence[Fraction], slack: Fraction) -> bool:
    return len(left) == len(right) and all(abs(a - b) <= slack for a, b in zip(left, right, strict=True))
