"""The index of a fragmented file, made from its `moof` boxes: ranged reads of them, and of little else."""

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

THREADS = 8  # reads at a time: a moof is small, and what it takes to get one is the store's answer time
STEP = 16 << 10  # bytes read at a box, at least: holds the moof of some seconds of video and audio
MAX_STEP = 1 << 20  # where boxes lie close together, more is read at a time, up to this
TAIL = 64 << 10  # bytes read of the file's end: holds the mfra of most files
MAX_MFRA = 32 << 20  # bytes
MAX_SIDX = 1 << 20  # bytes: it has up to 65535 entries of 12
MAX_MOOF = 64 << 20
MAX_FRAGMENTS = 500_000  # in one file; libavformat may try beyond that
MAX_BOXES = 4 * MAX_FRAGMENTS
SPAN = 128 << 10  # bytes: what lies closer together is walked through by one thread
NESTED, MAX_NESTED = 3, 64  # levels of sidx boxes below the first, and how many of a level are read
PATIENCE = 1.0  # seconds between signs of life

log = logging.getLogger(__name__)
T = TypeVar("T")


def find_samples(
    media: MediaSource,
    numbers: Collection[int],
    *,
    alive: Callable[[], None] = lambda: None,
    pool: Executor | None = None,
) -> dict[int, Samples]:
    """The samples of those tracks of a fragmented file. `pool`: where reads are done; else threads of its own.

    The file's boxes are followed from one to the next, as each one's size says, and nothing else is believed. An
    `mfra` or `sidx` box only lets many threads begin at once, each at another fragment: what they find counts where
    those before them arrive there. So a list that is wrong, or names some of the fragments, loses no samples. Tracks
    that hold nothing are left out.

    Raises NoSampleTables when the file is not fragmented or is more than is understood here (`demux` may), and
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
    found: dict[int, Samples] = {}
    for number, track_id in ids.items():
        read = partial(index.read_samples, media.moov, number, media.reader.size, by_track[track_id])
        found |= media.take(number, read)
    if search.unused:
        media.notes.append(
            f"The file is cut off, or something else was appended to it: its last {search.unused} bytes are no whole"
            " fragment. It plays up to the last one that is."
        )
    return found


@dataclass(frozen=True, slots=True)
class _Span:
    """What lies between two bytes of the file, both of which begin a box."""

    start: int
    end: int
    parts: list[Part] = field(default_factory=list)
    lists: list[tuple[list[int], list[int]]] = field(default_factory=list)  # what its sidx boxes say
    broken: MediaError | None = None  # why it ends there: what follows is no whole box, or its media is not


@dataclass(slots=True)
class _Search:
    """Reads boxes; many threads may. The counts, which bound what a file can cost, need not be exact."""

    read: Callable[[int, int], bytes]
    size: int
    defaults: dict[int, Defaults]
    wanted: frozenset[int]
    boxes: int = 0
    moofs: int = 0
    samples: int = 0
    claimed: int = 0  # bytes
    is_over: bool = False
    unused: int = 0  # bytes behind the last whole fragment

    def walk(self, start: int, stop: int, *, until_moof: bool = False) -> _Span:
        """All boxes from the one at `start` to the first that does not begin before `stop`, or is not whole."""
        window = _Window(self.read, self.size)
        span = _Span(start, start)
        at, broken = start, None
        while at < stop and not self.is_over:
            try:
                kind, length = window.box(at)
            except (TruncatedMedia, InvalidIndex) as error:
                broken = error
                break
            self._count(kind)
            if kind == b"moof":
                if until_moof:
                    break
                try:
                    span.parts.extend(self._parts(window, at, length))
                except TruncatedMedia as error:
                    broken = error
                    break
            elif kind == b"sidx" and until_moof and len(span.lists) < MAX_NESTED:
                span.lists.append(self._sidx(window, at))
            at += length
        return _Span(start, at, span.parts, span.lists, broken)

    def _parts(self, window: _Window, at: int, length: int) -> list[Part]:
        if length > MAX_MOOF:
            raise NoSampleTables(f"a moof box of {length >> 20} MB")
        parts = fragments.read_moof(window.get(at, length), at, self.defaults, self.wanted, self.size)
        self.samples += sum(part.columns.shape[1] for part in parts)
        self.claimed += sum(int(part.columns[1].sum()) for part in parts)
        if self.claimed > 2 * self.size:  # some may have been counted twice, by who began at a wrong place
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
        """Where the list at the file's end says that fragments are."""
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

    def sidx(self, at: int) -> tuple[list[int], list[int]]:
        """Where the sidx box at byte `at`, if it is one, says that (fragments, further sidx boxes) are."""
        return self._sidx(_Window(self.read, self.size), at)

    def _sidx(self, window: _Window, at: int) -> tuple[list[int], list[int]]:
        try:
            kind, length = window.box(at)
            if kind == b"sidx" and length <= MAX_SIDX:
                return fragment_lists.read_sidx(window.get(at, length), at)
        except (InvalidIndex, TruncatedMedia):
            log.debug("no list of fragments", extra={"at": at})
        return [], []


class _Window:
    """The file's bytes at a place that moves on: few reads where boxes lie close together, short ones elsewhere."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self._size = read, size
        self._base, self._data, self._step = 0, b"", STEP

    def box(self, at: int) -> tuple[bytes, int]:
        """(kind, size) of the box at byte `at`. Raises TruncatedMedia when it does not lie within the file."""
        found = header(self.get(at, min(16, self._size - at)), 0, self._size - at)
        if found is None:
            raise TruncatedMedia("The file ends in the middle of a box.")
        kind, _, length = found
        if at + length > self._size:
            raise TruncatedMedia(
                f"Box {readable(kind)} reaches to byte {at + length}, the object ends at byte {self._size}."
            )
        return kind, length

    def get(self, at: int, length: int) -> bytes:
        """The `length` bytes at `at`, which lie within the file."""
        have = self._base + len(self._data)
        if not self._base <= at <= at + length <= have:
            near = self._base <= at <= have + self._step and self._data
            self._step = min(2 * self._step, MAX_STEP) if near else STEP
            kept = self._data[at - self._base :] if self._base <= at <= have else b""
            stop = min(self._size, at + max(length, self._step))
            self._base, self._data = at, kept + self._read(at + len(kept), stop)
        return self._data[at - self._base : at - self._base + length]


def _find_parts(search: _Search, pool: Executor, alive: Callable[[], None]) -> list[Part]:
    """Every fragment's parts, in the order of the file."""
    walks: dict[int, Future[_Span]] = {}
    try:
        tail = pool.submit(search.mfra)
        head = _result(pool.submit(search.walk, 0, search.size, until_moof=True), alive)
        listed = _result(tail, alive) or _listed(search, head, pool, alive)
        starts = _spread(listed, head.end, search.size)
        log.debug("following fragments", extra={"listed": len(listed), "spans": len(starts)})
        for start, stop in zip(starts, [*starts[1:], search.size], strict=False):
            walks[start] = pool.submit(search.walk, start, stop)
        parts: list[Part] = []
        at = head.end
        while at < search.size:
            if at not in walks:  # a list was wrong: on, to the next place that it names
                stop = min((start for start in starts if start > at), default=search.size)
                walks[at] = pool.submit(search.walk, at, stop)
            span = _result(walks[at], alive)  # of no walk that none arrives at is it asked how it ended
            parts += span.parts
            at = span.end
            if span.broken:  # nothing may be known to lie behind it, or the middle of the film would be missing
                if not parts or any(at < start < search.size for start in listed):
                    raise span.broken
                search.unused = search.size - at
                break
        return parts
    finally:
        search.is_over = True  # threads that still search stop
        for walk in walks.values():
            walk.cancel()


def _listed(search: _Search, head: _Span, pool: Executor, alive: Callable[[], None]) -> list[int]:
    """Where the sidx boxes in front, and those that they name, say that fragments are."""
    listed = [at for found, _ in head.lists for at in found]
    nested = [at for _, found in head.lists for at in found]
    for _ in range(NESTED):
        asked = [pool.submit(search.sidx, at) for at in sorted(set(nested))[:MAX_NESTED] if at < search.size]
        answers = [_result(answer, alive) for answer in asked]
        listed += [at for found, _ in answers for at in found]
        nested = [at for _, found in answers for at in found]
    return sorted(set(listed))


def _spread(listed: list[int], first: int, size: int) -> list[int]:
    """Where to begin: at the first fragment, and at listed ones that are not too close together."""
    starts = [first] if first < size else []
    for at in listed:
        if starts and starts[-1] + SPAN <= at < size:
            starts.append(at)
    return starts


def _result(future: Future[T], alive: Callable[[], None]) -> T:
    alive()
    while not wait([future], timeout=PATIENCE).done:
        alive()
    return future.result()
