"""Still pictures of a film: frames decoded upright, small and SDR.

Only the needed frames are read, several at a time, and decoded by an ffmpeg that gets nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO, Any

import av
import ffmpeg
import numpy as np
import numpy.typing as npt

from mam.errors import DamagedMedia, EncoderFailed, UnsupportedCodec
from mam.media import decoders, ffmpeg_io, limits
from mam.media import ffmpeg_process as door
from mam.media.commands import filtering
from mam.media.first_frame import PACKET_BYTES, read_first_frame, still_filters
from mam.media.packets import ORIGIN, Packet, Run, read_packets
from mam.media.source import MediaSource, MediaTrack
from mam.media.video import orientation

READERS = 3  # This many key frames are read at a time.
READ_AHEAD = 32 << 20  # They have at most this many bytes together: a single 8K frame may have more.
HALF_FRAME = 100  # Frame times may differ by this fraction of a second: ffmpeg rounds them to its own ticks.
NOTHING_WRITTEN = "Nothing was written into output file"  # ffmpeg's message when no frame was complete.

Pixels = npt.NDArray[np.uint8]  # Rows, columns, RGB.
Decoded = Generator[tuple[int, Pixels], None, None]  # Sample numbers and decoded frames.


@dataclass(frozen=True, slots=True)
class Picture:
    """The output for each frame. `filters`: of libavfilter; `quick`: in thumbnail quality."""

    filters: tuple[str, ...]
    width: int
    height: int
    quick: bool


def picture_of(media: MediaSource, track: MediaTrack, *, longest: int, quick: bool) -> Picture:
    """An output of at most `longest` pixels a side. Raises UnsupportedCodec for codecs that are not decoded here."""
    if track.codec not in decoders.PICTURES:
        raise UnsupportedCodec(f"Its video is {track.codec.upper()}, which is not decoded here.")
    return Picture(*still_filters(read_first_frame(media, track), orientation(track), longest=longest), quick)


@dataclass(frozen=True, slots=True)
class Running:
    """The options for running ffmpeg. `alive` is called with each picture."""

    nice: int = 0
    stall_seconds: float = 60
    alive: Callable[[], None] = lambda: None


def decode(
    media: MediaSource, track: MediaTrack, numbers: Sequence[int], picture: Picture, running: Running
) -> Decoded:
    """(sample number, pixels) of the decodable ones of the key frames, which must be in the order of time.

    Raises DamagedMedia when none can, EncoderFailed.
    """
    scale = media.samples(track.number).timescale
    argv = stills_command(picture, codec=track.codec, container=ffmpeg_io.container([track]))

    def feed(pipe: IO[bytes]) -> None:
        with closing(_packets(media, track, numbers, scale)) as packets:
            _write(pipe, media, track, packets)

    with closing(_pixels(argv, feed, picture, running)) as images:
        for index, pixels in images:
            yield numbers[index], pixels  # the frame at index n has the time of n seconds


def decode_all(
    media: MediaSource, track: MediaTrack, numbers: Sequence[int], picture: Picture, running: Running
) -> Decoded:
    """Like `decode` for any frames: everything from the first key frame on is decoded. Raises likewise."""
    samples = media.samples(track.number)
    first = int(np.flatnonzero(samples.key)[0])
    exact = replace(picture, quick=False)  # quick decoding would spoil dependent frames
    argv = stills_command(exact, codec=track.codec, container=ffmpeg_io.container([track]), keys_only=False)
    wanted = deque(sorted((int(samples.pts[number]), number) for number in set(numbers)))

    def feed(pipe: IO[bytes]) -> None:
        packets = read_packets(media, [Run(track, first, len(samples))])
        _write(pipe, media, track, ((track.number, packet) for _, packet in packets))

    with closing(_timed(argv, feed, exact, running)) as images:
        for moment, pixels in images:
            tick = (moment - ORIGIN) * samples.timescale
            reached = -1
            while wanted and wanted[0][0] <= tick + samples.timescale / HALF_FRAME:
                _, reached = wanted.popleft()
            if reached >= 0:
                yield reached, pixels


def decode_group(
    media: MediaSource, track: MediaTrack, samples: range, picture: Picture, *, most: int, running: Running
) -> Generator[Pixels, None, None]:
    """At most `most` evenly spread pictures of a run of samples that begins with a key frame. Raises likewise."""
    step = max(1, -(-len(samples) // most))
    spread = replace(picture, filters=(f"framestep=step={step}", *picture.filters))
    argv = stills_command(spread, codec=track.codec, container=ffmpeg_io.container([track]), keys_only=False)

    def feed(pipe: IO[bytes]) -> None:
        packets = read_packets(media, [Run(track, samples.start, samples.stop)])
        _write(pipe, media, track, ((track.number, packet) for _, packet in packets))

    with closing(_pixels(argv, feed, spread, running)) as images:
        for _, pixels in images:
            yield pixels


def _pixels(
    argv: list[str], feed: Callable[[IO[bytes]], None], picture: Picture, running: Running
) -> Generator[tuple[int, Pixels], None, None]:
    """(second, pixels) of each picture that ffmpeg writes."""
    with closing(_timed(argv, feed, picture, running)) as images:
        for moment, pixels in images:
            yield round(moment), pixels


def _timed(
    argv: list[str], feed: Callable[[IO[bytes]], None], picture: Picture, running: Running
) -> Generator[tuple[Fraction, Pixels], None, None]:
    """(time in seconds, pixels) of each picture that ffmpeg writes."""
    shape = (picture.height, picture.width, 3)
    with (
        door.run(argv, nice=running.nice, stall_seconds=running.stall_seconds, feed=feed) as encoder,
        _output(encoder) as output,
    ):
        for packet in output.demux():
            encoder.moved()
            running.alive()
            if packet.pts is not None and packet.size == picture.height * picture.width * 3:
                yield packet.pts * packet.time_base, np.frombuffer(bytes(packet), np.uint8).reshape(shape)


def _output(encoder: door.Encoder) -> Any:
    try:
        return ffmpeg_io.open_output(encoder)
    except EncoderFailed as error:
        if NOTHING_WRITTEN in " ".join(encoder.said):
            raise DamagedMedia("None of the frames can be decoded.") from error
        raise


def stills_command(picture: Picture, *, codec: str, container: str, keys_only: bool = True) -> list[str]:
    """The argv of ffmpeg for pictures of frames. `keys_only`: frames that are no key frames are skipped."""
    guards = {**limits.GUARDS, "codec_whitelist": ",".join(decoders.names(codec)), "format_whitelist": container}
    keys = {"skip_frame": "nokey"} if keys_only else {}
    quick = {"skip_loop_filter": "all", "flags2": "+fast"} if picture.quick else {}
    source = ffmpeg.input(
        "pipe:0", format=container, copyts=None, noautorotate=None, threads=1, **keys, **quick, **guards
    )
    stream = source.video
    for name, arguments in (filtering(text) for text in picture.filters):
        stream = stream.filter(name, **arguments)
    output = ffmpeg.output(
        stream, "pipe:1", format="nut", fps_mode="passthrough", flush_packets=1, map_metadata=-1,
        **{"c:v": "rawvideo", "threads": 1},
    )  # fmt: skip
    # Broken frames are left out; even when most are broken, the others are kept.
    general = (*limits.GENERAL, "-filter_complex_threads", "1", "-max_error_rate", "1")
    return list(output.global_args(*general).compile(cmd=door.executable()))


def _write(pipe: IO[bytes], media: MediaSource, track: MediaTrack, packets: Iterable[tuple[int, Packet]]) -> None:
    """Writes packets for ffmpeg. Raises BrokenPipeError when ffmpeg has ended."""
    ffmpeg_io.write(pipe, {track.number: track}, {track.number: media.samples(track.number).timescale}, packets)


def _packets(
    media: MediaSource, track: MediaTrack, numbers: Sequence[int], scale: int
) -> Generator[tuple[int, Packet], None, None]:
    for place, data in _read(media, track, numbers):
        packet = av.Packet(data)
        packet.time_base, packet.duration, packet.is_keyframe = Fraction(1, scale), scale, True
        packet.pts = packet.dts = place * scale
        yield track.number, packet


def _read(media: MediaSource, track: MediaTrack, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(index, bytes) of each frame, read a few ahead; too large frames are left out."""
    samples = media.samples(track.number)
    spans = [(int(samples.offset[number]), int(samples.size[number])) for number in numbers]
    waiting: deque[tuple[int, int, Future[bytes]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(READERS, "stills") as pool:
        for index, (offset, size) in enumerate(spans):
            if not 0 < size <= PACKET_BYTES:
                continue
            while waiting and (len(waiting) >= READERS or ahead + size > READ_AHEAD):
                ready, length, data = waiting.popleft()
                ahead -= length
                yield ready, data.result()
            waiting.append((index, size, pool.submit(media.reader.read, offset, offset + size)))
            ahead += size
        for ready, _, data in waiting:
            yield ready, data.result()
