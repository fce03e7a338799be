"""Segments whose picture or sound is encoded: chunks that join without a seam, whoever encodes them.

Packets go from the source's index through a pipe into ffmpeg, encoded packets come back the same way and are cut at the
plan's boundaries. What is copied never passes through ffmpeg.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import IO, Any

import numpy as np

from mam.errors import EncoderFailed, MamError, TooLarge
from mam.hls.plan import Chunk, Plan, Track, VideoTrack
from mam.media import ffmpeg_io
from mam.media import ffmpeg_process as door
from mam.media.chunk_windows import AAC_FRAME, Window, audio_window, pieces, reordering, shown_frames, video_window
from mam.media.commands import REORDER, encode_command, forced_key_frames
from mam.media.muxing import Made, SegmentPacker
from mam.media.packets import ORIGIN, Packet, Run, read_packets
from mam.media.remux import Copied
from mam.media.source import MediaSource
from mam.media.subtitles import Texts

FED = 100  # packets between two signs of life
MAX_CHUNK_BYTES = 1 << 30  # of what ffmpeg hands back: beyond any bit rate that players take


class ChunkEncoder:
    """Makes the segments of one plan, a chunk at a time.

    `watch` gets each ffmpeg when it was started, and again after each of its segments, and when it fails.
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
        self._copied = Copied(media, plan)
        self._texts = Texts(media, plan)
        self._scales = {track.track: self._scale(track) for track in plan.tracks}
        self._shown = np.zeros(0, np.int64)  # all frames of the film, as they are shown
        if plan.video_track and plan.video_track.action == "encode":
            self._shown = shown_frames(media.samples(plan.video_track.track), plan.video_track, plan.timeline)
        self._step = int(np.diff(self._shown[:2])[0]) if len(self._shown) > 1 else plan.timeline.timescale // 30
        self._delays = {track.track: self._delay(track) for track in plan.tracks}

    def segments(
        self, chunk: Chunk, *, alive: Callable[[], None] = lambda: None
    ) -> Generator[tuple[int, Made], None, None]:
        """(number, bytes) of each segment of the chunk, as they are completed. `alive` is called with each packet.

        Raises DamagedMedia when a segment does not get the frames that the plan names, EncoderFailed.
        """
        for piece in self._pieces(chunk):
            yield from self._piece(piece, alive)

    def _pieces(self, chunk: Chunk) -> list[Chunk]:
        """What of the chunk is made by one ffmpeg each."""
        video = self._plan.video_track
        if video is None or video.action == "copy":
            return [chunk]
        return pieces(self._media.samples(video.track), video, self._plan.timeline, chunk)

    def _piece(self, chunk: Chunk, alive: Callable[[], None]) -> Generator[tuple[int, Made], None, None]:
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
            ffmpeg_io.open_output(encoder) as output,
        ):
            for made in self._cut(output, windows, chunk, encoder, alive):
                yield made
                self._watch(encoder)

    @contextmanager
    def _watched(self, encoder: door.Encoder) -> Iterator[None]:
        self._watch(encoder)
        try:
            yield
        except MamError:
            self._watch(encoder)  # its last words
            raise

    def _scale(self, track: Track) -> int:
        """Ticks a second of the track's packets."""
        if track.action == "copy":
            return self._media.samples(track.track).timescale
        return self._plan.timeline.timescale if isinstance(track, VideoTrack) else track.sample_rate

    def _delay(self, track: Track) -> int:
        """Ticks between the decoding of the track's first packet and when the first is shown."""
        if track.action == "copy":
            return reordering(self._media.samples(track.track))
        return int(self._shown[0]) - self._decoded_at(0) if isinstance(track, VideoTrack) else 0

    def command(self, chunk: Chunk) -> list[str]:
        """The argv of the ffmpeg that makes the chunk, or the first of them."""
        chunk = self._pieces(chunk)[0]
        return self._command(self._windows(chunk), chunk)

    def _windows(self, chunk: Chunk) -> dict[int, Window]:
        """By track number, in the order of ffmpeg's outputs: what of each encoded track goes through it."""
        plan, windows = self._plan, {}
        for track in plan.tracks:
            if track.action != "encode":
                continue
            samples = self._media.samples(track.track)
            if isinstance(track, VideoTrack):
                windows[track.track] = video_window(samples, plan, track, chunk)
            else:
                windows[track.track] = audio_window(samples, plan, track, chunk)
        return windows

    def _command(self, windows: dict[int, Window], chunk: Chunk) -> list[str]:
        plan = self._plan
        video = None
        if plan.video_track and plan.video_track.track in windows:
            forced = forced_key_frames(self._shown, plan, chunk)
            video = (plan.video_track, windows[plan.video_track.track], forced)
        audio = [(track, windows[track.track]) for track in plan.audio_tracks if track.track in windows]
        tracks = [self._media.track(track) for track in windows]
        return encode_command(
            video,
            audio,
            codecs=[track.codec for track in tracks],
            container=ffmpeg_io.container(tracks),
            threads=self._threads,
        )

    def _feed(self, pipe: IO[bytes], windows: dict[int, Window], alive: Callable[[], None]) -> None:
        """Writes the windows' packets for ffmpeg. Raises BrokenPipeError when it has ended."""
        tracks = {number: self._media.track(number) for number in windows}
        runs = [Run(tracks[number], window.first, window.last) for number, window in windows.items()]
        packets = _counted(((track.number, packet) for track, packet in read_packets(self._media, runs)), alive)
        scales = {number: self._media.samples(number).timescale for number in tracks}
        ffmpeg_io.write(pipe, tracks, scales, packets)

    def _cut(
        self, output: Any, windows: dict[int, Window], chunk: Chunk, encoder: door.Encoder, alive: Callable[[], None]
    ) -> Iterator[tuple[int, Made]]:
        """Sorts the encoder's packets into segments, and hands each segment out once nothing can be added to it."""
        plan = self._plan
        tracks = list(windows)  # ffmpeg's outputs stand in this order
        templates = dict(zip(tracks, output.streams, strict=True))
        parts: dict[int, dict[int, list[Packet]]] = {number: {track: [] for track in tracks} for number in chunk}
        reached = dict.fromkeys(tracks, Fraction(0))  # everything shown before this has come
        waiting, size = chunk.first, 0
        for packet in output.demux():
            if packet.pts is None or not packet.size:
                continue
            encoder.moved()
            alive()
            if (size := size + packet.size) > MAX_CHUNK_BYTES:
                raise TooLarge(f"Encoded, {len(chunk)} segments have more than {MAX_CHUNK_BYTES >> 20} MB.")
            track = tracks[packet.stream_index]
            window = windows[track]
            tick = round(packet.pts * packet.time_base * window.rate) - ORIGIN * window.rate
            if window.keep_from <= tick < window.keep_to:
                parts[self._segment_of(Fraction(tick, window.rate), chunk)][track].append(packet)
            # Every segment begins with an IDR frame, so a frame of the next one means that this one has all of its own.
            reached[track] = max(reached[track], Fraction(tick, window.rate))
            while waiting < chunk.last - 1 and min(reached.values()) >= plan.timeline.time(waiting + 1):
                yield waiting, self._finish(waiting, parts.pop(waiting), templates)
                waiting += 1
        encoder.wait()  # what is short because ffmpeg was killed is not the media's fault
        for number in range(waiting, chunk.last):
            yield number, self._finish(number, parts.pop(number), templates)

    def _segment_of(self, moment: Fraction, chunk: Chunk) -> int:
        boundaries = self._plan.timeline.boundaries
        tick = math.floor(moment * self._plan.timeline.timescale)
        number = int(np.searchsorted(np.asarray(boundaries), tick, side="right")) - 1
        return min(max(number, chunk.first), chunk.last - 1)

    def _finish(self, number: int, part: dict[int, list[Packet]], encoded: dict[int, Any]) -> Made:
        """Packs a segment of encoded and copied packets, by decode time."""
        plan = self._plan
        for track, packets in part.items():
            if plan.video_track and track == plan.video_track.track:
                if packets and not packets[0].is_keyframe:
                    raise EncoderFailed(f"Segment {number} does not begin with a key frame.")
                self._stamp(number, packets)
            else:
                _stamp_sound(packets, self._scales[track])
        mixed = [(track, packet) for track, packets in part.items() for packet in packets]
        mixed += [(track.number, packet) for track, packet in read_packets(self._media, self._copied.runs(number))]
        copied = {track.track: self._media.track(track.track).template for track in plan.tracks}
        packer = SegmentPacker(plan, number, copied | encoded, self._scales, self._delays)
        for track, packet in sorted(mixed, key=lambda item: (item[1].dts or 0) * item[1].time_base):
            packer.mux(track, packet)
        return packer.finish() | self._texts.segment(number)

    def _stamp(self, number: int, packets: list[Packet]) -> None:
        """Gives encoded video its decode times, which NUT does not carry: those of the frames shown two earlier.

        They follow from the plan alone, so a chunk's are the same whoever encoded what stands before it.
        """
        assert self._plan.video_track
        scale = self._plan.timeline.timescale
        position = sum(self._plan.frames[:number])
        for at, packet in enumerate(packets, position):
            packet.pts = round((packet.pts or 0) * packet.time_base * scale)
            packet.time_base = Fraction(1, scale)
            packet.dts = self._decoded_at(at) + ORIGIN * scale
            packet.duration = self._decoded_at(at + 1) - self._decoded_at(at)

    def _decoded_at(self, frame: int) -> int:
        if frame < REORDER:
            return int(self._shown[0]) - (REORDER - frame) * self._step
        return int(self._shown[frame - REORDER])


def _counted(packets: Iterator[tuple[int, Packet]], alive: Callable[[], None]) -> Iterator[tuple[int, Packet]]:
    """The packets; now and then the work is alive: what is decoded before the first frame may take a while."""
    for count, each in enumerate(packets):
        if count % FED == 0:
            alive()
        yield each


def _stamp_sound(packets: list[Packet], rate: int) -> None:
    """Gives encoded sound times in samples, and the length that every frame of it has."""
    for packet in packets:
        packet.pts = packet.dts = round((packet.pts or 0) * packet.time_base * rate)
        packet.time_base, packet.duration = Fraction(1, rate), AAC_FRAME
