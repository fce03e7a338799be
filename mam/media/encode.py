"""Encoded segments: chunks that join without a seam, whichever worker encodes them.

Packets of the source go through a pipe into ffmpeg; encoded packets return through a pipe and are cut at the plan's
boundaries. Copied streams do not pass through ffmpeg.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import IO, Any

import numpy as np

from mam.errors import EncoderFailed, MamError, TooLarge
from mam.hls.plan import Chunk, Plan
from mam.hls.renditions import AudioTrack, OutputId, Track, VideoTrack
from mam.media import apertures, ffmpeg_io
from mam.media import ffmpeg_process as door
from mam.media.chunk_windows import AAC_FRAME, Window, audio_window, pieces, reordering, shown_frames, video_window
from mam.media.commands import encode_command, forced_key_frames, initialization_command
from mam.media.muxing import SegmentFiles, SegmentPacker
from mam.media.packets import ORIGIN, Packet, Run, read_packets
from mam.media.picture_clock import PictureClock
from mam.media.remux import Copied
from mam.media.source import MediaSource
from mam.media.subtitles import Subtitles

FED = 100  # A sign of life follows after this many packets of input.
Part = dict[OutputId, list[Packet]]  # ffmpeg's packets for a segment.
MAX_CHUNK_BYTES = 1 << 30  # The largest output of a chunk: beyond the bit rates of any player.


class ChunkEncoder:
    """Makes the segments of one plan, a chunk at a time.

    `watch` is called with each ffmpeg after its start, after each of its segments, and when it fails. `initialization`:
    what `initialization` returned; each segment must fit it. Without it, that of segment 0 is made with that segment.
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
        initialization: SegmentFiles | None = None,
    ) -> None:
        self._media = media
        self._plan = plan
        self._threads = threads
        self._nice = nice
        self._stall_seconds = stall_seconds
        self._watch = watch
        self._initialization = initialization
        self._copied = Copied(media, plan)
        self._texts = Subtitles(media, plan)
        self._outputs = plan.outputs
        self._scales = {output: self._scale(track) for output, track in self._outputs.items()}
        self._video = next(iter(plan.encoded_video_tracks), None)  # The others have frames of the same.
        self._shown = np.zeros(0, np.int64)  # the presentation times of all frames of the film
        if self._video:
            self._shown = shown_frames(media.samples(self._video.track), self._video, plan.timeline)
        self._clocks = {
            output: PictureClock.of(self._shown, plan, track)
            for output, track in self._outputs.items()
            if isinstance(track, VideoTrack) and track.action == "encode"
        }
        self._delays = {output: self._delay(output, track) for output, track in self._outputs.items()}

    def segments(
        self, chunk: Chunk, *, alive: Callable[[], None] = lambda: None
    ) -> Generator[tuple[int, SegmentFiles], None, None]:
        """(number, files) of each segment of the chunk, as it is completed. `alive` is called with each packet.

        Raises DamagedMedia when a segment does not have the frames of the plan, EncoderFailed.
        """
        for piece in self._pieces(chunk):
            yield from self._piece(piece, alive)

    def initialization(self) -> SegmentFiles:
        """The initialization section of a plan with one encoded picture alone, before any segment is made.

        It comes from a black frame: parameter sets depend on the options of the encoder, not on the picture.
        """
        ((output, track),) = self._outputs.items()
        assert isinstance(track, VideoTrack)
        size = apertures.stored_size(self._media.track(track.track))
        argv = initialization_command(track, size, self._plan.timeline.timescale)
        with (
            door.run(argv, stall_seconds=self._stall_seconds, feed=lambda _: None) as encoder,
            ffmpeg_io.open_output(encoder) as encoded,
        ):
            packet = next(packet for packet in encoded.demux() if packet.size)
            templates = dict(zip([output], encoded.streams, strict=True))
            packer = SegmentPacker(self._plan, 0, templates, self._scales, self._delays)
            return packer.initializations({output: packet})

    def _pieces(self, chunk: Chunk) -> list[Chunk]:
        """The parts of the chunk that need an ffmpeg each."""
        if self._video is None:
            return [chunk]
        return pieces(self._media.samples(self._video.track), self._video, self._plan.timeline, chunk)

    def _piece(self, chunk: Chunk, alive: Callable[[], None]) -> Generator[tuple[int, SegmentFiles], None, None]:
        windows = self._windows(chunk)
        argv = self._command(windows, chunk)
        with (
            door.run(
                argv,
                nice=self._nice,
                stall_seconds=self._stall_seconds,
                feed=lambda pipe: self._feed(pipe, windows, alive),
            ) as encoder,
            self._watched(encoder),
            ffmpeg_io.open_output(encoder) as encoded,
        ):
            for segment in self._cut(encoded, windows, chunk, encoder, alive):
                yield segment
                self._watch(encoder)

    @contextmanager
    def _watched(self, encoder: door.Encoder) -> Iterator[None]:
        self._watch(encoder)
        try:
            yield
        except MamError:
            self._watch(encoder)  # records the last log lines
            raise

    def _scale(self, track: Track) -> int:
        """Ticks per second of the track's packets."""
        if track.action == "copy":
            return self._media.samples(track.track).timescale
        return self._plan.timeline.timescale if isinstance(track, VideoTrack) else track.sample_rate

    def _delay(self, output: OutputId, track: Track) -> int:
        """Ticks from the track's first decode time to its first presentation time."""
        if track.action == "copy":
            return reordering(self._media.samples(track.track))
        return self._clocks[output].delay if isinstance(track, VideoTrack) else 0

    def command(self, chunk: Chunk) -> list[str]:
        """The argv of the ffmpeg for the chunk, or of the first one."""
        chunk = self._pieces(chunk)[0]
        return self._command(self._windows(chunk), chunk)

    def _windows(self, chunk: Chunk) -> dict[OutputId, Window]:
        """The windows of the encoded outputs' tracks, by output, in the order of ffmpeg's outputs."""
        windows = {}
        for output in sorted(self._outputs, key=lambda output: output.kind != "video"):
            track = self._outputs[output]
            if track.action != "encode":
                continue
            samples = self._media.samples(track.track)
            if isinstance(track, VideoTrack):
                windows[output] = video_window(samples, self._plan, track, chunk)
            else:
                windows[output] = audio_window(samples, self._plan, track, chunk)
        return windows

    def _command(self, windows: dict[OutputId, Window], chunk: Chunk) -> list[str]:
        encoded = [(self._outputs[output], window) for output, window in windows.items()]
        forced = forced_key_frames(self._shown, self._plan, chunk) if self._video else ""
        tracks = [run.track for run in self._inputs(windows)]
        return encode_command(
            [(track, window, forced) for track, window in encoded if isinstance(track, VideoTrack)],
            [(track, window) for track, window in encoded if isinstance(track, AudioTrack)],
            codecs=[track.codec for track in tracks],
            container=ffmpeg_io.container(tracks),
            threads=self._threads,
        )

    def _inputs(self, windows: dict[OutputId, Window]) -> list[Run]:
        """ffmpeg's input of each source track, in order; once per track, for all its outputs."""
        by_track: dict[int, list[Window]] = {}
        for output, window in windows.items():
            by_track.setdefault(self._outputs[output].track, []).append(window)
        return [
            Run(
                self._media.track(number), min(window.first for window in needed), max(window.last for window in needed)
            )
            for number, needed in by_track.items()
        ]

    def _feed(self, pipe: IO[bytes], windows: dict[OutputId, Window], alive: Callable[[], None]) -> None:
        """Writes the windows' packets for ffmpeg. Raises BrokenPipeError when it has ended."""
        runs = self._inputs(windows)
        tracks = {run.track.number: run.track for run in runs}
        packets = _counted(((run.track.number, packet) for run, packet in read_packets(self._media, runs)), alive)
        scales = {number: self._media.samples(number).timescale for number in tracks}
        ffmpeg_io.write(pipe, tracks, scales, packets)

    def _cut(
        self,
        encoded: Any,
        windows: dict[OutputId, Window],
        chunk: Chunk,
        encoder: door.Encoder,
        alive: Callable[[], None],
    ) -> Iterator[tuple[int, SegmentFiles]]:
        """Sorts the encoder's packets into segments, and yields each segment once it is complete."""
        plan = self._plan
        outputs = list(windows)  # in the order of ffmpeg's outputs
        templates = dict(zip(outputs, encoded.streams, strict=True))
        parts: dict[int, Part] = {number: {output: [] for output in outputs} for number in chunk}
        reached = dict.fromkeys(outputs, Fraction(0))  # all packets before this time have arrived
        waiting, size = chunk.first, 0
        for packet in encoded.demux():
            if packet.pts is None or not packet.size:
                continue
            encoder.moved()
            alive()
            if (size := size + packet.size) > MAX_CHUNK_BYTES:
                raise TooLarge(f"Encoded, {len(chunk)} segments have more than {MAX_CHUNK_BYTES >> 20} MB.")
            output = outputs[packet.stream_index]
            window = windows[output]
            tick = round(packet.pts * packet.time_base * window.rate) - ORIGIN * window.rate
            if window.keep_from <= tick < window.keep_to:
                parts[self._segment_of(Fraction(tick, window.rate), chunk)][output].append(packet)
            # Every segment begins with an IDR frame: a frame of the next segment completes this one.
            reached[output] = max(reached[output], Fraction(tick, window.rate))
            while waiting < chunk.last - 1 and min(reached.values()) >= plan.timeline.time(waiting + 1):
                yield waiting, self._finish(waiting, parts.pop(waiting), templates)
                waiting += 1
        encoder.wait()  # raises if ffmpeg was killed: then missing frames are not the media's fault
        for number in range(waiting, chunk.last):
            yield number, self._finish(number, parts.pop(number), templates)

    def _segment_of(self, moment: Fraction, chunk: Chunk) -> int:
        boundaries = self._plan.timeline.boundaries
        tick = math.floor(moment * self._plan.timeline.timescale)
        number = int(np.searchsorted(np.asarray(boundaries), tick, side="right")) - 1
        return min(max(number, chunk.first), chunk.last - 1)

    def _finish(self, number: int, part: Part, encoded: dict[OutputId, Any]) -> SegmentFiles:
        """Packs a segment of encoded and copied packets, by decode time."""
        for output, packets in part.items():
            if output.kind == "video":
                if packets and not packets[0].is_keyframe:
                    raise EncoderFailed(f"Segment {number} does not begin with a key frame.")
                self._clocks[output].stamp(number, packets)
            else:
                _stamp_sound(packets, self._scales[output])
        mixed = [(output, packet) for output, packets in part.items() for packet in packets]
        mixed += [(run.output, packet) for run, packet in read_packets(self._media, self._copied.runs(number))]
        copied = {output: self._media.track(track.track).template for output, track in self._outputs.items()}
        packer = SegmentPacker(self._plan, number, copied | encoded, self._scales, self._delays)
        for output, packet in sorted(mixed, key=lambda item: (item[1].dts or 0) * item[1].time_base):
            packer.mux(output, packet)
        if self._initialization is not None and packer.initializations() != self._initialization:
            raise EncoderFailed(f"Segment {number} does not fit the initialization section of its rendition.")
        return packer.finish() | self._texts.segment(number)


def _counted(packets: Iterator[tuple[int, Packet]], alive: Callable[[], None]) -> Iterator[tuple[int, Packet]]:
    """The packets, with signs of life in between: ffmpeg may decode for a while before its first frame."""
    for count, item in enumerate(packets):
        if count % FED == 0:
            alive()
        yield item


def _stamp_sound(packets: list[Packet], rate: int) -> None:
    """Gives encoded sound times in samples, and every frame its length."""
    for packet in packets:
        packet.pts = packet.dts = round((packet.pts or 0) * packet.time_base * rate)
        packet.time_base, packet.duration = Fraction(1, rate), AAC_FRAME
