"""Packets on their way into ffmpeg and back: in NUT, or in fragments of QuickTime where NUT has no name for a codec."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import IO, Any

import av
import av.error

from mam.errors import DamagedMedia
from mam.media.ffmpeg import Encoder
from mam.media.fragmenting import FragmentMuxer, init_segment
from mam.media.packets import Packet

NUT, QUICKTIME = "nut", "mov"  # as ffmpeg calls them
FRAGMENT_PACKETS = 32  # at a time: enough of each track that ffmpeg need not wait for another


def container(templates: tuple[Any, ...]) -> str:
    """What carries these streams to ffmpeg: NUT has exact times, but knows neither ProRes nor ALAC."""
    with av.open(io.BytesIO(), "w", format=NUT) as nut:
        try:
            for template in templates:
                nut.add_stream_from_template(template, opaque=True)
        except ValueError:
            return QUICKTIME
    return NUT


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
    pipe: IO[bytes], templates: Mapping[int, Any], scales: Mapping[int, int], packets: Iterable[tuple[int, Packet]]
) -> None:
    """Raises BrokenPipeError when ffmpeg has ended, NotRemuxable for what QuickTime does not know either."""
    rest = iter(packets)
    number = 0
    while batch := list(islice(rest, FRAGMENT_PACKETS)):
        if number == 0:
            first = dict(reversed(batch))
            pipe.write(init_segment(templates, scales, first, container=QUICKTIME))
        muxer = FragmentMuxer(templates, scales, number)
        for track, packet in batch:
            muxer.mux(track, packet)
        pipe.write(muxer.finish())
        number += 1


def open_output(encoder: Encoder) -> Any:
    """What ffmpeg writes, as packets. Raises EncoderFailed or DamagedMedia when it wrote nothing."""
    try:
        return av.open(encoder.stdout, format=NUT, options={"probesize": "32", "analyzeduration": "0"})
    except (av.error.FFmpegError, EOFError, OSError) as error:
        encoder.wait()  # its own words are better
        raise DamagedMedia("Nothing in the media could be decoded.") from error
