"""Packets to MPEG-TS segments: the one place where segments get their bytes."""

from __future__ import annotations

import io
from typing import Any

import av
import av.container
import av.error

from mam.errors import DamagedMedia
from mam.media.packets import ORIGIN, Packet

OPTIONS = {
    "mpegts_flags": "+initial_discontinuity",  # continuity counters restart in each segment, and this says so
    "mpegts_copyts": "1",  # timestamps as given: the same frame has the same ones, whoever makes the segment
}


class SegmentMuxer:
    """One TS segment in memory. `templates`: the streams, by any key that `mux` is given again."""

    def __init__(self, templates: dict[Any, Any]) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mpegts", options=OPTIONS)
        self._streams = {
            key: self._container.add_stream_from_template(value, opaque=True) for key, value in templates.items()
        }

    def mux(self, key: Any, packet: Packet) -> None:
        """Appends a packet. Raises DamagedMedia when it is not what its codec's packets look like."""
        packet.stream = self._streams[key]
        try:
            self._container.mux(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise DamagedMedia(
                f"The media near {float((packet.pts or 0) * packet.time_base) - ORIGIN:.1f} s is broken."
            ) from error

    def finish(self) -> memoryview:
        """The segment's bytes."""
        try:
            self._container.close()
        except av.error.FFmpegError as error:
            raise DamagedMedia("The segment could not be completed.") from error
        return self._file.getbuffer()
