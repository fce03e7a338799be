"""Edit lists (ISO/IEC 14496-12 section 8.6.6): the map from a track's own time to the presentation's."""

from __future__ import annotations

from dataclasses import dataclass

from mam.mp4.boxes import Box, InvalidIndex
from mam.mp4.tables import NoSampleTables, unpack

MAX_TICKS = 1 << 52  # beyond any clock, and far from where 64 bits end
MAX_EDITS = 1000  # parts of one list; people cut a film at a few dozen places
UNKNOWN = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})  # what writers put for "to the end"


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a track is shown: `shift` ticks are added to its own times; then what lies in [begin, end) is shown.

    None: no bound.
    """

    shift: int = 0
    begin: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a track as an edit list shows it: from `begin` to before `end` (None: the track's end), what its media
    has from `media` on. Ticks of the track."""

    begin: int
    end: int | None
    media: int

    @property
    def media_end(self) -> int:
        """Of one that has an end."""
        return self.media + (self.end or 0) - self.begin


def read_edits(data: bytes | memoryview, found: dict[bytes, Box]) -> list[tuple[int, int]]:
    """(segment duration in movie ticks, media time in track ticks or -1 for an empty edit) of each entry."""
    if b"elst" not in found:
        return []
    box = found[b"elst"]
    version, count = unpack(">B3xI", data, box, 0)
    form, width = (">Qq", 20) if version == 1 else (">Ii", 12)
    if count * width > box.end - box.payload - 8:
        raise InvalidIndex(f"Box 'elst' claims {count} entries and has no room for them.")
    if count > MAX_EDITS:
        raise NoSampleTables(f"an edit list of {count} entries")
    return [unpack(form, data, box, 8 + width * number) for number in range(count)]


def presentation(edits: list[tuple[int, int]], *, timescale: int, movie_timescale: int) -> Presentation:
    """What the edit list makes of a track with `timescale` ticks a second.

    Understands what nearly every file has: nothing, or one edit, with or without a delay before it. Raises
    NoSampleTables for more, which libavformat's demuxer works out, and InvalidIndex for times beyond any clock.
    """
    rest = list(edits)
    delay = 0
    if rest and rest[0][1] == -1:
        delay = (2 * rest.pop(0)[0] * timescale + movie_timescale) // (2 * movie_timescale)
    if max(delay, *(media_time for _, media_time in rest), 0) > MAX_TICKS:
        raise InvalidIndex("The edit list names times beyond any clock.")
    if not rest:
        return Presentation(delay)
    if len(rest) > 1 or rest[0][1] < 0:
        raise NoSampleTables("an edit list of several parts")
    length, media_time = rest[0]
    ticks = -(-length * timescale // movie_timescale)  # rounded up: no frame is lost to the coarser clock
    end = None if length in UNKNOWN or ticks > MAX_TICKS else delay + ticks
    return Presentation(delay - media_time, delay, end)


def stretches(edits: list[tuple[int, int]], *, timescale: int, movie_timescale: int) -> list[Stretch]:
    """The parts that the edit list shows, in their order; those that go on where the one before ends are one part.

    Raises InvalidIndex for times beyond any clock.
    """
    found: list[Stretch] = []
    at, near = 0, -(-timescale // movie_timescale)  # a movie tick, which is as exact as lengths are told
    for number, (length, media_time) in enumerate(edits):
        last = number == len(edits) - 1
        begin = _ticks(at, timescale, movie_timescale)
        open_end = length in UNKNOWN and last
        at += 0 if length in UNKNOWN else length
        if max(at * timescale // movie_timescale, media_time) > MAX_TICKS:
            raise InvalidIndex("The edit list names times beyond any clock.")
        end = None if open_end else _ticks(at, timescale, movie_timescale)
        if media_time < 0 or end == begin:
            continue
        before = found[-1] if found else None
        if before and before.end == begin and abs(before.media_end - media_time) <= near:
            found[-1] = Stretch(before.begin, end, before.media)
        else:
            found.append(Stretch(begin, end, media_time))
    return found


def _ticks(movie: int, timescale: int, movie_timescale: int) -> int:
    """Movie ticks as the nearest of the track."""
    return (2 * movie * timescale + movie_timescale) // (2 * movie_timescale)
