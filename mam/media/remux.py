"""Segments whose streams are copied: made from their byte ranges, without a demuxer, in any order."""

from __future__ import annotations

from mam.hls.plan import Plan
from mam.media.chunk_windows import edges_by_time, reordering, segment_edges
from mam.media.muxing import Made, SegmentPacker
from mam.media.packets import Run, read_packets
from mam.media.source import MediaSource
from mam.media.subtitles import Texts
from mam.mp4.tables import Ints


class Copied:
    """Which samples of a source are copied into which segment of a plan."""

    def __init__(self, media: MediaSource, plan: Plan) -> None:
        self._media = media
        self._edges = copied_edges(media, plan)

    def runs(self, number: int) -> list[Run]:
        return [
            Run(self._media.track(track), int(edges[number]), int(edges[number + 1]))
            for track, edges in self._edges.items()
        ]


class Remuxer:
    """Makes the segments of one plan. Safe to use from several threads."""

    def __init__(self, media: MediaSource, plan: Plan) -> None:
        self._media = media
        self._plan = plan
        self._copied = Copied(media, plan)
        self._texts = Texts(media, plan)
        self._templates = {track.track: media.track(track.track).template for track in plan.tracks}
        self._delays = {track.track: reordering(media.samples(track.track)) for track in plan.tracks}
        self._scales = {track.track: media.samples(track.track).timescale for track in plan.tracks}

    def segment(self, number: int) -> Made:
        """The bytes of a segment. Raises DamagedMedia when they are not the frames that the plan names."""
        packer = SegmentPacker(self._plan, number, self._templates, self._scales, self._delays)
        for track, packet in read_packets(self._media, self._copied.runs(number)):
            packer.mux(track.number, packet)
        return packer.finish() | self._texts.segment(number)


def copied_edges(media: MediaSource, plan: Plan) -> dict[int, Ints]:
    """For each copied track of the plan: the number of each segment's first sample, and of the one behind the last."""
    edges = {}
    if plan.video_track and plan.video_track.action == "copy":
        edges[plan.video_track.track] = segment_edges(media.samples(plan.video_track.track), plan.timeline)
    for audio in plan.audio_tracks:
        if audio.action == "copy":
            edges[audio.track] = edges_by_time(media.samples(audio.track), plan.timeline)
    return edges
