"""The rules of segments: from measurements to findings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

from mam.check.codecs import same_codec
from mam.check.fmp4 import InitFacts
from mam.check.media import SegmentFacts, TrackFacts
from mam.check.report import Finding, error

TICKS = Fraction(2, 90_000)  # The tolerance for two rounded timestamps of MPEG-TS.
ZERO = Fraction(0)
PRIMING = 3  # At most this many frames of sound may precede the first picture.
MODERN = {"iso6", "iso7", "iso8", "iso9", "isoa", "isob", "isoc", "cmfc", "cmf2", "cmff", "cmfl", "cmfs"}


def init_rules(init: InitFacts, where: str) -> Iterator[Finding]:
    """The rules of a Media Initialization Section."""
    if not MODERN & set(init.brands):
        yield error("init", where, f"ftyp names no brand from iso6 on: {', '.join(init.brands) or 'none'}.")
    if not init.tracks:
        yield error("init", where, "It has no track.")
    if not init.extended:
        yield error("init", where, "Its moov has no mvex.")
    if init.samples:
        yield error("init", where, f"Its sample tables list {init.samples} samples.")
    if init.timed:
        yield error("init", where, "mvhd or tkhd has a duration.")


def lone_rules(facts: SegmentFacts, where: str) -> Iterator[Finding]:
    """The rules of a single segment."""
    if not facts.size:
        yield error("empty", where, "It is empty.")
        return
    if facts.container not in ("ts", "mp4"):
        actual = {"packed": "audio without a container", "vtt": "WebVTT"}.get(facts.container, "neither")
        yield error("container", where, f"It should be MPEG-TS or fMP4, and is {actual}.")
        return
    if facts.trouble:
        yield error("decode", where, facts.trouble)
    elif not facts.tracks:
        yield error("empty", where, "It holds no frame of video or audio.")
    if facts.audios > 1:
        yield error("one-audio", where, f"It holds {facts.audios} audio streams.")
    for track in facts.tracks:
        yield from _track_rules(facts, track, where)
    yield from _ts_rules(facts, where)
    yield from _fragment_rules(facts, where)


def _track_rules(facts: SegmentFacts, track: TrackFacts, where: str) -> Iterator[Finding]:
    if track.damaged:
        yield error("decode", where, f"{track.damaged} frames of its {track.kind} do not decode.")
    if not track.key:
        yield error("key-frame", where, "Its video does not begin with a key frame.")
    elif track.idr is False:
        yield error("key-frame", where, "Its video begins with a key frame that is no IDR.")
    if track.strays:
        description = f"{track.strays} parameter sets in its first picture are not in the initialization section."
        yield error("parameter-sets", where, description)
    if track.overlap > ZERO and track.overlap >= track.frame - TICKS:
        yield error("overlap", where, f"Its audio overlaps itself by {_ms(track.overlap)}.")
    if track.hole > ZERO and track.hole >= track.frame - TICKS:
        yield error("audio-gap", where, f"Its audio has a hole of {_ms(track.hole)}.")
    if facts.container == "ts" and track.codec.startswith(("hvc1", "hev1")):
        yield error("hevc-in-ts", where, "HEVC belongs in fMP4.")


def _ts_rules(facts: SegmentFacts, where: str) -> Iterator[Finding]:
    ts = facts.ts
    if ts is None:
        return
    if not ts.whole:
        yield error("ts-packets", where, "It does not consist of whole packets of 188 bytes.")
    if ts.programs != 1:
        yield error("ts-program", where, f"Its PAT lists {ts.programs} programs.")
    if not ts.tables_first:
        yield error("ts-tables", where, "PAT and PMT do not stand before the media.")
    if ts.jumps:
        yield error("ts-counter", where, f"Continuity counters jump {ts.jumps} times within it.")


def _fragment_rules(facts: SegmentFacts, where: str) -> Iterator[Finding]:
    for number, part in (facts.fragments or {}).items():
        if part.tfdt is None:
            yield error("fragment", where, f"A fragment of track {number} has no tfdt.")
        if not part.relative:
            yield error("fragment", where, f"Track {number} is not addressed from its moof.")
        if part.broken:
            yield error("tfdt", where, f"{part.broken} fragments of track {number} within it do not continue.")


def completed(segments: Sequence[SegmentFacts]) -> list[SegmentFacts]:
    """The segments with a duration for single pictures, which MPEG-TS lacks: that of pictures in other segments."""
    usual = [track.frame for facts in segments for track in facts.tracks if track.kind == "video" and track.frame]
    if not usual:
        return list(segments)
    frame = median_low(usual)
    return [replace(facts, tracks=tuple(_lasting(track, frame) for track in facts.tracks)) for facts in segments]


def _lasting(track: TrackFacts, frame: Fraction) -> TrackFacts:
    if track.kind != "video" or track.frame:
        return track
    return replace(track, frame=frame, longest=frame, end=track.first + frame)


def chain_rules(segments: Sequence[SegmentFacts], where: str) -> Iterator[Finding]:
    """The rules of consecutive segments; unmeasured ones leave a hole in the sequence."""
    for before, after in pairwise(segments):
        if before.number + 1 != after.number or after.boundary:
            continue
        place = f"{where} segment {after.number}"
        yield from _counters(before, after, place)
        yield from _decode_times(before, after, place)
    yield from _tracks_continue(segments, where)


def _counters(before: SegmentFacts, after: SegmentFacts, where: str) -> Iterator[Finding]:
    if before.ts is None or after.ts is None:
        return
    earlier = before.ts.counters
    wrong = [
        pid
        for pid, counter in after.ts.counters.items()
        if pid in earlier and not counter.flagged and counter.first != earlier[pid].expected
    ]
    if wrong:
        pids = ", ".join(map(str, wrong))
        yield error("ts-counter", where, f"Continuity counters of PID {pids} start anew, and no flag says so.")


def _decode_times(before: SegmentFacts, after: SegmentFacts, where: str) -> Iterator[Finding]:
    earlier = before.fragments or {}
    for number, part in (after.fragments or {}).items():
        if number in earlier and part.tfdt is not None and abs(part.tfdt - earlier[number].end) > 1:
            yield error("tfdt", where, f"tfdt of track {number} is {part.tfdt}, {earlier[number].end} continues.")


def _tracks_continue(segments: Sequence[SegmentFacts], where: str) -> Iterator[Finding]:
    """Each track must continue where it ended, even after segments without it: it may begin late and end early, but has
    no holes."""
    last: dict[str, TrackFacts] = {}
    number = None
    for facts in segments:
        if facts.boundary or number is None or facts.number != number + 1:
            last = {}
        number = facts.number
        place = f"{where} segment {number}"
        for track in facts.tracks:
            if previous := last.get(track.kind):
                yield from _continues(previous, track, place)
            last[track.kind] = track


def _continues(previous: TrackFacts, track: TrackFacts, where: str) -> Iterator[Finding]:
    # The size of a lost or repeated frame.
    one_frame = max(previous.longest, track.longest, previous.frame, track.frame) - TICKS
    jump = track.first - previous.end
    if jump >= one_frame:
        yield error(f"{track.kind}-gap", where, f"Its {track.kind} starts {_ms(jump)} after the segment before ends.")
    if -jump >= one_frame:
        yield error("overlap", where, f"Its {track.kind} starts {_ms(-jump)} before the segment before ends.")
    sizes = (previous.width, previous.height), (track.width, track.height)
    # A video without a size did not decode, which is another finding.
    is_decoded = track.kind != "video" or previous.width * track.width > 0
    if is_decoded and (sizes[0] != sizes[1] or not same_codec(track.codec, previous.codec)):
        descriptions = [f"{facts.codec} {facts.width}x{facts.height}" for facts in (previous, track)]
        yield error(
            "format-change",
            where,
            f"Its {track.kind} is {descriptions[1]}, it was {descriptions[0]}: no discontinuity.",
        )


def extinf_rules(
    segments: Sequence[SegmentFacts], where: str, *, alternate: bool = False, frame: Fraction = ZERO
) -> Iterator[Finding]:
    """Compares EXTINF with timestamps, for each segment and for any contiguous run.

    `alternate`: a rendition beside the video, whose first segment may start late and last one end early. `frame`: the
    video's frame duration in seconds.
    """
    for run in _continuous(segments):
        points = list(_points(run, alternate=alternate))
        drifts = [measured - listed for _, listed, measured, _ in points]
        is_wrong = False
        for (number, listed, measured, _), (_, listed_end, end, slack) in pairwise(points):
            actual, listed_duration = end - measured, listed_end - listed
            if abs(actual - listed_duration) > max(slack, frame) + TICKS:
                is_wrong = True
                description = (
                    f"The time from its start is {float(actual):.3f} s, EXTINF says {float(listed_duration):.3f} s."
                )
                yield error("extinf", f"{where} segment {number}", description)
        allowed = max((slack for *_, slack in points), default=ZERO)
        if not is_wrong and drifts and max(drifts) - min(drifts) > max(allowed, frame) + TICKS:
            drift = _ms(max(drifts) - min(drifts))
            yield error("extinf", where, f"EXTINF and timestamps drift apart by {drift} over a run of segments.")


def _continuous(segments: Sequence[SegmentFacts]) -> Iterator[list[SegmentFacts]]:
    """The measurable segments, divided at discontinuities."""
    run: list[SegmentFacts] = []
    for facts in segments:
        if facts.boundary and run:
            yield run
            run = []
        if facts.tracks:
            run.append(facts)
    if run:
        yield run


def _points(run: Sequence[SegmentFacts], *, alternate: bool) -> Iterator[tuple[int, Fraction, Fraction, Fraction]]:
    """(segment, time by EXTINF, measured time, tolerance) of the starts of segments, and of ends before unmeasured
    ones.

    A segment starts with its first picture, or with sound where it has none; the first segment of all also with media
    that comes well before the picture.
    """
    pictures = False
    for facts, following in zip(run, [*run[1:], None], strict=True):
        video = facts.track("video")
        sound = max(track.frame for track in facts.tracks)
        slack = max(video.frame, sound) if video else 2 * sound  # audio alone is cut at frames at both ends
        first = min(track.first for track in facts.tracks)
        # The priming of audio encoders is not part of the programme.
        start = video.first if video and (pictures or video.first - first < PRIMING * sound) else first
        pictures = pictures or video is not None
        if alternate and facts.number == 0 and following and following.number == 1:
            start = min(start, min(track.first for track in following.tracks) - facts.duration)
        yield facts.number, facts.listed, start, slack
        if following and following.number == facts.number + 1:
            continue
        ending = video if video and following else max(facts.tracks, key=lambda track: track.end)
        if alternate and following is None and ending.end < start + facts.duration:
            continue
        # TS has no duration for the last picture: it may last as long as any previous one.
        unknown = max(ending.longest, video.longest if video else ZERO)
        yield facts.number, facts.listed + facts.duration, ending.end, max(slack, unknown)


def offset(segments: Iterable[SegmentFacts]) -> Fraction | None:
    """The timestamp of a playlist's start by all its measurements; None without any."""
    known = [measured - facts.listed for facts in segments for measured in _starts(facts)]
    later = known[1:] or known
    return sorted(later)[len(later) // 2] if later else None


def _starts(facts: SegmentFacts) -> list[Fraction]:
    video = facts.track("video")
    if video:
        return [video.first]
    return [min(track.first for track in facts.tracks)] if facts.tracks else []


def _ms(seconds: Fraction) -> str:
    return f"{float(seconds * 1000):.1f} ms"
