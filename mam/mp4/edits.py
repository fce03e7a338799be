"""Edit lists (ISO/IEC 14496-12 section 8.6.6): the map from a track's own time to the presentation's."""

from __future__ import annotations

from dataclasses import dataclass

from mam.mp4.boxes import Box, InvalidIndex
from mam.mp4.tables import NoSampleTables, unpack

MAX_TICKS = 1 << 52  # Larger times are refused: this is beyond any clock, and far from the limit of 64 bits.
MAX_EDITS = 1000  # An edit list has at most this many parts: people cut a film at a few dozen places.
UNKNOWN = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})  # Writers use these durations for "to the end".


@dataclass(frozen=True, slots=True)
class Presentation:
    """The presentation of a track: `shift` ticks are added to its own times; then [begin, end) is shown.

    None: no bound.
    """

    shift: int = 0
    begin: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an edit list: from `begin` to before `end` (None: the track's end) it shows the media from `media` on.
    Ticks of the track."""

    begin: int
    end: int | None
    media: int

    @property
    def media_end(self) -> int:
        """The end in media time, for a part that has an end."""
        return self.media + (self.end or 0) - self.begin


def read_edits(data: bytes | memoryview, children: dict[bytes, Box]) -> list[tuple[int, int]]:
    """(segment duration in movie ticks, media time in track ticks or -1 for an empty edit) of each entry."""
    if b"elst" not in children:
        return []
    box = children[b"elst"]
    version, count = unpack(">B3xI", data, box, 0)
    form, width = (">Qq", 20) if version == 1 else (">Ii", 12)
    if count * width > box.end - box.payload - 8:
        raise InvalidIndex(f"Box 'elst' claims {count} entries and has no room for them.")
    if count > MAX_EDITS:
        raise NoSampleTables(f"an edit list of {count} entries")
    return [unpack(form, data, box, 8 + width * number) for number in range(count)]


def presentation(edits: list[tuple[int, int]], *, timescale: int, movie_timescale: int) -> Presentation:
    """The presentation of a track with `timescale` ticks per second, by its edit list.

    It supports the edit lists of nearly all files: none, or one edit, with or without a delay before it. Raises
    NoSampleTables for more, which libavformat's demuxer supports, and InvalidIndex for times beyond any clock.
    """
    remaining = list(edits)
    delay = 0
    if remaining and remaining[0][1] == -1:
        delay = (2 * remaining.pop(0)[0] * timescale + movie_timescale) // (2 * movie_timescale)
    if max(delay, *(media_time for _, media_time in remaining), 0) > MAX_TICKS:
        raise InvalidIndex("The edit list names times beyond any clock.")
    if not remaining:
        return Presentation(delay)
    if len(remaining) > 1 or remaining[0][1] < 0:
        raise NoSampleTables("an edit list of several parts")
    length, media_time = remaining[0]
    ticks = -(-length * timescale // movie_timescale)  # rounded up, so that the coarser clock loses no frame
    end = None if length in UNKNOWN or ticks > MAX_TICKS else delay + ticks
    return Presentation(delay - media_time, delay, end)


def stretches(edits: list[tuple[int, int]], *, timescale: int, movie_timescale: int) -> list[Stretch]:
    """The shown parts of the edit list, in order; a part that continues the previous one is joined with it.

    Raises InvalidIndex for times beyond any clock.
    """
    parts: list[Stretch] = []
    position, tolerance = 0, -(-timescale // movie_timescale)  # one movie tick, the precision of durations
    for number, (length, media_time) in enumerate(edits):
        last = number == len(edits) - 1
        begin = _ticks(position, timescale, movie_timescale)
        open_end = length in UNKNOWN and last
        position += 0 if length in UNKNOWN else length
        if max(position * timescale // movie_timescale, media_time) > MAX_TICKS:
            raise InvalidIndex("The edit list names times beyond any clock.")
        end = None if open_end else _ticks(position, timescale, movie_timescale)
        if media_time < 0 or end == begin:
            continue
        previous = parts[-1] if parts else None
        if previous and previous.end == begin and abs(previous.media_end - media_time) <= tolerance:
            parts[-1] = Stretch(previous.begin, end, previous.media)
        else:
            parts.append(Stretch(begin, end, media_time))
    return parts


def _ticks(movie: int, timescale: int, movie_timescale: int) -> int:
    """Movie ticks in ticks of the track, rounded to the nearest."""
    return (2 * movie * timescale + movie_timescale) // (2 * movie_timescale)
