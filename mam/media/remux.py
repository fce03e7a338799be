"""Copied segments: made from byte ranges of the source, without a demuxer, in any order."""

from __future__ import annotations

from dataclasses import dataclass

from mam.hls.plan import Plan
from mam.hls.renditions import OutputId, VideoTrack
from mam.media.chunk_windows import edges_by_time, reordering, segment_edges
from mam.media.muxing import SegmentFiles, SegmentPacker
from mam.media.packets import Run, read_packets
from mam.media.source import MediaSource
from mam.media.subtitles import Subtitles
from mam.mp4.tables import Ints


@dataclass(frozen=True, slots=True)
class CopiedRun(Run):
    """Samples that are copied into an output."""

    output: OutputId


class Copied:
    """The samples of a source that are copied into each segment of a plan."""

    def __init__(self, media: MediaSource, plan: Plan) -> None:
        self._media = media
        self._outputs = plan.outputs
        self._edges = copied_edges(media, plan)

    def runs(self, number: int) -> list[CopiedRun]:
        return [
            CopiedRun(
                self._media.track(self._outputs[output].track), int(edges[number]), int(edges[number + 1]), output
            )
            for output, edges in self._edges.items()
        ]


class Remuxer:
    """Makes the segments of one plan. Safe to use from several threads."""

    def __init__(self, media: MediaSource, plan: Plan) -> None:
        self._media = media
        self._plan = plan
        self._copied = Copied(media, plan)
        self._texts = Subtitles(media, plan)
        outputs = plan.outputs
        self._templates = {output: media.track(track.track).template for output, track in outputs.items()}
        self._delays = {output: reordering(media.samples(track.track)) for output, track in outputs.items()}
        self._scales = {output: media.samples(track.track).timescale for output, track in outputs.items()}

    def segment(self, number: int) -> SegmentFiles:
        """The files of a segment. Raises DamagedMedia when its frames are not those of the plan."""
        packer = SegmentPacker(self._plan, number, self._templates, self._scales, self._delays)
        for run, packet in read_packets(self._media, self._copied.runs(number)):
            packer.mux(run.output, packet)
        return packer.finish() | self._texts.segment(number)


def copied_edges(media: MediaSource, plan: Plan) -> dict[OutputId, Ints]:
    """For each copied output: the first sample of each segment, and the one after the last."""
    edges = {}
    for output, track in plan.outputs.items():
        if track.action == "copy":
            samples = media.samples(track.track)
            cut = segment_edges if isinstance(track, VideoTrack) else edges_by_time
            edges[output] = cut(samples, plan.timeline)
    return edges
