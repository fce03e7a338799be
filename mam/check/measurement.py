"""A media playlist as it was measured: the values that the rules of multivariant playlists compare. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

from mam.check.media import SegmentFacts, TrackFacts
from mam.check.report import Presentation, Track
from mam.check.rules import offset
from mam.check.syntax import MediaPlaylist
from mam.check.webvtt import VttFacts


@dataclass(slots=True)
class Media:
    """A media playlist with its measured segments. `complete`: every segment was measured."""

    where: str
    playlist: MediaPlaylist
    segments: list[SegmentFacts] = field(default_factory=list)
    texts: list[VttFacts] = field(default_factory=list)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured media playlist. `codecs`, `rates`: of all its segments. `frame`: the frame duration of its video or
    else audio, in seconds. `offset`: the timestamp of its start. `complete`: all segments were measured, so bit rates
    are known. `ends`: the ends of its segments by EXTINF, in seconds. `starts`: the presentation time of the first
    picture of each measurable segment, by number; None for one without pictures. `discontinuities`: the places of
    EXT-X-DISCONTINUITY by EXTINF. `sequence`: EXT-X-DISCONTINUITY-SEQUENCE. `shown`: the sizes of its pictures in
    square pixels. `ranges`: as in VIDEO-RANGE. `channels`: of its sound. `captioned`: pictures carry closed captions.
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
    starts: Mapping[int, Fraction | None] = field(default_factory=dict)
    discontinuities: tuple[Fraction, ...] = ()
    sequence: int = 0
    shown: tuple[tuple[int, int], ...] = ()
    ranges: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    captioned: bool = False

    @property
    def has_video(self) -> bool:
        return self.presentation.track("video") is not None

    @property
    def usual_rate(self) -> Fraction:
        """The average frame rate: less than that of the fastest segment where the rate varies."""
        video = self.presentation.track("video")
        if video is None or not self.complete or video.end <= video.first:
            return max(self.rates, default=Fraction(0))
        return video.frames / (video.end - video.first)


def peak_rate(segments: Sequence[tuple[Fraction, int]], target: int) -> int:
    """The peak segment bit rate (RFC 8216 section 4.1): the largest of any contiguous set of segments that lasts 0.5
    to 1.5 target durations. `segments`: (seconds, bytes). Without such a set, the average rate."""
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


def frame_duration(segments: Sequence[SegmentFacts]) -> Fraction:
    """The duration of a picture, or else of an audio frame."""
    for kind in ("video", "audio"):
        if tracks := tracks_of(segments, kind):
            return max(track.frame for track in tracks)
    return Fraction(0)


def tracks_of(segments: Sequence[SegmentFacts], kind: str) -> list[TrackFacts]:
    return [track for facts in segments for track in facts.tracks if track.kind == kind]


def measurement(media: Media) -> Measurement:
    video, audio = tracks_of(media.segments, "video"), tracks_of(media.segments, "audio")
    playlist = media.playlist
    ends = tuple(accumulate(segment.duration for segment in playlist.segments))
    cuts = [number for number, segment in enumerate(playlist.segments) if segment.discontinuity and number]
    firsts = {facts.number: facts.track("video") for facts in media.segments if not facts.trouble}
    return Measurement(
        _presentation(media, video, audio),
        playlist.target,
        tuple(dict.fromkeys(track.codec for track in (*video, *audio))),
        tuple(dict.fromkeys(track.rate for track in video)),
        tuple(dict.fromkeys(size for track in video for size in (track.shown, (track.width, track.height)))),
        frame_duration(media.segments),
        offset(media.segments),
        media.complete,
        ends,
        starts={number: track.first if track else None for number, track in firsts.items()},
        discontinuities=tuple(ends[number - 1] for number in cuts),
        sequence=playlist.discontinuity_sequence,
        shown=tuple(dict.fromkeys(track.shown for track in video)),
        ranges=tuple(dict.fromkeys(track.video_range for track in video if track.video_range)),
        channels=tuple(dict.fromkeys(track.channels for track in audio if track.channels)),
        captioned=any(track.captioned for track in video),
    )


def _presentation(media: Media, video: Sequence[TrackFacts], audio: Sequence[TrackFacts]) -> Presentation:
    tracks = [_whole(facts) for facts in (video, audio) if facts]
    if cues := [cue for facts in media.texts for cue in facts.cues]:
        first, end = min(cue.start for cue in cues), max(cue.end for cue in cues)
        tracks.append(Track("subtitles", "wvtt", first, end, len(cues)))
    rates = [(facts.duration, facts.size) for facts in media.segments]
    rates += [(facts.duration, facts.size) for facts in media.texts]
    rates = rates if media.complete else []
    playlist = media.playlist
    return Presentation(
        media.where, playlist.duration, len(playlist.segments), tuple(tracks),
        peak_rate(rates, playlist.target), average_rate(rates),
    )  # fmt: skip


def _whole(tracks: Sequence[TrackFacts]) -> Track:
    first = tracks[0]
    return Track(
        first.kind, first.codec, min(track.first for track in tracks), max(track.end for track in tracks),
        sum(track.frames for track in tracks), *first.shown,
    )  # fmt: skip
