"""One segment measured: what it holds, when it is shown and whether it decodes. Nothing of its bytes is kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from statistics import median_low
from typing import Any

import av
import av.error
import av.logging

from mam.check import codecs
from mam.check.fmp4 import Fragment, InitFacts, InvalidBoxes, read_fragments
from mam.check.ts import SYNC, TsFacts, read_ts

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What a segment holds of one track; times in seconds.

    `first`: presentation time of its first frame. `end`: of the end of its last. `frame`: how long a frame is shown,
    as a rule. `longest`: between two frames. `hole`, `overlap`: the largest between audio frames. `key`, `idr`: the
    first coded picture is marked as a key frame, is an IDR (None: the codec has none). `damaged`: frames that do not
    decode. `width`, `height`: as coded. `shown`: in square pixels. `rate`: frames a second, 0 for one frame alone.
    """

    kind: str
    codec: str
    first: Fraction
    end: Fraction
    frames: int
    frame: Fraction
    longest: Fraction = ZERO
    hole: Fraction = ZERO
    overlap: Fraction = ZERO
    key: bool = True
    idr: bool | None = None
    damaged: int = 0
    width: int = 0
    height: int = 0
    shown: tuple[int, int] = (0, 0)
    rate: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """A segment. `listed`: where its EXTINF says that it starts, seconds from the playlist's start. `size`: bytes.

    `audios`: how many audio streams. `trouble`: why it could not be measured. `boundary`: it follows an
    EXT-X-DISCONTINUITY.
    """

    number: int
    listed: Fraction
    duration: Fraction
    size: int
    container: str = ""
    tracks: tuple[TrackFacts, ...] = ()
    audios: int = 0
    ts: TsFacts | None = None
    fragments: dict[int, Fragment] | None = None
    trouble: str = ""
    boundary: bool = False

    def track(self, kind: str) -> TrackFacts | None:
        return next((track for track in self.tracks if track.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Measured:
    """What `measure` finds: the parts of SegmentFacts that come from the bytes."""

    container: str
    tracks: tuple[TrackFacts, ...] = ()
    audios: int = 0
    ts: TsFacts | None = None
    fragments: dict[int, Fragment] | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Moment:
    pts: Fraction
    duration: Fraction


@dataclass(slots=True)
class _Stream:
    """What demuxing and decoding of one stream has shown. Values, because nothing of libav outlives its container."""

    kind: str
    number: int
    moments: list[_Moment] = field(default_factory=list)
    codec: str = ""
    profile: str | None = None
    configuration: bytes = b""
    width: int = 0
    height: int = 0
    shown: tuple[int, int] = (0, 0)
    opening: bytes = b""
    key: bool = True
    decoded: int = 0
    damaged: int = 0


def container_of(data: bytes) -> str:
    """'ts', 'mp4', 'vtt', 'packed' (audio without a container) or ''."""
    if data[:1] == bytes([SYNC]):
        return "ts"
    if data[4:8] in (b"styp", b"moof", b"sidx", b"ftyp", b"emsg", b"prft", b"moov"):
        return "mp4"
    if data.removeprefix(b"\xef\xbb\xbf")[:6] == b"WEBVTT":
        return "vtt"
    return "packed" if data[:3] == b"ID3" or data[:1] == b"\xff" else ""


def measure(data: bytes, section: bytes = b"", init: InitFacts | None = None) -> Measured:
    """`section`: the bytes of the EXT-X-MAP, `init` what it says; what fMP4 cannot do without."""
    container = container_of(data)
    if container == "ts":
        return _measure_ts(data)
    if container == "mp4" and init is not None:
        return _measure_mp4(data, section, init)
    return Measured(container)


def _measure_ts(data: bytes) -> Measured:
    ts = read_ts(data)
    try:
        streams = _decode(data, "mpegts", {})
    except av.error.FFmpegError as error:
        return Measured("ts", ts=ts, trouble=f"It cannot be opened: {error.strerror}.")
    tracks = [_track(found, found.moments, None) for found in streams if found.moments]
    return Measured("ts", tuple(tracks), _audios(streams), ts)


def _measure_mp4(data: bytes, section: bytes, init: InitFacts) -> Measured:
    try:
        fragments = read_fragments(data, init)
        streams = _decode(section + data, "mp4", {"ignore_editlist": "1"})
    except InvalidBoxes as error:
        return Measured("mp4", trouble=error.detail)
    except av.error.FFmpegError as error:
        return Measured("mp4", trouble=f"It cannot be opened: {error.strerror}.")
    tracks = []
    for found in streams:
        part = fragments.get(found.number)
        if part is None or not part.samples:
            continue
        opening = part.samples[0]
        found.opening, found.key = data[opening.data], opening.key
        moments = [_Moment(sample.pts, sample.duration) for sample in part.samples]
        tracks.append(_track(found, moments, codecs.length_size(found.codec, found.configuration)))
    lean = {number: _without_samples(part) for number, part in fragments.items()}
    return Measured("mp4", tuple(tracks), _audios(streams), fragments=lean)


def _without_samples(part: Fragment) -> Fragment:
    return Fragment(part.tfdt, part.end, part.relative, part.broken, ())


def _audios(streams: Sequence[_Stream]) -> int:
    return sum(found.kind == "audio" for found in streams)


def _decode(data: bytes, kind: str, options: dict[str, str]) -> list[_Stream]:
    with av.open(io.BytesIO(data), format=kind, options=options) as container:
        streams = [stream for stream in container.streams if stream.type in ("video", "audio")]
        found = {stream.index: _Stream(stream.type, stream.id) for stream in streams}
        for packet in container.demux(streams) if streams else ():  # of no streams it would be all
            each = found[packet.stream.index]
            if packet.size:
                _note(each, packet)
            _decode_packet(each, packet)
        for stream in streams:
            _describe(found[stream.index], stream)
        return list(found.values())


def _describe(each: _Stream, stream: Any) -> None:
    """What is known of a stream once all of it was decoded."""
    context = stream.codec_context
    each.codec, each.profile, each.configuration = context.name, context.profile, bytes(context.extradata or b"")
    each.damaged += bool(each.moments and not each.decoded)
    if each.kind == "video":
        ratio = stream.sample_aspect_ratio or context.sample_aspect_ratio or 1
        each.width, each.height = context.width, context.height
        each.shown = (round(context.width * ratio), context.height)


def _note(each: _Stream, packet: Any) -> None:
    if packet.pts is None:
        each.damaged += 1
        return
    if not each.moments:
        each.opening, each.key = bytes(packet), bool(packet.is_keyframe)
    each.moments.append(_Moment(packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base))


def _decode_packet(each: _Stream, packet: Any) -> None:
    try:
        frames = packet.decode()
    except av.error.FFmpegError:
        each.damaged += 1
        return
    each.decoded += len(frames)
    each.damaged += sum(bool(frame.is_corrupt) for frame in frames)


def _track(found: _Stream, moments: Sequence[_Moment], prefix: int | None) -> TrackFacts:
    """`prefix`: bytes of a NAL unit's length, None for Annex B."""
    shown = sorted(moments, key=lambda moment: moment.pts)
    times = [moment.pts for moment in shown]
    steps = [after - before for before, after in pairwise(times)]
    is_video = found.kind == "video"
    usual = median_low(steps) if steps else shown[-1].duration
    last = shown[-1].duration
    if is_video and prefix is None:
        last = usual  # MPEG-TS has no durations: what libavformat gives is a guess
    gaps = [] if is_video else [b.pts - a.pts - a.duration for a, b in pairwise(shown)]
    return TrackFacts(
        kind=found.kind,
        codec=codecs.codec_name(found.codec, found.profile, found.configuration or found.opening),
        first=times[0],
        end=times[-1] + last,
        frames=len(times),
        frame=usual,
        longest=max(steps, default=usual),
        hole=max([ZERO, *gaps]),
        overlap=max([ZERO, *(-gap for gap in gaps)]),
        key=found.key or not is_video,
        idr=codecs.begins_with_idr(found.codec, found.opening, prefix) if is_video else None,
        damaged=found.damaged,
        width=found.width,
        height=found.height,
        shown=found.shown,
        rate=(len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else ZERO,
    )
