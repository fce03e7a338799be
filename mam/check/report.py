"""The report of a check: findings, each with its rule and clause, and measurements."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Level = Literal["error", "note"]  # A note is legal or intended, but worth a look.

RFC = "RFC 8216 section"
APPLE = "HLS Authoring Specification"
RULES = {
    # playlists
    "header": f"{RFC} 4.3.1.1",
    "encoding": f"{RFC} 4.1",
    "mixed": f"{RFC} 4.3",
    "repeated-tag": f"{RFC} 4.3.3",
    "version": f"{RFC} 7",
    "target-duration": f"{RFC} 4.3.3.1",
    "vod": f"{APPLE} 8.6",
    "endlist": f"{RFC} 4.3.3.4",
    "independent": f"{APPLE} 9.11, 9.12",
    "segments": f"{RFC} 4.3.2.1",
    "unsupported": "not looked at by this checker",
    # delivery
    "missing": f"{RFC} 6.2.1",
    "content-type": f"{APPLE} 10.4",
    "gzip": f"{APPLE} 10.1",
    "cors": "Fetch standard, CORS protocol",
    "range": "RFC 9110 section 14.2",
    "redirect": f"{APPLE} 8.18",
    # segments
    "container": f"{RFC} 3",
    "empty": f"{RFC} 3",
    "decode": f"{RFC} 3",
    "one-audio": f"{APPLE} 2.17",
    "key-frame": f"{APPLE} 7.4",
    "extinf": f"{APPLE} 8.1",
    "video-gap": f"{APPLE} 7.1",
    "audio-gap": f"{APPLE} 7.1",
    "overlap": f"{APPLE} 7.1",
    "format-change": f"{APPLE} 8.13-8.15",
    "ts-tables": f"{RFC} 3.2",
    "ts-program": f"{RFC} 3.2",
    "ts-packets": "ISO/IEC 13818-1 section 2.4.3.2",
    "ts-counter": f"{APPLE} 7.2",
    "map": f"{APPLE} 8.20",
    "init": f"{RFC} 3.3",
    "tfdt": f"{APPLE} 7.3",
    "fragment": f"{RFC} 3.3",
    "hevc-in-ts": f"{APPLE} 1.5",
    "fast-frames": f"{APPLE} 1.19",
    "level": "ITU-T H.264 and H.265 annex A",
    "parameter-sets": "ISO/IEC 14496-15 section 5.3.3",
    # subtitles
    "vtt-header": f"{RFC} 3.5",
    "vtt-map": f"{APPLE} 5.3",
    "vtt-cue": f"{RFC} 3.5",
    # multivariant playlists
    "bandwidth": f"{APPLE} 1.27, 9.13",
    "average-bandwidth": f"{APPLE} 1.26, 9.14",
    "codecs": f"{APPLE} 9.1",
    "resolution": f"{APPLE} 9.2",
    "frame-rate": f"{APPLE} 9.15",
    "group": f"{RFC} 4.3.4.2",
    "rendition": f"{RFC} 4.3.4.1",
    "language": f"{APPLE} 8.10",
    "same-target": f"{APPLE} 8.2",
    "same-range": f"{APPLE} 8.7",
    "sync": f"{RFC} 6.2.4",
    "alignment": f"{APPLE} 8.22",
    # ladders
    "matching": f"{RFC} 6.2.4",
    "discontinuity": f"{RFC} 6.2.4; {APPLE} 8.13-8.15",
    "aspect-ratio": f"{APPLE} 1.33",
    "score": f"{APPLE} 9.19",
    "video-range": f"{APPLE} 9.16",
    "sdr": f"{APPLE} 1.24",
    "captions": f"{RFC} 4.3.4.2",
    "first-variant": f"{APPLE} 1.32",
    "slow-variant": f"{APPLE} 1.25",
    "peaks": f"{APPLE} 1.30",
    "same-members": f"{RFC} 4.3.4.1.1",
    "channels": f"{RFC} 4.3.4.1",
    "stereo": f"{APPLE} 2.3",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule`: a key of RULES. `where`: a playlist, or one of its segments, without signatures."""

    level: Level
    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message} [{self.rule}: {RULES[self.rule]}]"


def error(rule: str, where: str, message: str) -> Finding:
    return Finding("error", rule, where, message)


def note(rule: str, where: str, message: str) -> Finding:
    return Finding("note", rule, where, message)


@dataclass(frozen=True, slots=True)
class Track:
    """The media of a kind ('video', 'audio' or 'subtitles') in a media playlist.

    `first`: the presentation time of the first frame, `end`: the end of the last, seconds on the stream's own timeline.
    `width`, `height`: the shown size, in square pixels. `codec`: as in CODECS.
    """

    kind: str
    codec: str
    first: Fraction
    end: Fraction
    frames: int
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Presentation:
    """A media playlist. `duration`: the sum of EXTINF in seconds. `peak`, `average`: bits per second, 0 if unknown."""

    where: str
    duration: Fraction
    segments: int
    tracks: tuple[Track, ...] = ()
    peak: int = 0
    average: int = 0

    def track(self, kind: str) -> Track | None:
        return next((track for track in self.tracks if track.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check. `presentations`: every media playlist; the figures are those of the first."""

    url: str
    findings: tuple[Finding, ...]
    presentations: tuple[Presentation, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def rules(self) -> set[str]:
        """The violated rules."""
        return {finding.rule for finding in self.errors}

    @property
    def duration(self) -> Fraction:
        return self.presentations[0].duration if self.presentations else Fraction(0)

    @property
    def segments(self) -> int:
        return self.presentations[0].segments if self.presentations else 0

    @property
    def video_frames(self) -> int:
        video = self.track("video")
        return video.frames if video else 0

    def track(self, kind: str) -> Track | None:
        """The first track of a kind in any media playlist."""
        return next((track for played in self.presentations for track in played.tracks if track.kind == kind), None)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, with times in seconds."""
        return {
            "url": self.url,
            "ok": self.ok,
            "duration": float(self.duration),
            "segments": self.segments,
            "video_frames": self.video_frames,
            "findings": [
                {"level": f.level, "rule": f.rule, "clause": RULES[f.rule], "where": f.where, "message": f.message}
                for f in self.findings
            ],
            "presentations": [_presentation(presentation) for presentation in self.presentations],
        }


def _presentation(presentation: Presentation) -> dict[str, Any]:
    return {
        "where": presentation.where,
        "duration": float(presentation.duration),
        "segments": presentation.segments,
        "peak": presentation.peak,
        "average": presentation.average,
        "tracks": [
            {"kind": track.kind, "codec": track.codec, "first": float(track.first), "end": float(track.end),
             "frames": track.frames, "width": track.width, "height": track.height}
            for track in presentation.tracks
        ],
    }  # fmt: skip
