"""Small real files, encoded by libavcodec and written by libavformat, and sources that lie in memory."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from mam.hls.plan import Source
from mam.media.reader import ObjectReader
from mam.media.source import MediaSource, read_moov
from mam.store.objects import Store

SIZE = (64, 48)


@dataclass(frozen=True, slots=True)
class Film:
    """What a file holds. `noise`: pictures that take many bytes. `movflags`: how libavformat's muxer writes it."""

    video: str | None = "libx264"
    audio: str | None = "aac"
    seconds: int = 2
    rate: int = 25
    gop: int = 12
    pixels: str = "yuv420p"
    b_frames: int = 2
    noise: bool = False
    sample_rate: int = 48000
    layout: str = "stereo"
    movflags: str = ""


@cache
def film(what: Film) -> bytes:
    """The bytes of an MP4 file."""
    with tempfile.TemporaryDirectory() as folder:  # a real file: the muxer reads it again to move the moov box
        path = Path(folder) / "film.mp4"
        options = {"movflags": what.movflags} if what.movflags else {}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            _encode(container, what)
        return path.read_bytes()


def _encode(container: Any, what: Film) -> None:
    streams: list[tuple[Any, list[Any]]] = []
    if what.video:
        picture = container.add_stream(what.video, rate=what.rate)
        picture.width, picture.height = SIZE
        picture.pix_fmt = what.pixels
        picture.codec_context.gop_size = what.gop
        if what.video == "libx264":
            picture.options = {"bf": str(what.b_frames), "preset": "ultrafast", "b-adapt": "0"}
        streams.append((picture, _pictures(what)))
    if what.audio:
        sound = container.add_stream(what.audio, rate=what.sample_rate, layout=what.layout)
        streams.append((sound, _sounds(what)))
    for stream, frames in streams:
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _pictures(what: Film) -> list[av.VideoFrame]:
    frames = []
    dice = np.random.default_rng(1)
    for number in range(what.seconds * what.rate):
        shape = (SIZE[1], SIZE[0], 3)
        shade = dice.integers(0, 256, shape, np.uint8) if what.noise else np.full(shape, number * 5 % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(shade, format="rgb24").reformat(format=what.pixels)
        frame.pts = number
        frames.append(frame)
    return frames


def _sounds(what: Film) -> list[av.AudioFrame]:
    shape = (1, 1000 * av.AudioLayout(what.layout).nb_channels)
    frames = []
    for at in range(0, what.seconds * what.sample_rate, 1000):
        frame = av.AudioFrame.from_ndarray(np.zeros(shape, np.int16), format="s16", layout=what.layout)
        frame.sample_rate, frame.pts = what.sample_rate, at
        frames.append(frame)
    return frames


class Memory:
    """A store that holds one object, whatever it is asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, bucket: str, key: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        return self.data[start:stop]


def source_of(data: bytes) -> Source:
    return Source(bucket="films", key="film.mp4", version="1", etag="1", size=len(data))


def opened(data: bytes) -> MediaSource:
    """A file in memory as the workers see one in the store."""
    reader = ObjectReader(cast(Store, Memory(data)), source_of(data))
    return MediaSource(reader, read_moov(reader.read, reader.size))


def demuxed(data: bytes) -> dict[int, list[tuple[int, int, int, int, int, bool]]]:
    """What libavformat's demuxer reports, by track: (offset, size, dts, pts, duration, key) of each packet."""
    found: dict[int, list[tuple[int, int, int, int, int, bool]]] = {}
    with av.open(io.BytesIO(data), format="mov") as container:
        for packet in container.demux():
            if packet.size and packet.pos is not None and packet.dts is not None and packet.pts is not None:
                row = (packet.pos, packet.size, packet.dts, packet.pts, packet.duration or 0, packet.is_keyframe)
                found.setdefault(packet.stream_index, []).append(row)
    return found
