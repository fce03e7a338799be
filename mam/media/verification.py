"""Whether what was made can be decoded: the first picture and the first sound of a segment, as a player gets them."""

from __future__ import annotations

import io
from typing import Any

import av
import av.error

PACKETS = 48  # of each stream that are given to a decoder, at most: sound may begin with frames that need earlier ones
OPTIONS = {"analyzeduration": "0", "probesize": "65536"}  # what is in it shows when it is decoded


def undecodable(segment: bytes) -> str | None:
    """What no decoder can make anything of: "video", "audio" or "container"; None when each stream shows something.

    `segment`: behind its initialization section, where it has one. Its beginning will do. A stream of which nothing
    stands in the segment is none to complain about.
    """
    try:
        with av.open(io.BytesIO(segment), options=OPTIONS) as container:
            streams: list[Any] = [*container.streams.video, *container.streams.audio]
            tries = _tries(container, streams)
            return next((str(stream.type) for stream in streams if tries.get(stream.index)), None)
    except (av.error.FFmpegError, ValueError):
        return "container"


def _tries(container: Any, streams: list[Any]) -> dict[int, int]:
    """How many packets of each stream were given to its decoder in vain; 0 for one of which something has come."""
    tries: dict[int, int] = {}
    shown: set[int] = set()
    begins: dict[int, int | None] = {}
    for stream in streams:
        stream.codec_context.thread_count = 1
    for packet in container.demux(streams):
        number = packet.stream_index
        if number in shown or tries.get(number, 0) >= PACKETS:
            continue
        begins.setdefault(number, packet.pts)
        if _shows(packet, begins[number]):
            shown.add(number)
        else:
            tries[number] = tries.get(number, 0) + bool(packet.size)  # at the end comes one without bytes
        if all(stream.index in shown or tries.get(stream.index, 0) >= PACKETS for stream in streams):
            break
    return {number: count for number, count in tries.items() if number not in shown}


def _shows(packet: Any, begin: int | None) -> bool:
    """Whether the packet brings some sound, or the picture that is shown first: that of the first packet (at `begin`),
    or one that is shown before it."""
    try:
        frames = [frame for frame in packet.decode() if not frame.is_corrupt]
    except (av.error.FFmpegError, ValueError):
        return False
    if packet.stream.type == "audio" or begin is None:
        return bool(frames)
    return any(frame.pts is not None and frame.pts <= begin for frame in frames)
