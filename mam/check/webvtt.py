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
CLOCK = 90_000  # MPEGTS counts in these ticks per second.
SLACK = Fraction(1, 100)  # Times may differ by this many seconds: cues have milliseconds, video starts at a frame.


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue. `start`, `end`: seconds on the timeline of the media's timestamps."""

    start: Fraction
    end: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class VttFacts:
    """A WebVTT segment. `listed`, `duration`: as in SegmentFacts. `offset`: seconds from cue times to timestamps; None
    without a map. `malformed`: the number of lines with an arrow that are no cue timing.
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
        timing_row = next((n for n, row in enumerate(rows) if "-->" in row), None)
        if timing_row is None or rows[0].startswith("NOTE"):
            continue
        if timing := _CUE.match(rows[timing_row].strip()):
            shift = offset or Fraction(0)
            start, end = _time(timing.groups()[:4]) + shift, _time(timing.groups()[4:]) + shift
            cues.append(Cue(start, end, "\n".join(rows[timing_row + 1 :]).strip()))
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
    """The rules of WebVTT segments. `origin`: the timestamp of the playlists' start; None when it was not measured."""
    previous: VttFacts | None = None
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
        if previous is not None and previous.number + 1 == facts.number and None not in (previous.offset, facts.offset):
            yield from _carried(previous, facts, origin, place)
        previous = facts


def _placed(facts: VttFacts, origin: Fraction, place: str) -> Iterator[Finding]:
    """Every cue must overlap its segment; when none does, the map is wrong."""
    start = origin + facts.listed - SLACK
    end = origin + facts.listed + facts.duration + SLACK
    outside = [cue for cue in facts.cues if cue.end < start or cue.start > end]
    if not outside:
        return
    cue = outside[0]
    description = (
        f"at {float(cue.start):.3f} s of the timestamps, where the segment is {float(start):.3f}-{float(end):.3f} s"
    )
    if len(outside) == len(facts.cues):
        yield error("vtt-map", place, f"X-TIMESTAMP-MAP puts every cue elsewhere: the first {description}.")
    else:
        yield error("vtt-cue", place, f"{len(outside)} cues lie outside the segment, one {description}.")


def _carried(previous: VttFacts, facts: VttFacts, origin: Fraction | None, place: str) -> Iterator[Finding]:
    """A cue that reaches into the next segment must be in that one too."""
    if origin is None:
        return
    boundary = origin + facts.listed
    times = [(cue.start, cue.end) for cue in facts.cues]
    for cue in previous.cues:
        reaches = cue.start < boundary and cue.end > boundary + SLACK
        if reaches and not any(abs(cue.start - start) < SLACK and abs(cue.end - end) < SLACK for start, end in times):
            yield error("vtt-cue", place, f"The cue of {float(cue.start):.3f} s reaches into it, and is not there.")
