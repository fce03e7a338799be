"""Whether a finished segment can be decoded: its first picture and its first sound."""

from __future__ import annotations

import io
from typing import Any

import av
import av.error

PACKETS = 48  # At most this many packets of a stream are decoded: sound may begin with frames that need earlier ones.
OPTIONS = {"analyzeduration": "0", "probesize": "65536"}  # Streams are not analysed before they are decoded.


def undecodable(segment: bytes) -> str | None:
    """The undecodable part of a segment: "video", "audio" or "container"; None when every stream decodes.

    `segment`: its bytes, or their first part, after the initialization section where there is one. A stream without
    packets in the segment counts as decodable.
    """
    try:
        with av.open(io.BytesIO(segment), options=OPTIONS) as container:
            streams: list[Any] = [*container.streams.video, *container.streams.audio]
            failures = _failures(container, streams)
            return next((str(stream.type) for stream in streams if failures.get(stream.index)), None)
    except (av.error.FFmpegError, ValueError):
        return "container"


def _failures(container: Any, streams: list[Any]) -> dict[int, int]:
    """How many packets were decoded without a result, for each stream without any result."""
    failures: dict[int, int] = {}
    decoded: set[int] = set()
    first_times: dict[int, int | None] = {}
    for stream in streams:
        stream.codec_context.thread_count = 1
    for packet in container.demux(streams):
        number = packet.stream_index
        if number in decoded or failures.get(number, 0) >= PACKETS:
            continue
        first_times.setdefault(number, packet.pts)
        if _has_output(packet, first_times[number]):
            decoded.add(number)
        else:
            failures[number] = failures.get(number, 0) + bool(packet.size)  # the last packet is empty
        if all(stream.index in decoded or failures.get(stream.index, 0) >= PACKETS for stream in streams):
            break
    return {number: count for number, count in failures.items() if number not in decoded}


def _has_output(packet: Any, begin: int | None) -> bool:
    """Whether a packet decodes to some sound, or to the first picture: that at `begin`, the first packet's time, or an
    earlier one."""
    try:
        frames = [frame for frame in packet.decode() if not frame.is_corrupt]
    except (av.error.FFmpegError, ValueError):
        return False
    if packet.stream.type == "audio" or begin is None:
        return bool(frames)
    return any(frame.pts is not None and frame.pts <= begin for frame in frames)
