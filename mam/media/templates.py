"""What libavformat makes of each track's description, read from a file of that track alone, which holds no media."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import av
import av.container
import av.error

from mam.errors import MediaError
from mam.mp4 import bare_file
from mam.mp4.boxes import InvalidIndex
from mam.mp4.track_headers import TrackHeader


@dataclass(frozen=True, slots=True)
class Templates:
    """Streams by the number of their track; the containers keep them alive."""

    containers: dict[int, av.container.InputContainer]

    def stream(self, number: int) -> Any:
        """What carries the codec parameters of a track for muxers, or None."""
        found = self.containers.get(number)
        return found.streams[0] if found is not None and len(found.streams) else None


def read_templates(moov: bytes, headers: list[TrackHeader], flaws: dict[int, MediaError]) -> Templates:
    """Those of the tracks that may be seen, heard or read, and have no flaw.

    `flaws` gets why libavformat makes nothing of a track.
    """
    containers = {}
    for header in headers:
        if header.number not in flaws and header.sample_entry:
            try:
                containers[header.number] = _read(bare_file.without_tables(moov, header.number))
            except InvalidIndex as flaw:
                flaws[header.number] = flaw
    return Templates(containers)


def read_template(moov: bytes, number: int, entry: bytes | None = None) -> Any:
    """Another stream of a track; None when libavformat makes nothing of it. `entry`: in place of its sample entry."""
    try:
        container = _read(bare_file.without_tables(moov, number, entry))
    except InvalidIndex:
        return None
    return Templates({number: container}).stream(number)


def _read(file: bytes) -> av.container.InputContainer:
    try:
        return av.open(io.BytesIO(file), "r", format="mov", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidIndex(f"The index cannot be read: {error}") from error
