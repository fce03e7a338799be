"""Segments whose streams are copied: made from their byte ranges, without a demuxer, in any order."""

from __future__ import annotations

from mam.errors import DamagedMedia
from mam.hls.plan import Plan
from mam.media.muxing import SegmentMuxer
from mam.media.packets import Run, read_packets
from mam.media.planning import edges_by_time, segment_edges
from mam.media.source import MediaSource
from mam.mp4.tables import Ints


class Remuxer:
    """Makes the segments of one plan. Safe to use from several threads."""

    def __init__(self, media: MediaSource, plan: Plan) -> None:
        self._media = media
        self._plan = plan
        self._edges = copied_edges(media, plan)

    def segment(self, number: int) -> memoryview:
        """The bytes of a segment. Raises DamagedMedia when they are not the frames that the plan names."""
        runs = [
            Run(self._media.track(track), int(edges[number]), int(edges[number + 1]))
            for track, edges in self._edges.items()
        ]
        muxer = SegmentMuxer({run.track.number: run.track.template for run in runs})
        frames = 0
        for track, packet in read_packets(self._media, runs):
            frames += track.is_video
            muxer.mux(track.number, packet)
        check_frames(self._plan, number, frames)
        return muxer.finish()


def copied_edges(media: MediaSource, plan: Plan) -> dict[int, Ints]:
    """For each copied track of the plan: the number of each segment's first sample, and of the one behind the last."""
    edges = {}
    if plan.video_track and plan.video_track.action == "copy":
        edges[plan.video_track.track] = segment_edges(media.samples(plan.video_track.track), plan.timeline)
    if plan.audio_track and plan.audio_track.action == "copy":
        edges[plan.audio_track.track] = edges_by_time(media.samples(plan.audio_track.track), plan.timeline)
    return edges


def check_frames(plan: Plan, number: int, frames: int) -> None:
    """Raises DamagedMedia unless segment `number` got as many video frames as planned: nothing else is ever stored."""
    if plan.frames and frames != plan.frames[number]:
        raise DamagedMedia(f"Segment {number} has {frames} frames, planned were {plan.frames[number]}.")
