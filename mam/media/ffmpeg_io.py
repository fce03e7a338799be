"""Packets into and out of ffmpeg: in NUT, or in fragments of QuickTime where NUT cannot name a codec."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import islice
from typing import IO, Any

import av
import av.error

from mam.errors import DamagedMedia
from mam.media import decoders
from mam.media.ffmpeg_process import Encoder
from mam.media.fmp4 import FragmentMuxer
from mam.media.packets import Packet
from mam.media.tracks import MediaTrack
from mam.mp4.writing import TrackEntry, full_box, header

NUT, QUICKTIME = "nut", "mov"  # ffmpeg's names of the formats.
FRAGMENT_PACKETS = 32  # A fragment has this many packets: enough of each track that ffmpeg need not wait.
_IN_ENTRY = slice(14, 16)  # The data_reference_index of a sample entry.


def container(tracks: Iterable[MediaTrack]) -> str:
    """The format for these tracks: NUT has exact times, but not a name for every codec."""
    return NUT if all(_is_named(track.codec, track.template) for track in tracks) else QUICKTIME


_named: dict[tuple[str, str], bool] = {}


def _is_named(codec: str, template: Any) -> bool:
    """Whether NUT preserves a codec: E-AC-3 comes out as AC-3, and ProRes cannot be written."""
    name = template.codec_context.codec.canonical_name
    if codec not in decoders.NUT and not codec.startswith("pcm_"):
        return False
    if (codec, name) not in _named:
        _named[codec, name] = _through_nut(template) == name
    return _named[codec, name]


def _through_nut(template: Any) -> str | None:
    """The codec that libavformat reads from a stream written as NUT."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=NUT) as nut:
            stream = nut.add_stream_from_template(template, opaque=True)
            packet: Packet = av.Packet(bytes(64))  # without a packet nothing can be read
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
            packet.pts = packet.dts = 0
            nut.mux(packet)
        with av.open(io.BytesIO(file.getvalue()), format=NUT) as nut:
            context = nut.streams[0].codec_context
            return str(context.codec.canonical_name) if context is not None else None
    except (av.error.FFmpegError, ValueError, IndexError):
        return None


def write(
    pipe: IO[bytes],
    tracks: Mapping[int, MediaTrack],
    scales: Mapping[int, int],
    packets: Iterable[tuple[int, Packet]],
) -> None:
    """Writes packets for ffmpeg, in the format of `container`. `scales`: ticks per second of each track.

    Raises BrokenPipeError when ffmpeg has ended, DamagedMedia when libavformat refuses the packets.
    """
    if container(tracks.values()) == NUT:
        write_nut(pipe, {number: track.template for number, track in tracks.items()}, packets)
    else:
        write_fragments(pipe, tracks, scales, packets)


def write_nut(pipe: IO[bytes], templates: Mapping[int, Any], packets: Iterable[tuple[int, Packet]]) -> None:
    """Writes packets as NUT. Raises BrokenPipeError when ffmpeg has ended, DamagedMedia for refused packets."""
    try:
        with av.open(pipe, "w", format=NUT) as nut:
            streams = {n: nut.add_stream_from_template(template, opaque=True) for n, template in templates.items()}
            nut.start_encoding()  # writes the header even without packets
            for track, packet in packets:
                packet.stream = streams[track]
                nut.mux(packet)
    except av.error.PyAVCallbackError as error:  # libav's form of the pipe's error
        raise BrokenPipeError from error
    except BrokenPipeError:  # may also come from libav
        raise
    except av.error.FFmpegError as error:
        raise DamagedMedia(f"Its packets cannot be handed to a decoder: {error}") from error


def write_fragments(
    pipe: IO[bytes], tracks: Mapping[int, MediaTrack], scales: Mapping[int, int], packets: Iterable[tuple[int, Packet]]
) -> None:
    """Writes packets as fragments of QuickTime. Raises BrokenPipeError when ffmpeg has ended."""
    templates = {number: track.template for number, track in tracks.items()}
    pipe.write(header([_entry(track, scales[number]) for number, track in tracks.items()]))
    remaining = iter(packets)
    number = 0
    while batch := list(islice(remaining, FRAGMENT_PACKETS)):
        muxer = FragmentMuxer(templates, scales, number)
        for track, packet in batch:
            muxer.mux(track, packet)
        pipe.write(muxer.finish())
        number += 1


def _entry(track: MediaTrack, scale: int) -> TrackEntry:
    """The track as its own file describes it, with the codec's name there."""
    entry = bytearray(track.entry)
    entry[_IN_ENTRY] = b"\0\1"  # the media is in the pipe
    description = full_box(b"stsd", struct.pack(">I", 1), bytes(entry))
    context = track.template.codec_context
    if not track.is_video:
        return TrackEntry("soun", scale, description)
    return TrackEntry("vide", scale, description, int(context.width) << 16, int(context.height) << 16)


def open_output(encoder: Encoder) -> Any:
    """ffmpeg's output, as a container of packets. Raises EncoderFailed or DamagedMedia when it wrote nothing."""
    try:
        return av.open(encoder.stdout, format=NUT, options={"probesize": "32", "analyzeduration": "0"})
    except (av.error.FFmpegError, EOFError, OSError) as error:
        encoder.wait()  # raises ffmpeg's own error
        raise DamagedMedia("Nothing in the media could be decoded.") from error
