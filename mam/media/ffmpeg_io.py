"""Packets on their way into ffmpeg and back: in NUT, or in fragments of QuickTime where NUT has no name for a codec."""

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

NUT, QUICKTIME = "nut", "mov"  # as ffmpeg calls them
FRAGMENT_PACKETS = 32  # at a time: enough of each track that ffmpeg need not wait for another
_IN_ENTRY = slice(14, 16)  # data_reference_index of a sample entry


def container(tracks: Iterable[MediaTrack]) -> str:
    """What carries these tracks to ffmpeg: NUT has exact times, but not a name for every codec."""
    return NUT if all(_is_named(track.codec, track.template) for track in tracks) else QUICKTIME


_named: dict[tuple[str, str], bool] = {}


def _is_named(codec: str, template: Any) -> bool:
    """Whether a codec leaves NUT as what it went in: E-AC-3 comes out as AC-3, and ProRes does not go in."""
    name = template.codec_context.codec.canonical_name
    if codec not in decoders.NUT and not codec.startswith("pcm_"):
        return False
    if (codec, name) not in _named:
        _named[codec, name] = _through_nut(template) == name
    return _named[codec, name]


def _through_nut(template: Any) -> str | None:
    """What libavformat takes a stream for that was written as NUT."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=NUT) as nut:
            stream = nut.add_stream_from_template(template, opaque=True)
            packet: Packet = av.Packet(bytes(64))  # without one, there is nothing to be read
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
    """Writes packets for ffmpeg, as `container` says. `scales`: ticks a second of each track.

    Raises BrokenPipeError when ffmpeg has ended, DamagedMedia when it could make nothing of the packets.
    """
    if container(tracks.values()) == NUT:
        write_nut(pipe, {number: track.template for number, track in tracks.items()}, packets)
    else:
        write_fragments(pipe, tracks, scales, packets)


def write_nut(pipe: IO[bytes], templates: Mapping[int, Any], packets: Iterable[tuple[int, Packet]]) -> None:
    """Raises BrokenPipeError when ffmpeg has ended, DamagedMedia when it could make nothing of the packets."""
    try:
        with av.open(pipe, "w", format=NUT) as nut:
            streams = {n: nut.add_stream_from_template(template, opaque=True) for n, template in templates.items()}
            nut.start_encoding()  # the header, also where no packet follows
            for track, packet in packets:
                packet.stream = streams[track]
                nut.mux(packet)
    except av.error.PyAVCallbackError as error:  # libav's word for it, once the pipe's own was heard
        raise BrokenPipeError from error
    except BrokenPipeError:  # which may be libav's, too
        raise
    except av.error.FFmpegError as error:
        raise DamagedMedia(f"Its packets cannot be handed to a decoder: {error}") from error


def write_fragments(
    pipe: IO[bytes], tracks: Mapping[int, MediaTrack], scales: Mapping[int, int], packets: Iterable[tuple[int, Packet]]
) -> None:
    """Raises BrokenPipeError when ffmpeg has ended."""
    templates = {number: track.template for number, track in tracks.items()}
    pipe.write(header([_entry(track, scales[number]) for number, track in tracks.items()]))
    rest = iter(packets)
    number = 0
    while batch := list(islice(rest, FRAGMENT_PACKETS)):
        muxer = FragmentMuxer(templates, scales, number)
        for track, packet in batch:
            muxer.mux(track, packet)
        pipe.write(muxer.finish())
        number += 1


def _entry(track: MediaTrack, scale: int) -> TrackEntry:
    """The track as its own file describes it: what names the codec there names it here."""
    entry = bytearray(track.entry)
    entry[_IN_ENTRY] = b"\0\1"  # the media is in the pipe
    description = full_box(b"stsd", struct.pack(">I", 1), bytes(entry))
    context = track.template.codec_context
    if not track.is_video:
        return TrackEntry("soun", scale, description)
    return TrackEntry("vide", scale, description, int(context.width) << 16, int(context.height) << 16)


def open_output(encoder: Encoder) -> Any:
    """What ffmpeg writes, as packets. Raises EncoderFailed or DamagedMedia when it wrote nothing."""
    try:
        return av.open(encoder.stdout, format=NUT, options={"probesize": "32", "analyzeduration": "0"})
    except (av.error.FFmpegError, EOFError, OSError) as error:
        encoder.wait()  # its own words are better
        raise DamagedMedia("Nothing in the media could be decoded.") from error
