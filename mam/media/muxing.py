"""Muxes packets into segments: the one place that writes segment bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import av
import av.container
import av.error

from mam.errors import DamagedMedia, Undecodable
from mam.hls.plan import Plan
from mam.hls.recipe import Format
from mam.hls.renditions import OutputId, Rendition, VideoTrack
from mam.media.fmp4 import FragmentMuxer, init_segment
from mam.media.packets import ORIGIN, Packet
from mam.mp4.nals import Opening, opening

SegmentFiles = dict[str, memoryview]  # A segment's files in all renditions, by name below the revision.

OPTIONS = {
    "mpegts_flags": "+initial_discontinuity",  # signals that continuity counters restart in each segment
    "mpegts_copyts": "1",  # keeps timestamps: a frame has the same ones in every worker's segment
}
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184  # ISO/IEC 13818-1 section 2.4.1: players skip it
LEAST_PACKETS = 16  # A segment has at least this many packets: libavformat needs a dozen to recognise TS.
UNSIGNED = 4  # From this planner version on, fragments have no negative offsets, in all segments of a plan.


class SegmentMuxer:
    """One TS segment in memory. `templates`: the streams, by the keys that `mux` gets."""

    def __init__(self, templates: dict[Any, Any]) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mpegts", options=OPTIONS)
        self._streams = {
            key: self._container.add_stream_from_template(value, opaque=True) for key, value in templates.items()
        }

    def mux(self, key: Any, packet: Packet) -> None:
        """Appends a packet. Raises DamagedMedia when it is no valid packet of its codec."""
        packet.stream = self._streams[key]
        try:
            self._container.mux(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise DamagedMedia(
                f"The media near {float((packet.pts or 0) * packet.time_base) - ORIGIN:.1f} s is broken."
            ) from error

    def finish(self) -> memoryview:
        """The segment's bytes."""
        try:
            self._container.close()
        except av.error.FFmpegError as error:
            raise DamagedMedia("The segment could not be completed.") from error
        self._file.seek(0, io.SEEK_END)
        self._file.write(NULL_PACKET * (LEAST_PACKETS - self._file.tell() // len(NULL_PACKET)))
        return self._file.getbuffer()


class SegmentPacker:
    """Packs the packets of segment `number` of a plan; the first segment includes the initialization sections.

    `templates`: a stream for each of the plan's outputs; `scales`: their packets' ticks per second. `delays`: ticks
    from the decoding of an output's first packet to its first presentation time.
    """

    def __init__(
        self,
        plan: Plan,
        number: int,
        templates: Mapping[OutputId, Any],
        scales: Mapping[OutputId, int],
        delays: Mapping[OutputId, int],
    ) -> None:
        self._plan = plan
        self._delays = delays
        self._number = number
        self._templates = templates
        self._scales = scales
        self._signed = plan.planner < UNSIGNED
        self._muxers = {r.name: self._muxer(r) for r in plan.renditions if r.outputs}
        self._first: dict[OutputId, Packet] = {}
        outputs = plan.outputs
        videos = {output: track for output, track in outputs.items() if isinstance(track, VideoTrack)}
        self._frames = dict.fromkeys(videos, 0)
        self._planned = {output: video.shown(plan.frames[number]) for output, video in videos.items() if plan.frames}
        self._copied = {output for output in self._frames if outputs[output].action == "copy"}

    def _muxer(self, rendition: Rendition) -> SegmentMuxer | FragmentMuxer:
        templates = self._templates_of(rendition)
        if self._plan.format is Format.TS:
            return SegmentMuxer(templates)
        return FragmentMuxer(templates, self._scales, self._number, self._delays, signed=self._signed)

    def _templates_of(self, rendition: Rendition) -> dict[OutputId, Any]:
        return {output: self._templates[output] for output in rendition.outputs}

    def mux(self, output: OutputId, packet: Packet) -> None:
        """Appends a packet of an output to its rendition. Raises DamagedMedia, Undecodable."""
        if output in self._frames:
            if output in self._copied and not self._frames[output]:
                self._check_opening(self._templates[output].codec_context, packet)
            self._frames[output] += 1
        self._first.setdefault(output, packet)
        self._muxers[output.rendition].mux(output, packet)

    def finish(self) -> SegmentFiles:
        """The segment's files. Raises DamagedMedia unless the segment has as many video frames as planned."""
        plan, number = self._plan, self._number
        for output, planned in self._planned.items():
            if (frames := self._frames[output]) != planned:
                raise DamagedMedia(f"Segment {number} has {frames} frames, planned were {planned}.")
        files = self.initializations() if number == 0 else {}
        return files | {plan.file(plan.named(name), number): muxer.finish() for name, muxer in self._muxers.items()}

    def _check_opening(self, context: Any, packet: Packet) -> None:
        """Raises Undecodable unless a decoder can start at the segment's first picture."""
        kind = opening(context.codec.canonical_name, bytes(context.extradata or b""), memoryview(packet))
        if kind is Opening.NONE:
            raise Undecodable(f"Segment {self._number} would begin with a picture that no decoder can start at.")

    def initializations(self, first: Mapping[OutputId, Packet] | None = None) -> SegmentFiles:
        """The initialization sections of the plan's renditions, which are the same for every segment.

        `first`: the first packet of each output; else those that were muxed.
        """
        delays = None if self._signed else self._delays
        return {
            self._plan.init(rendition): memoryview(
                init_segment(self._templates_of(rendition), self._scales, first or self._first, delays=delays)
            )
            for rendition in self._plan.renditions
            if self._plan.has_init(rendition)
        }
