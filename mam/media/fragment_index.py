"""Builds the index of a fragmented file from its `moof` boxes, by ranged reads of little else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from mam.errors import MediaError, TooLarge, TruncatedMedia, readable
from mam.media.source import MediaSource
from mam.mp4 import fragment_lists, fragments, index, track_headers
from mam.mp4.boxes import InvalidIndex, header
from mam.mp4.fragments import Defaults, Part
from mam.mp4.samples import Samples
from mam.mp4.tables import MAX_SAMPLES, NoSampleTables

THREADS = 8  # This many reads run at a time: a moof is small, and reading one takes the store's response time.
STEP = 16 << 10  # At least this many bytes are read at a box: the moof of some seconds of video and audio.
MAX_STEP = 1 << 20  # Where boxes are close together, up to this many bytes are read at a time.
TAIL = 64 << 10  # This many bytes are read at the file's end: the mfra of most files.
MAX_MFRA = 32 << 20  # A larger mfra box is ignored.
MAX_SIDX = 1 << 20  # A larger sidx box is ignored: it has up to 65535 entries of 12 bytes.
MAX_MOOF = 64 << 20  # A larger moof box is left to libavformat.
MAX_FRAGMENTS = 500_000  # A file with more fragments is left to libavformat.
MAX_BOXES = 4 * MAX_FRAGMENTS  # A file with more boxes is left to libavformat.
SPAN = 128 << 10  # Fragments that are closer together are read by one thread.
NESTED, MAX_NESTED = 3, 64  # Levels of sidx boxes below the first, and the number of boxes read per level.
PATIENCE = 1.0  # A sign of life follows this often.

log = logging.getLogger(__name__)
T = TypeVar("T")


def find_samples(
    media: MediaSource,
    numbers: Collection[int],
    *,
    alive: Callable[[], None] = lambda: None,
    pool: Executor | None = None,
) -> dict[int, Samples]:
    """The samples of tracks of a fragmented file. `pool`: for the reads; else own threads are used.

    The file's boxes are followed from one to the next by their sizes, and only those are trusted. An `mfra` or `sidx`
    box only lets several threads start at once, each at another fragment: their results count where the preceding walk
    arrives at that place. So a wrong or incomplete list loses no samples. Empty tracks are left out.

    Raises NoSampleTables when the file is not fragmented or not supported here (`demux` may support it), and
    TruncatedMedia, InvalidIndex, TooLarge, NotAVideo.
    """
    defaults = fragments.read_defaults(media.moov)
    traks = track_headers.track_boxes(media.moov)
    ids = {number: fragments.track_id(media.moov, traks[number]) for number in numbers}
    search = _Search(media.reader.read, media.reader.size, defaults, frozenset(ids.values()))
    if pool is None:
        with ThreadPoolExecutor(THREADS, "fragments") as own:
            parts = _find_parts(search, own, alive)
    else:
        parts = _find_parts(search, pool, alive)
    by_track: dict[int, list[Part]] = {track_id: [] for track_id in ids.values()}
    for part in parts:
        by_track[part.track_id].append(part)
    samples: dict[int, Samples] = {}
    for number, track_id in ids.items():
        read = partial(index.read_samples, media.moov, number, media.reader.size, by_track[track_id])
        samples |= media.take(number, read)
    if search.unused:
        media.notes.append(
            f"The file is cut off, or something else was appended to it: its last {search.unused} bytes are no whole"
            " fragment. It plays up to the last one that is."
        )
    return samples


@dataclass(frozen=True, slots=True)
class _Span:
    """The boxes between two bytes of the file, at each of which a box begins."""

    start: int
    end: int
    parts: list[Part] = field(default_factory=list)
    lists: list[tuple[list[int], list[int]]] = field(default_factory=list)  # the contents of its sidx boxes
    broken: MediaError | None = None  # why it ends: the next box, or its media, is incomplete


@dataclass(slots=True)
class _Search:
    """Reads boxes, from any thread. The counts limit a file's cost and need not be exact."""

    read: Callable[[int, int], bytes]
    size: int
    defaults: dict[int, Defaults]
    wanted: frozenset[int]
    boxes: int = 0
    moofs: int = 0
    samples: int = 0
    claimed: int = 0  # bytes of samples
    is_over: bool = False
    unused: int = 0  # bytes after the last complete fragment

    def walk(self, start: int, stop: int, *, until_moof: bool = False) -> _Span:
        """All boxes from the one at `start` to the first that begins at or after `stop`, or is incomplete."""
        window = _Window(self.read, self.size)
        span = _Span(start, start)
        position, broken = start, None
        while position < stop and not self.is_over:
            try:
                kind, length = window.box(position)
            except (TruncatedMedia, InvalidIndex) as error:
                broken = error
                break
            self._count(kind)
            if kind == b"moof":
                if until_moof:
                    break
                try:
                    span.parts.extend(self._parts(window, position, length))
                except TruncatedMedia as error:
                    broken = error
                    break
            elif kind == b"sidx" and until_moof and len(span.lists) < MAX_NESTED:
                span.lists.append(self._sidx(window, position))
            position += length
        return _Span(start, position, span.parts, span.lists, broken)

    def _parts(self, window: _Window, position: int, length: int) -> list[Part]:
        if length > MAX_MOOF:
            raise NoSampleTables(f"a moof box of {length >> 20} MB")
        parts = fragments.read_moof(window.get(position, length), position, self.defaults, self.wanted, self.size)
        self.samples += sum(part.columns.shape[1] for part in parts)
        self.claimed += sum(int(part.columns[1].sum()) for part in parts)
        if self.claimed > 2 * self.size:  # walks from wrong places may count samples twice
            raise InvalidIndex("The samples together are larger than the object.")
        if self.samples > MAX_SAMPLES * len(self.wanted):
            raise TooLarge(f"A track has more than {MAX_SAMPLES} samples.")
        return parts

    def _count(self, kind: bytes) -> None:
        self.boxes += 1
        self.moofs += kind == b"moof"
        if self.moofs > MAX_FRAGMENTS or self.boxes > MAX_BOXES:
            raise NoSampleTables(f"more than {MAX_FRAGMENTS} fragments")

    def mfra(self) -> list[int]:
        """The places of fragments by the list at the file's end."""
        tail = self.read(max(0, self.size - TAIL), self.size)
        length = fragment_lists.read_mfro(tail)
        if not fragment_lists.MFRO_SIZE < length <= min(self.size, MAX_MFRA):
            return []
        if length > len(tail):
            tail = self.read(self.size - length, self.size - len(tail)) + tail
        try:
            return fragment_lists.read_mfra(tail[-length:])
        except InvalidIndex:
            return []

    def sidx(self, position: int) -> tuple[list[int], list[int]]:
        """The places of (fragments, further sidx boxes) by the sidx box at byte `position`, if there is one."""
        return self._sidx(_Window(self.read, self.size), position)

    def _sidx(self, window: _Window, position: int) -> tuple[list[int], list[int]]:
        try:
            kind, length = window.box(position)
            if kind == b"sidx" and length <= MAX_SIDX:
                return fragment_lists.read_sidx(window.get(position, length), position)
        except (InvalidIndex, TruncatedMedia):
            log.debug("no list of fragments", extra={"at": position})
        return [], []


class _Window:
    """A moving window of the file: few reads where boxes are close together, short reads elsewhere."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self._size = read, size
        self._base, self._data, self._step = 0, b"", STEP

    def box(self, position: int) -> tuple[bytes, int]:
        """(kind, size) of the box at byte `position`. Raises TruncatedMedia when it exceeds the file."""
        box = header(self.get(position, min(16, self._size - position)), 0, self._size - position)
        if box is None:
            raise TruncatedMedia("The file ends in the middle of a box.")
        kind, _, length = box
        if position + length > self._size:
            raise TruncatedMedia(
                f"Box {readable(kind)} reaches to byte {position + length}, the object ends at byte {self._size}."
            )
        return kind, length

    def get(self, position: int, length: int) -> bytes:
        """The `length` bytes at `position`, which must be within the file."""
        end = self._base + len(self._data)
        if not self._base <= position <= position + length <= end:
            is_next = self._base <= position <= end + self._step and self._data
            self._step = min(2 * self._step, MAX_STEP) if is_next else STEP
            kept = self._data[position - self._base :] if self._base <= position <= end else b""
            stop = min(self._size, position + max(length, self._step))
            self._base, self._data = position, kept + self._read(position + len(kept), stop)
        return self._data[position - self._base : position - self._base + length]


def _find_parts(search: _Search, pool: Executor, alive: Callable[[], None]) -> list[Part]:
    """The parts of all fragments, in the order of the file."""
    walks: dict[int, Future[_Span]] = {}
    try:
        tail = pool.submit(search.mfra)
        head = _result(pool.submit(search.walk, 0, search.size, until_moof=True), alive)
        listed = _result(tail, alive) or _listed_by_sidx(search, head, pool, alive)
        starts = _spread(listed, head.end, search.size)
        log.debug("following fragments", extra={"listed": len(listed), "spans": len(starts)})
        for start, stop in zip(starts, [*starts[1:], search.size], strict=False):
            walks[start] = pool.submit(search.walk, start, stop)
        parts: list[Part] = []
        position = head.end
        while position < search.size:
            if position not in walks:  # a list was wrong: continue to its next place
                stop = min((start for start in starts if start > position), default=search.size)
                walks[position] = pool.submit(search.walk, position, stop)
            span = _result(walks[position], alive)  # the outcome of a walk at a wrong place is never read
            parts += span.parts
            position = span.end
            if span.broken:  # an error at the end is tolerated, one before a known fragment is not
                if not parts or any(position < start < search.size for start in listed):
                    raise span.broken
                search.unused = search.size - position
                break
        return parts
    finally:
        search.is_over = True  # threads that still search stop
        for walk in walks.values():
            walk.cancel()


def _listed_by_sidx(search: _Search, head: _Span, pool: Executor, alive: Callable[[], None]) -> list[int]:
    """The places of fragments by the sidx boxes at the start and those nested in them."""
    listed = [place for places, _ in head.lists for place in places]
    nested = [place for _, places in head.lists for place in places]
    for _ in range(NESTED):
        reads = [pool.submit(search.sidx, place) for place in sorted(set(nested))[:MAX_NESTED] if place < search.size]
        lists = [_result(read, alive) for read in reads]
        listed += [place for places, _ in lists for place in places]
        nested = [place for _, places in lists for place in places]
    return sorted(set(listed))


def _spread(listed: list[int], first: int, size: int) -> list[int]:
    """The start places of walks: the first fragment, and listed ones that are not too close together."""
    starts = [first] if first < size else []
    for place in listed:
        if starts and starts[-1] + SPAN <= place < size:
            starts.append(place)
    return starts


def _result(future: Future[T], alive: Callable[[], None]) -> T:
    alive()
    while not wait([future], timeout=PATIENCE).done:
        alive()
    return future.result()
