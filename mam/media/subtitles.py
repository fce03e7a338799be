"""Subtitles: the tracks and sidecars that become renditions, and their cues in each segment."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from mam.errors import SourceChanged
from mam.hls import languages, multivariant, webvtt
from mam.hls.cues import Cue, Cues
from mam.hls.plan import Plan, Source
from mam.hls.renditions import Rendition, SubtitleTrack
from mam.hls.sidecars import SDH_CHARACTERISTICS
from mam.media.packets import ORIGIN, Run, read_packets
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.samples import Samples
from mam.mp4.timed_text import payload, webvtt_payloads

TIMED_TEXT = ("tx3g", "text")  # Tracks of timed text have these sample entries.
WEBVTT = "wvtt"
MAX_SUBTITLES = 32  # At most this many subtitle renditions are made.


def choose(media: MediaSource) -> list[MediaTrack]:
    """The text tracks that are subtitles: of a known kind, and no chapters."""
    kinds = (*TIMED_TEXT, WEBVTT)
    return [track for track in media.texts if track.codec in kinds and track.number not in media.chapters]


def renditions(media: MediaSource, source: Source) -> list[Rendition]:
    """The subtitle renditions: those of the file, then the sidecars."""
    candidates: list[tuple[SubtitleTrack, str, str, bool, str]] = [
        (SubtitleTrack(track=track.number, codec=track.codec, reason="timed text becomes WebVTT"),
         track.language, track.title, False, "")
        for track in choose(media)
        if len(media.samples(track.number))
    ]  # fmt: skip
    candidates += [
        (SubtitleTrack(sidecar=sidecar.key, codec=sidecar.key.rpartition(".")[2], reason="lies beside the asset"),
         sidecar.language, "", sidecar.forced, SDH_CHARACTERISTICS if sidecar.hearing_impaired else "")
        for sidecar in source.sidecars
        if sidecar.key in media.cues
    ]  # fmt: skip
    titles: set[str] = set()
    result = []
    for number, (track, language, title, forced, characteristics) in enumerate(candidates[:MAX_SUBTITLES]):
        name = title or (languages.display(language) if language else "Subtitles")
        name += " (forced)" if forced else " (SDH)" if characteristics else ""
        name = multivariant.unique_name(name, titles)
        result.append(
            Rendition(name=f"subtitles-{number}", subtitles=track, language=language, title=name, forced=forced,
                      characteristics=characteristics)
        )  # fmt: skip
    return result


class Subtitles:
    """Makes the subtitles of segments. Safe to use from several threads."""

    def __init__(self, media: MediaSource, plan: Plan) -> None:
        self._media = media
        self._plan = plan
        self._renditions = [(r, r.subtitles) for r in plan.renditions if r.subtitles]

    def segment(self, number: int) -> dict[str, memoryview]:
        """The WebVTT files of segment `number`, by name."""
        start, end = self._plan.timeline.time(number), self._plan.timeline.time(number + 1)
        files = {}
        for rendition, track in self._renditions:
            text = webvtt.segment(self._cues(track, start, end), start=start, end=end, origin=ORIGIN)
            files[self._plan.file(rendition, number)] = memoryview(text.encode())
        return files

    def _cues(self, track: SubtitleTrack, start: Fraction, end: Fraction) -> Cues:
        if track.sidecar is not None:
            if track.sidecar not in self._media.cues:
                raise SourceChanged(f"The subtitles {track.sidecar!r} were changed or removed.")
            return self._media.cues[track.sidecar]
        assert track.track is not None
        media_track = self._media.track(track.track)
        samples = self._media.samples(track.track)
        cues = []
        for _, packet in read_packets(self._media, [Run(media_track, *_overlapping(samples, start, end))]):
            begin = Fraction(packet.pts or 0) * packet.time_base - ORIGIN
            stop = begin + Fraction(packet.duration or 0) * packet.time_base
            texts = webvtt_payloads(bytes(packet)) if track.codec == WEBVTT else [(payload(bytes(packet)), "")]
            cues += [Cue(begin, stop, text, settings) for text, settings in texts if text and stop > begin]
        return Cues(cues)


def _overlapping(samples: Samples, start: Fraction, end: Fraction) -> tuple[int, int]:
    """The run of samples whose times overlap [start, end)."""
    ends = np.maximum.accumulate(samples.pts + samples.duration)
    first = int(np.searchsorted(ends, math.floor(start * samples.timescale), side="right"))
    last = int(np.searchsorted(samples.pts, math.ceil(end * samples.timescale), side="left"))
    return first, max(first, last)
