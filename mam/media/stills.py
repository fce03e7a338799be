"""Still pictures of a film: what frames look like, upright, small and SDR.

Only those frames are read, several at a time, and decoded by an ffmpeg that gets nothing else.
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
from mam.media import decoders, ffmpeg_io
from mam.media import ffmpeg_process as door
from mam.media.commands import filtering
from mam.media.first_frame import PACKET_BYTES, look_at, still_filters
from mam.media.packets import ORIGIN, Packet, Run, read_packets
from mam.media.source import MediaSource, MediaTrack
from mam.media.video import orientation

READERS = 3  # key frames that are read at a time
READ_AHEAD = 32 << 20  # bytes of them: an 8K frame that stands alone may have more
HALF_FRAME = 100  # of a second: ffmpeg rounds the moments of frames to its own ticks
NOTHING_WRITTEN = "Nothing was written into output file"  # ffmpeg's word for it that no frame was whole

Pixels = npt.NDArray[np.uint8]  # rows, columns, RGB
Decoded = Generator[tuple[int, Pixels], None, None]  # sample numbers, and what the frames look like


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be made of each frame. `filters` of libavfilter; `quick`: good enough for a thumbnail."""

    filters: tuple[str, ...]
    width: int
    height: int
    quick: bool


def picture_of(media: MediaSource, track: MediaTrack, *, longest: int, quick: bool) -> Picture:
    """A picture of at most `longest` pixels a side. Raises UnsupportedCodec for what is not decoded here."""
    if track.codec not in decoders.PICTURES:
        raise UnsupportedCodec(f"Its video is {track.codec.upper()}, which is not decoded here.")
    return Picture(*still_filters(look_at(media, track), orientation(track), longest=longest), quick)


@dataclass(frozen=True, slots=True)
class Running:
    """How ffmpeg is run. `alive` is called with each picture."""

    nice: int = 0
    stall_seconds: float = 60
    alive: Callable[[], None] = lambda: None


def decode(
    media: MediaSource, track: MediaTrack, numbers: Sequence[int], picture: Picture, running: Running
) -> Decoded:
    """(sample number, pixels) of those key frames that can be decoded, in their order, which must be that of time.

    Raises DamagedMedia when none can, EncoderFailed.
    """
    scale = media.samples(track.number).timescale
    argv = stills_command(picture, codec=track.codec, container=ffmpeg_io.container([track]))

    def feed(pipe: IO[bytes]) -> None:
        with closing(_packets(media, track, numbers, scale)) as packets:
            _write(pipe, media, track, packets)

    with closing(_pixels(argv, feed, picture, running)) as images:
        for second, pixels in images:
            yield numbers[second], pixels  # each is shown at the second that is its place


def decode_all(
    media: MediaSource, track: MediaTrack, numbers: Sequence[int], picture: Picture, running: Running
) -> Decoded:
    """The same of any frames, for which everything from the first key frame on is decoded. Raises likewise."""
    samples = media.samples(track.number)
    first = int(np.flatnonzero(samples.key)[0])
    whole = replace(picture, quick=False)  # a frame decoded quickly spoils those that depend on it
    argv = stills_command(whole, codec=track.codec, container=ffmpeg_io.container([track]), keys_alone=False)
    wanted = deque(sorted((int(samples.pts[number]), number) for number in set(numbers)))

    def feed(pipe: IO[bytes]) -> None:
        packets = read_packets(media, [Run(track, first, len(samples))])
        _write(pipe, media, track, ((track.number, packet) for _, packet in packets))

    with closing(_timed(argv, feed, whole, running)) as images:
        for moment, pixels in images:
            at = (moment - ORIGIN) * samples.timescale
            reached = -1
            while wanted and wanted[0][0] <= at + samples.timescale / HALF_FRAME:
                _, reached = wanted.popleft()
            if reached >= 0:
                yield reached, pixels


def decode_group(
    media: MediaSource, track: MediaTrack, samples: range, picture: Picture, *, most: int, running: Running
) -> Generator[Pixels, None, None]:
    """At most `most` pictures of a run of samples that begins with a key frame, evenly spread. Raises likewise."""
    step = max(1, -(-len(samples) // most))
    closely = replace(picture, filters=(f"framestep=step={step}", *picture.filters))
    argv = stills_command(closely, codec=track.codec, container=ffmpeg_io.container([track]), keys_alone=False)

    def feed(pipe: IO[bytes]) -> None:
        packets = read_packets(media, [Run(track, samples.start, samples.stop)])
        _write(pipe, media, track, ((track.number, packet) for _, packet in packets))

    with closing(_pixels(argv, feed, closely, running)) as images:
        for _, pixels in images:
            yield pixels


def _pixels(
    argv: list[str], feed: Callable[[IO[bytes]], None], picture: Picture, running: Running
) -> Generator[tuple[int, Pixels], None, None]:
    """(second at which it is shown, pixels) of what ffmpeg makes."""
    with closing(_timed(argv, feed, picture, running)) as images:
        for moment, pixels in images:
            yield round(moment), pixels


def _timed(
    argv: list[str], feed: Callable[[IO[bytes]], None], picture: Picture, running: Running
) -> Generator[tuple[Fraction, Pixels], None, None]:
    """(moment at which it is shown, in seconds; pixels) of what ffmpeg makes."""
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


def stills_command(picture: Picture, *, codec: str, container: str, keys_alone: bool = True) -> list[str]:
    """The argv of ffmpeg that makes pictures of frames. `keys_alone`: what is no key frame after all is passed over."""
    guards = {**door.GUARDS, "codec_whitelist": ",".join(decoders.names(codec)), "format_whitelist": container}
    keys = {"skip_frame": "nokey"} if keys_alone else {}
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
    # A frame that is broken is left out; that most are is no reason to keep nothing.
    general = (*door.GENERAL, "-filter_complex_threads", "1", "-max_error_rate", "1")
    return list(output.global_args(*general).compile(cmd=door.executable()))


def _write(pipe: IO[bytes], media: MediaSource, track: MediaTrack, packets: Iterable[tuple[int, Packet]]) -> None:
    """Raises BrokenPipeError when ffmpeg has ended."""
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
    """(place, bytes) of each frame, read a few ahead; what is too large for any picture is left out."""
    samples = media.samples(track.number)
    spans = [(int(samples.offset[number]), int(samples.size[number])) for number in numbers]
    waiting: deque[tuple[int, int, Future[bytes]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(READERS, "stills") as pool:
        for place, (at, size) in enumerate(spans):
            if not 0 < size <= PACKET_BYTES:
                continue
            while waiting and (len(waiting) >= READERS or ahead + size > READ_AHEAD):
                done, length, read = waiting.popleft()
                ahead -= length
                yield done, read.result()
            waiting.append((place, size, pool.submit(media.reader.read, at, at + size)))
            ahead += size
        for done, _, read in waiting:
            yield done, read.result()
