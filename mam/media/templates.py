"""libavformat's reading of each track's description, from a file of that track alone, without media."""

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
        """The stream with a track's codec parameters for muxers, or None."""
        container = self.containers.get(number)
        return container.streams[0] if container is not None and len(container.streams) else None


def read_templates(moov: bytes, headers: list[TrackHeader], flaws: dict[int, MediaError]) -> Templates:
    """The templates of tracks without a flaw.

    `flaws` gets the error of each track that libavformat cannot read.
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
    """A new stream of a track; None when libavformat cannot read it. `entry`: replaces its sample entry."""
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
