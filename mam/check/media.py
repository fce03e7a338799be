"""Measures one segment: its tracks, their times, and whether they decode. Its bytes are not kept."""

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
from av.sidedata.sidedata import Type

from mam.check import codecs
from mam.check.fmp4 import Fragment, InitFacts, InvalidBoxes, read_fragments
from mam.check.ts import SYNC, TsFacts, read_ts

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """A track in a segment; times in seconds.

    `first`: the presentation time of its first frame. `end`: the end of its last frame. `frame`: the usual frame
    duration. `longest`: the longest distance of two frames. `hole`, `overlap`: the largest between audio frames. `key`,
    `idr`: whether the first coded picture is marked as a key frame, and is an IDR (None: the codec has none).
    `damaged`: the number of undecodable frames. `width`, `height`: the coded size. `shown`: in square pixels. `rate`:
    frames per second, 0 for a single frame. `video_range`: 'SDR', 'PQ' or 'HLG', '' where nothing says it. `captioned`:
    pictures carry closed captions. `channels`: of sound. `strays`: the number of parameter sets before the first
    picture that differ from those of the initialization section, where that has to have all of them.
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
    video_range: str = ""
    captioned: bool = False
    channels: int = 0
    strays: int = 0


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """A segment. `listed`: its start by EXTINF, in seconds from the playlist's start. `size`: bytes.

    `audios`: the number of audio streams. `trouble`: why it could not be measured. `boundary`: it follows an
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
    """The parts of SegmentFacts that come from a segment's bytes."""

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
    """The results of demuxing and decoding a stream, as values: objects of libav do not outlive their container."""

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
    tag: str = ""
    video_range: str = ""
    captioned: bool = False
    channels: int = 0


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
    """Measures a segment. `section`, `init`: the bytes and contents of its EXT-X-MAP, which fMP4 needs."""
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
    tracks = [_track(stream, stream.moments, None) for stream in streams if stream.moments]
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
    for stream in streams:
        part = fragments.get(stream.number)
        if part is None or not part.samples:
            continue
        opening = part.samples[0]
        stream.opening, stream.key = data[opening.data], opening.key
        moments = [_Moment(sample.pts, sample.duration) for sample in part.samples]
        tracks.append(_track(stream, moments, codecs.length_size(stream.codec, stream.configuration)))
    lean = {number: _without_samples(part) for number, part in fragments.items()}
    return Measured("mp4", tuple(tracks), _audios(streams), fragments=lean)


def _without_samples(part: Fragment) -> Fragment:
    return Fragment(part.tfdt, part.end, part.relative, part.broken, ())


def _audios(streams: Sequence[_Stream]) -> int:
    return sum(stream.kind == "audio" for stream in streams)


def _decode(data: bytes, kind: str, options: dict[str, str]) -> list[_Stream]:
    with av.open(io.BytesIO(data), format=kind, options=options) as container:
        streams = [stream for stream in container.streams if stream.type in ("video", "audio")]
        results = {stream.index: _Stream(stream.type, stream.id) for stream in streams}
        packets = container.demux(streams) if streams else ()  # without streams libavformat would demux all of them
        for packet in packets:
            result = results[packet.stream.index]
            if packet.size:
                _note(result, packet)
            _decode_packet(result, packet)
        for stream in streams:
            _describe(results[stream.index], stream)
        return list(results.values())


def _describe(result: _Stream, stream: Any) -> None:
    """Completes the results of a stream after all of it was decoded."""
    context = stream.codec_context
    result.codec, result.profile, result.configuration = context.name, context.profile, bytes(context.extradata or b"")
    result.damaged += bool(result.moments and not result.decoded)
    result.tag = context.codec_tag
    if result.kind == "audio":
        result.channels = context.channels
    if result.kind == "video":
        result.video_range = codecs.video_range(int(context.color_trc))
        ratio = stream.sample_aspect_ratio or context.sample_aspect_ratio or 1
        result.width, result.height = context.width, context.height
        result.shown = (round(context.width * ratio), context.height)


def _note(result: _Stream, packet: Any) -> None:
    if packet.pts is None:
        result.damaged += 1
        return
    if not result.moments:
        result.opening, result.key = bytes(packet), bool(packet.is_keyframe)
    result.moments.append(_Moment(packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base))


def _decode_packet(result: _Stream, packet: Any) -> None:
    try:
        frames = packet.decode()
    except av.error.FFmpegError:
        result.damaged += 1
        return
    result.decoded += len(frames)
    result.damaged += sum(bool(frame.is_corrupt) for frame in frames)
    result.captioned = result.captioned or (result.kind == "video" and any(map(_has_captions, frames)))


def _has_captions(frame: Any) -> bool:
    """Whether a picture carries captions; False where PyAV has no name for other data of the picture."""
    try:
        side = frame.side_data.get(Type.A53_CC)
    except ValueError:
        return False
    return side is not None and codecs.has_captions(bytes(side))


def _track(stream: _Stream, moments: Sequence[_Moment], prefix: int | None) -> TrackFacts:
    """The facts of a track. `prefix`: the size of NAL unit lengths in bytes, None for Annex B."""
    shown = sorted(moments, key=lambda moment: moment.pts)
    times = [moment.pts for moment in shown]
    steps = [after - before for before, after in pairwise(times)]
    is_video = stream.kind == "video"
    usual = median_low(steps) if steps else shown[-1].duration
    last = shown[-1].duration
    if is_video and prefix is None:
        last = usual  # MPEG-TS has no durations: libavformat guesses them
    gaps = [] if is_video else [after.pts - before.pts - before.duration for before, after in pairwise(shown)]
    return TrackFacts(
        kind=stream.kind,
        codec=codecs.codec_name(stream.codec, stream.profile, stream.configuration or stream.opening),
        first=times[0],
        end=times[-1] + last,
        frames=len(times),
        frame=usual,
        longest=max(steps, default=usual),
        hole=max([ZERO, *gaps]),
        overlap=max([ZERO, *(-gap for gap in gaps)]),
        key=stream.key or not is_video,
        idr=codecs.begins_with_idr(stream.codec, stream.opening, prefix) if is_video else None,
        damaged=stream.damaged,
        width=stream.width,
        height=stream.height,
        shown=stream.shown,
        rate=(len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else ZERO,
        video_range=stream.video_range,
        captioned=stream.captioned,
        channels=stream.channels,
        strays=codecs.strays(stream.codec, stream.tag, stream.configuration, stream.opening, prefix) if prefix else 0,
    )
