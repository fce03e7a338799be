"""Segments whose picture or sound is encoded: chunks that join without a seam, whoever encodes them.

Packets go from the source's index through a NUT pipe into ffmpeg, encoded packets come back the same way and are cut
at the plan's boundaries. What is copied never passes through ffmpeg.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Any

import av
import av.error
import numpy as np

from mam.errors import DamagedMedia, EncoderFailed
from mam.hls.plan import Chunk, Plan
from mam.media import ffmpeg as door
from mam.media.commands import REORDER, encode_command, forced_key_frames
from mam.media.muxing import SegmentMuxer
from mam.media.packets import ORIGIN, Packet, Run, read_packets
from mam.media.remux import check_frames, copied_edges
from mam.media.source import MediaSource
from mam.media.windows import Window, audio_window, video_window


@dataclass(slots=True)
class _Part:
    """What has come of one segment so far."""

    video: list[Packet] = field(default_factory=list)
    audio: list[Packet] = field(default_factory=list)


class ChunkEncoder:
    """Makes the segments of one plan, a chunk at a time.

    `watch` gets each ffmpeg when it was started, and again after each of its segments.
    """

    def __init__(
        self,
        media: MediaSource,
        plan: Plan,
        *,
        threads: int = 1,
        nice: int = 0,
        stall_seconds: float = 60,
        watch: Callable[[door.Encoder], None] = lambda _: None,
    ) -> None:
        self._media = media
        self._plan = plan
        self._threads = threads
        self._nice = nice
        self._stall_seconds = stall_seconds
        self._watch = watch
        self._copied = copied_edges(media, plan)
        if plan.video_track and plan.video_track.action == "encode":
            shown = np.sort(media.samples(plan.video_track.track).pts)
            self._shown = shown[shown >= plan.timeline.boundaries[0]]  # all frames of the film, as they are shown
            self._step = int(np.diff(self._shown[:2])[0]) if len(self._shown) > 1 else plan.timeline.timescale // 30

    def segments(
        self, chunk: Chunk, *, alive: Callable[[], None] = lambda: None
    ) -> Generator[tuple[int, memoryview], None, None]:
        """(number, bytes) of each segment of the chunk, as they are completed. `alive` is called with each packet.

        Raises DamagedMedia when a segment does not get the frames that the plan names, EncoderFailed.
        """
        windows = self._windows(chunk)
        argv = self._command(windows, chunk)
        with (
            door.run(
                argv,
                nice=self._nice,
                stall_seconds=self._stall_seconds,
                feed=lambda pipe: self._feed(pipe, windows),
            ) as encoder,
            _open_output(encoder, self._watch) as output,
        ):
            for made in self._cut(output, windows, chunk, encoder, alive):
                yield made
                self._watch(encoder)

    def _windows(self, chunk: Chunk) -> dict[int, Window]:
        """By track number: what of each encoded track goes through ffmpeg."""
        plan, windows = self._plan, {}
        if plan.video_track and plan.video_track.action == "encode":
            track = plan.video_track.track
            windows[track] = video_window(self._media.samples(track), plan, chunk)
        if plan.audio_track and plan.audio_track.action == "encode":
            track = plan.audio_track.track
            windows[track] = audio_window(self._media.samples(track), plan, chunk, plan.audio_track.sample_rate)
        return windows

    def _command(self, windows: dict[int, Window], chunk: Chunk) -> list[str]:
        plan = self._plan
        video = audio = None
        if plan.video_track and plan.video_track.track in windows:
            shown = np.sort(self._media.samples(plan.video_track.track).pts)
            video = (plan.video_track, windows[plan.video_track.track], forced_key_frames(shown, plan, chunk))
        if plan.audio_track and plan.audio_track.track in windows:
            audio = (plan.audio_track, windows[plan.audio_track.track])
        return encode_command(video, audio, threads=self._threads)

    def _feed(self, pipe: IO[bytes], windows: dict[int, Window]) -> None:
        """Writes the windows' packets as NUT. Raises BrokenPipeError when ffmpeg has ended."""
        tracks = {number: self._media.track(number) for number in windows}
        runs = [Run(tracks[number], window.first, window.last) for number, window in windows.items()]
        try:
            with av.open(pipe, "w", format="nut") as nut:
                streams = {n: nut.add_stream_from_template(track.template, opaque=True) for n, track in tracks.items()}
                for track, packet in read_packets(self._media, runs):
                    packet.stream = streams[track.number]
                    nut.mux(packet)
        except av.error.PyAVCallbackError as error:  # libav's word for it, once the pipe's own was heard
            raise BrokenPipeError from error

    def _cut(
        self, output: Any, windows: dict[int, Window], chunk: Chunk, encoder: door.Encoder, alive: Callable[[], None]
    ) -> Iterator[tuple[int, memoryview]]:
        """Sorts the encoder's packets into segments, and hands each segment out once nothing can be added to it."""
        plan = self._plan
        kinds = {stream.index: stream.type for stream in output.streams}
        by_kind = {
            kind: windows[track.track]
            for kind, track in (("video", plan.video_track), ("audio", plan.audio_track))
            if track and track.track in windows
        }
        parts = {number: _Part() for number in chunk}
        reached = dict.fromkeys(kinds, Fraction(0))  # per stream: everything shown before this has come
        waiting = chunk.first
        templates = {stream.type: stream for stream in output.streams}
        for packet in output.demux():
            if packet.pts is None or not packet.size:
                continue
            encoder.moved()
            alive()
            kind = kinds[packet.stream_index]
            window = by_kind[kind]
            tick = round(packet.pts * packet.time_base * window.rate) - ORIGIN * window.rate
            if window.keep_from <= tick < window.keep_to:
                number = self._segment_of(Fraction(tick, window.rate), kind, chunk)
                getattr(parts[number], kind).append(packet)
            # Every segment begins with an IDR frame, so a frame of the next one means that this one has all of its own.
            reached[packet.stream_index] = max(reached[packet.stream_index], Fraction(tick, window.rate))
            while waiting < chunk.last - 1 and min(reached.values()) >= plan.timeline.time(waiting + 1):
                yield waiting, self._finish(waiting, parts.pop(waiting), templates)
                waiting += 1
        encoder.wait()  # what is short because ffmpeg was killed is not the media's fault
        for number in range(waiting, chunk.last):
            yield number, self._finish(number, parts.pop(number), templates)

    def _segment_of(self, moment: Fraction, kind: str, chunk: Chunk) -> int:
        boundaries = self._plan.timeline.boundaries
        tick = math.floor(moment * self._plan.timeline.timescale)
        number = int(np.searchsorted(np.asarray(boundaries), tick, side="right")) - 1
        return min(max(number, chunk.first), chunk.last - 1)

    def _finish(self, number: int, part: _Part, templates: dict[str, Any]) -> memoryview:
        """Muxes a segment of encoded and copied packets, by decode time."""
        plan = self._plan
        if plan.video_track:
            check_frames(plan, number, len(part.video))
            if part.video and not part.video[0].is_keyframe:
                raise EncoderFailed(f"Segment {number} does not begin with a key frame.")
            self._stamp(number, part.video)
        for packet in part.audio:
            packet.dts = packet.pts
        runs = [
            Run(self._media.track(track), int(edges[number]), int(edges[number + 1]))
            for track, edges in self._copied.items()
        ]
        copied = [(track.header.kind, packet) for track, packet in read_packets(self._media, runs)]
        muxer = SegmentMuxer(
            {
                kind: templates.get(encoded) or self._media.track(track.track).template
                for kind, encoded, track in (("vide", "video", plan.video_track), ("soun", "audio", plan.audio_track))
                if track
            }
        )
        packets = [("vide", p) for p in part.video] + [("soun", p) for p in part.audio] + copied
        for kind, packet in sorted(packets, key=lambda item: (item[1].dts or 0) * item[1].time_base):
            muxer.mux(kind, packet)
        return muxer.finish()

    def _stamp(self, number: int, packets: list[Packet]) -> None:
        """Gives encoded video its decode times, which NUT does not carry: those of the frames shown two earlier.

        They follow from the plan alone, so a chunk's are the same whoever encoded what stands before it.
        """
        assert self._plan.video_track
        scale = self._plan.timeline.timescale
        position = sum(self._plan.frames[:number])
        for at, packet in enumerate(packets, position):
            tick = self._shown[at - REORDER] if at >= REORDER else self._shown[0] - (REORDER - at) * self._step
            packet.pts = round((packet.pts or 0) * packet.time_base * scale)
            packet.time_base = Fraction(1, scale)
            packet.dts = int(tick) + ORIGIN * scale


def _open_output(encoder: door.Encoder, watch: Callable[[door.Encoder], None]) -> Any:
    """What ffmpeg writes, as packets. Raises EncoderFailed or DamagedMedia when it wrote nothing."""
    watch(encoder)
    try:
        return av.open(encoder.stdout, format="nut", options={"probesize": "32", "analyzeduration": "0"})
    except (av.error.FFmpegError, EOFError, OSError) as error:
        encoder.wait()  # its own words are better
        raise DamagedMedia("Nothing in the media could be decoded.") from error
