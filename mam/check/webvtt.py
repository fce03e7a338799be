"""WebVTT segments (RFC 8216 section 3.5): their cues on the timeline of the media."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mam.check.report import Finding, error

_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_CUE = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?$")
_MPEGTS = re.compile(r"MPEGTS:(\d+)")
_LOCAL = re.compile(rf"LOCAL:{_TIME}")
CLOCK = 90_000  # MPEGTS is in its ticks
SLACK = Fraction(1, 100)  # seconds: cues are written in whole milliseconds, video starts at a frame


@dataclass(frozen=True, slots=True)
class Cue:
    """Seconds on the timeline of the media's timestamps."""

    start: Fraction
    end: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class VttFacts:
    """`listed`, `duration`: as of SegmentFacts. `offset`: seconds from cue times to timestamps; None without a map.

    `malformed`: lines with an arrow that are no timing of a cue.
    """

    number: int
    listed: Fraction
    duration: Fraction
    header: bool
    offset: Fraction | None
    cues: tuple[Cue, ...]
    malformed: int = 0
    size: int = 0


def read_vtt(data: bytes, *, number: int, listed: Fraction, duration: Fraction) -> VttFacts:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    blocks = re.split(r"\n{2,}", text)
    header = re.match(r"WEBVTT(?:[ \t\n]|$)", text) is not None
    offset = _offset(blocks[0])
    cues, malformed = [], 0
    for block in blocks[1:]:
        rows = block.split("\n")
        at = next((n for n, row in enumerate(rows) if "-->" in row), None)
        if at is None or rows[0].startswith("NOTE"):
            continue
        if found := _CUE.match(rows[at].strip()):
            shift = offset or Fraction(0)
            start, end = _time(found.groups()[:4]) + shift, _time(found.groups()[4:]) + shift
            cues.append(Cue(start, end, "\n".join(rows[at + 1 :]).strip()))
        else:
            malformed += 1
    return VttFacts(number, listed, duration, header, offset, tuple(cues), malformed, len(data))


def _offset(header: str) -> Fraction | None:
    line = next((row for row in header.split("\n") if row.startswith("X-TIMESTAMP-MAP=")), "")
    ticks, local = _MPEGTS.search(line), _LOCAL.search(line)
    return Fraction(int(ticks[1]), CLOCK) - _time(local.groups()) if ticks and local else None


def _time(parts: Sequence[str | None]) -> Fraction:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return Fraction(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds, 1000)


def vtt_rules(segments: Sequence[VttFacts], origin: Fraction | None, where: str) -> Iterator[Finding]:
    """`origin`: the timestamp at which the media's playlists start; None when it was not measured."""
    before: VttFacts | None = None
    for facts in segments:
        place = f"{where} segment {facts.number}"
        if not facts.header:
            yield error("vtt-header", place, "It does not begin with WEBVTT.")
        if facts.offset is None:
            yield error("vtt-map", place, "It has no X-TIMESTAMP-MAP with LOCAL and MPEGTS.")
        if facts.malformed:
            yield error("vtt-cue", place, f"{facts.malformed} timings of cues cannot be read.")
        if any(cue.end <= cue.start for cue in facts.cues):
            yield error("vtt-cue", place, "A cue ends before it starts.")
        if origin is not None and facts.offset is not None:
            yield from _placed(facts, origin, place)
        if before is not None and before.number + 1 == facts.number and None not in (before.offset, facts.offset):
            yield from _carried(before, facts, origin, place)
        before = facts


def _placed(facts: VttFacts, origin: Fraction, place: str) -> Iterator[Finding]:
    """Every cue overlaps its segment; when none does, it is the map that is wrong."""
    start = origin + facts.listed - SLACK
    end = origin + facts.listed + facts.duration + SLACK
    strangers = [cue for cue in facts.cues if cue.end < start or cue.start > end]
    if not strangers:
        return
    cue = strangers[0]
    told = f"at {float(cue.start):.3f} s of the timestamps, where the segment is {float(start):.3f}-{float(end):.3f} s"
    if len(strangers) == len(facts.cues):
        yield error("vtt-map", place, f"X-TIMESTAMP-MAP puts every cue elsewhere: the first {told}.")
    else:
        yield error("vtt-cue", place, f"{len(strangers)} cues lie outside the segment, one {told}.")


def _carried(before: VttFacts, facts: VttFacts, origin: Fraction | None, place: str) -> Iterator[Finding]:
    """A cue that reaches into the next segment stands in that one too."""
    if origin is None:
        return
    boundary = origin + facts.listed
    held = [(cue.start, cue.end) for cue in facts.cues]
    for cue in before.cues:
        reaches = cue.start < boundary and cue.end > boundary + SLACK
        if reaches and not any(abs(cue.start - start) < SLACK and abs(cue.end - end) < SLACK for start, end in held):
            yield error("vtt-cue", place, f"The cue of {float(cue.start):.3f} s reaches into it, and is not there.")
