"""Edit lists (ISO/IEC 14496-12 section 8.6.6): the map from a track's own time to the presentation's."""

from __future__ import annotations

from mam.mp4.boxes import Box, InvalidIndex
from mam.mp4.tables import NoSampleTables, unpack


def read_edits(data: bytes | memoryview, found: dict[bytes, Box]) -> list[tuple[int, int]]:
    """(segment duration in movie ticks, media time in track ticks or -1 for an empty edit) of each entry."""
    if b"elst" not in found:
        return []
    box = found[b"elst"]
    version, count = unpack(">B3xI", data, box, 0)
    form, width = (">Qq", 20) if version == 1 else (">Ii", 12)
    if count * width > box.end - box.payload - 8:
        raise InvalidIndex(f"Box 'elst' claims {count} entries and has no room for them.")
    if count > 2:  # nothing below can use it
        raise NoSampleTables(f"an edit list of {count} entries")
    return [unpack(form, data, box, 8 + width * number) for number in range(count)]


def presentation_shift(edits: list[tuple[int, int]], *, timescale: int, movie_timescale: int) -> int:
    """The ticks to add to a track's own times.

    Understands what nearly every file has: nothing, or one edit, with or without a delay before it. Raises
    NoSampleTables for more: libavformat's demuxer works those out.
    """
    delay = 0
    rest = list(edits)
    if rest and rest[0][1] == -1:
        delay = rest.pop(0)[0] * timescale // movie_timescale
    if not rest:
        return delay
    if len(rest) > 1 or rest[0][1] < 0:
        raise NoSampleTables("an edit list of several parts")
    _, media_time = rest[0]
    return delay - media_time
