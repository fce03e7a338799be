"""The whole index parser under damage: errors are of the project's own kinds, and no input costs much.

Each number is an input: it seeds the choice of a sound file and of what is done to it. `MAM_FUZZ` says how many are
tried (100 when it is not set, 20,000 in `make mutants`), `MAM_FUZZ_FROM` which is the first. A number that fails is
named in the error, and is kept in KEPT once what it found is mended.
"""

from __future__ import annotations

import os
import random
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from typing import Any, TypeVar, cast

import pytest

from mam.errors import MamError
from mam.media.fragment_index import find_samples
from mam.media.reader import ObjectReader
from mam.media.source import MediaSource, read_moov
from mam.mp4 import bare_file, fragment_lists, fragments, index, track_headers
from mam.mp4.boxes import InvalidIndex, boxes
from mam.mp4.fragments import Defaults, Part
from mam.mp4.samples import Samples
from mam.mp4.survey import survey
from mam.mp4.tables import MAX_SAMPLES, NoSampleTables
from mam.store.objects import Store
from tests.unit.films import Film, Memory, film, source_of
from tests.unit.mp4.moofs import NO_SYNC, Run, Sample, Traf, moof, movie
from tests.unit.mp4.movies import Edit, Movie, Track, box, even_chunks, full, write
from tests.unit.mp4.test_hostile import check

T = TypeVar("T")
FIRST, COUNT = int(os.environ.get("MAM_FUZZ_FROM", "0")), int(os.environ.get("MAM_FUZZ", "100"))
SECOND = 1.0  # of this process's time, for one input
MEMORY = 300 << 20  # bytes at once
QUICK = 0.005  # seconds in which nobody fills so much
KEPT: tuple[int, ...] = ()

INSIDE = frozenset(b"moov trak mdia minf stbl edts mvex moof traf mfra udta".split())
KINDS = (
    *INSIDE,
    *b"free stsd stts ctts stss stsc stco co64 stsz stz2 elst mvhd mdhd tkhd hdlr trex tfhd tfdt trun".split(),
    *b"sidx tfra mfro mdat senc saiz pssh sinf".split(),
)
NUMBERS = (
    *(0, 1, 2, 3, 7, 8, 16, 0xFF, 0xFFFF, 0x10000, 1 << 20, (1 << 20) + 1, 1 << 24, MAX_SAMPLES, MAX_SAMPLES + 1),
    *(0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
)
MANY = 10_000  # boxes or kilobytes that an accident adds at most: what is measured is the reading, not the making
OBJECT_SIZES = (0, 100, 5000, 1 << 20, 1 << 33, 1 << 40, (1 << 62) - 1)


# sound files


@cache
def sound_files() -> tuple[bytes, ...]:
    video = Track(
        sizes=(90, 40, 30, 50) * 5, durations=(40,) * 20, timescale=1000, composition=(40, 80, 0, 40) * 5,
        sync=(True, False, False, False) * 5, chunks=even_chunks(20, 3),
        edit=Edit(delay=100, media_time=40, duration=800, version=1),
    )  # fmt: skip
    sound = Track(
        kind="soun", entry="mp4a", sizes=(9,) * 30, durations=(1024,) * 30, timescale=48000,
        chunks=even_chunks(30, 7), size_form="4", wide_offsets=True, version=1, edit=Edit(media_time=1024),
    )  # fmt: skip
    uniform = Track(sizes=(9,) * 30, durations=(40,) * 30, chunks=(30,), size_form="uniform", composition=(-9,) * 30)
    short = [film(Film(movflags=flags)) for flags in ("", "frag_keyframe", "dash+global_sidx+frag_keyframe+delay_moov")]
    many = film(Film(video=None, seconds=1, movflags="frag_every_frame+empty_moov+omit_tfhd_offset"))
    return (
        write(Movie((video, sound), extras=True)).data,
        write(Movie((uniform,), version=1, moov_first=False)).data,
        write(Movie((video,), wide=frozenset({b"trak", b"stbl"}), open_ended=True)).data,
        *short,
        many,
        _of_all_kinds(),
    )


def _of_all_kinds() -> bytes:
    """Fragments with whatever their boxes may have, and both lists of them."""
    trex = {1: Defaults(100, 10, NO_SYNC)}
    samples = tuple(Sample(5 + n, 40, NO_SYNC * (n > 0), 40 - 9 * n) for n in range(9))
    trafs = [
        Traf(1, (Run(samples), Run(samples, gap=None, version=0)), time=100),
        Traf(1, (Run(samples, frozenset({"duration"}), first_flags=0),), time=None, base="offset", described=True),
        Traf(1, (Run(samples, frozenset()),), time=5000, time_version=0, base="before", defaults=(7, 8, 9)),
    ]
    data = movie(trex, Track(timescale=1000, sizes=(9, 9), durations=(40, 40), chunks=(2,), edit=Edit(media_time=40)))
    pieces: list[bytes] = []
    for traf in trafs:
        head, media, _ = moof((traf, replace(traf, time=None)), len(data) + 68 + sum(map(len, pieces)), trex)
        pieces.append(head + media)
    rows = b"".join(struct.pack(">III", len(piece), 300, 0) for piece in pieces)
    listed = full(b"sidx", struct.pack(">IIIIHH", 1, 1000, 0, 0, 0, len(pieces)) + rows)
    starts = [len(data) + len(listed) + sum(map(len, pieces[:n])) for n in range(len(pieces))]
    rows = b"".join(struct.pack(">QQBBB", 0, start, 1, 1, 1) for start in starts)
    tfra = full(b"tfra", struct.pack(">III", 1, 0, len(starts)) + rows, version=1)
    mfra = box(b"mfra", tfra + full(b"mfro", struct.pack(">I", 8 + len(tfra) + 16)))
    return data + listed + b"".join(pieces) + mfra


# damage


@dataclass(slots=True)
class Node:
    """A box that can be changed: `inside`, or `payload`. `size`: what it claims, when it lies."""

    kind: bytes
    payload: bytes = b""
    inside: list[Node] = field(default_factory=list)
    size: int | None = None
    wide: bool = False

    def data(self) -> bytes:
        payload = self.payload + b"".join(node.data() for node in self.inside)
        size = len(payload) + (16 if self.wide else 8) if self.size is None else self.size
        if self.wide:
            return struct.pack(">I4sQ", 1, self.kind, size) + payload
        return struct.pack(">I4s", size & 0xFFFFFFFF, self.kind) + payload

    def weight(self) -> int:
        """How many boxes it is, and how many kilobytes."""
        return 1 + (len(self.payload) >> 10) + sum(node.weight() for node in self.inside)

    def copy(self) -> Node:
        return Node(self.kind, self.payload, [node.copy() for node in self.inside], self.size, self.wide)


def parsed(data: bytes, start: int, end: int) -> list[Node]:
    return [
        Node(found.kind, inside=parsed(data, found.payload, found.end))
        if found.kind in INSIDE - {b"udta"}
        else Node(found.kind, data[found.payload : found.end])
        for found in boxes(data, start, end)
    ]


@cache
def trees() -> tuple[list[Node], ...]:
    return tuple(parsed(data, 0, len(data)) for data in sound_files())


def lists(nodes: list[Node]) -> Iterator[list[Node]]:
    """Every list of boxes that is not empty."""
    if nodes:
        yield nodes
    for node in nodes:
        yield from lists(node.inside)


def _number(dice: random.Random) -> int:
    return dice.choice(NUMBERS) if dice.random() < 0.8 else dice.getrandbits(32)


def _word(dice: random.Random, node: Node) -> None:
    """One of the box's first numbers: version and flags, a count, an offset."""
    at = 4 * min(dice.randrange(8), dice.randrange(8))
    node.payload = node.payload[:at].ljust(at, b"\0") + struct.pack(">I", _number(dice)) + node.payload[at + 4 :]


def _any_word(dice: random.Random, node: Node) -> None:
    at = dice.randrange(len(node.payload) + 1) & ~3
    node.payload = node.payload[:at] + struct.pack(">I", _number(dice)) + node.payload[at + 4 :]


def _version(dice: random.Random, node: Node) -> None:
    node.payload = bytes([dice.choice((0, 1, 2, 255))]) + node.payload[1:]


def _flag(dice: random.Random, node: Node) -> None:
    flags = int.from_bytes(node.payload[1:4], "big") ^ 1 << dice.randrange(24)
    node.payload = node.payload[:1] + flags.to_bytes(3, "big") + node.payload[4:]


def _cut(dice: random.Random, node: Node) -> None:
    node.payload = node.payload[: dice.randrange(len(node.payload) + 1)]


def _grow(dice: random.Random, node: Node) -> None:
    node.payload += dice.randbytes(4) * dice.choice((1, 3, 100, 10_000))


def _repeat_rows(dice: random.Random, node: Node) -> None:
    """A table of many equal entries, and a count that says so."""
    width, head = 4 * dice.randrange(1, 6), 4 * dice.randrange(2, 5)
    count = dice.choice((10, 100, 1000, 20_000))
    row = node.payload[head : head + width].ljust(width, b"\1")
    node.payload = node.payload[:4].ljust(4, b"\0") + struct.pack(">I", count) + node.payload[8:head] + row * count


def _size(dice: random.Random, node: Node) -> None:
    node.size = _number(dice) if dice.random() < 0.7 else dice.getrandbits(64)
    node.wide = dice.random() < 0.2


def _kind(dice: random.Random, node: Node) -> None:
    node.kind = dice.choice(KINDS)


def _noise(dice: random.Random, node: Node) -> None:
    node.payload = dice.randbytes(dice.choice((0, 1, 4, 11, 200)))


CHANGES: tuple[Callable[[random.Random, Node], None], ...] = (
    *(_word, _word, _word, _any_word, _any_word, _version, _flag, _flag),
    *(_cut, _grow, _repeat_rows, _size, _kind, _noise),
)


def _rearrange(dice: random.Random, among: list[Node], every: list[list[Node]]) -> None:
    at = dice.randrange(len(among))
    what = dice.randrange(6)
    if what == 0:
        del among[at]
    elif what == 1:
        among.insert(at, among[at].copy())
    elif what == 2:
        count = min(dice.choice((2, 2, 70, 70, 3000)), MANY // among[at].weight())
        among[at:at] = [among[at].copy() for _ in range(count)]
    elif what == 3:
        dice.shuffle(among)
    elif what == 4:
        other = dice.choice(every)
        among.insert(at, dice.choice(other).copy() if other else Node(b"free"))
    else:
        for _ in range(dice.choice((1, 5, 40))):
            among[at] = Node(dice.choice((among[at].kind, b"moov", b"trak", b"moof", b"traf")), inside=[among[at]])


def _claim_many(dice: random.Random, every: list[list[Node]]) -> None:
    """The same huge number of samples wherever a count of them stands: tables that agree, and take few bytes."""
    count = struct.pack(">I", dice.choice((1 << 20, MAX_SAMPLES, MAX_SAMPLES // 2, 1 << 16)))
    for node in (node for among in every for node in among):
        old = node.payload
        if node.kind == b"stsz":
            node.payload = old[:4] + struct.pack(">I", dice.choice((1, 9))) + count
        elif node.kind in (b"stts", b"ctts"):
            node.payload = old[:4] + struct.pack(">I", 1) + count + old[12:]
        elif node.kind == b"stsc":
            node.payload = (
                old[:4] + struct.pack(">III", 1, 1, 1) if dice.random() < 0.1 else old[:12] + count + old[16:]
            )
        elif node.kind == b"trun":
            node.payload = struct.pack(">I", dice.choice((1, 0))) + count + bytes(4)


def damaged(dice: random.Random) -> bytes:
    """A sound file after one to six accidents; the sizes of its boxes mostly still right."""
    nodes = [node.copy() for node in dice.choice(trees())]
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        every = list(lists(nodes))
        if not every:
            break
        among = dice.choice(every)
        if dice.random() < 0.02:
            _claim_many(dice, every)
        elif dice.random() < 0.2:
            _rearrange(dice, among, every)
        else:
            node = dice.choice(among)
            if node.inside and dice.random() < 0.8:
                node = dice.choice(node.inside)
            dice.choice(CHANGES)(dice, node)
    data = bytearray(b"".join(node.data() for node in nodes)[: 1 << 20])
    if dice.random() < 0.2:
        for _ in range(dice.randrange(1, 9)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
    if dice.random() < 0.1:
        del data[dice.randrange(len(data) + 1) :]
    return bytes(data)


# what is read of it


class Here(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*given, **named))
        except (MamError, NoSampleTables) as error:
            done.set_exception(error)
        return done


@dataclass(frozen=True, slots=True)
class Source:
    """As much of a MediaSource as is needed to find samples; libavformat is not asked."""

    moov: bytes
    reader: ObjectReader
    notes: list[str] = field(default_factory=list)

    def take(self, number: int, read: Callable[[], Samples]) -> dict[int, Samples]:
        return {number: read()}


def _attempt(call: Callable[..., T], *given: object) -> T | None:
    with suppress(MamError, NoSampleTables):
        return call(*given)
    return None


def read_all(data: bytes, object_size: int) -> None:
    """All that is ever read of a file's boxes, one after the other, each whatever became of the others."""
    reader = ObjectReader(cast(Store, Memory(data)), source_of(data))
    moov = _attempt(read_moov, reader.read, reader.size) or b""
    tracks = _attempt(track_headers.read_headers, moov) or []
    for header in tracks[:2]:  # no more are used of any file
        found = _attempt(_find, moov, reader, header.number)
        if found:
            check(found, len(data))
    with suppress(InvalidIndex):
        seen: Counter[bytes] = Counter()
        for top in islice(boxes(data, 0, len(data)), 1000):
            seen[top.kind] += 1
            if seen[top.kind] <= 4:  # each is an input of its own, more or less
                read_alone(top.kind, data[top.start : top.end], moov, top.start, object_size)


def _find(moov: bytes, reader: ObjectReader, number: int) -> Samples:
    return find_samples(cast(MediaSource, Source(moov, reader)), [number], pool=Here())[number]


def read_alone(kind: bytes, data: bytes, moov: bytes, position: int, object_size: int) -> None:
    """A box of the file as if the rest of the file, of any size, were sound."""
    if kind == b"moov":
        _attempt(survey, data)
        _attempt(bare_file.without_tables, data)
        for header in (_attempt(track_headers.read_headers, data) or [])[:3]:
            _attempt(_checked, data, header.number, object_size)
    elif kind == b"moof":
        defaults = _attempt(fragments.read_defaults, moov) or {}
        parts = _attempt(fragments.read_moof, data, position, defaults, [1, 2], object_size) or []
        for track_id in (1, 2):
            mine = [part for part in parts if part.track_id == track_id]
            _attempt(_checked, sound_moov(), 0, object_size, mine)
    elif kind == b"sidx":
        _attempt(fragment_lists.read_sidx, data, position)
    elif kind == b"mfra":
        _attempt(fragment_lists.read_mfra, data)


def _checked(moov: bytes, number: int, object_size: int, parts: list[Part] | None = None) -> None:
    check(index.read_samples(moov, number, object_size, parts), object_size)


@cache
def sound_moov() -> bytes:
    data = sound_files()[-1]
    return read_moov(lambda start, stop: data[start:stop], len(data))


def test_the_files_are_sound_before_they_are_damaged() -> None:
    for data in sound_files():
        reader = ObjectReader(cast(Store, Memory(data)), source_of(data))
        moov = read_moov(reader.read, reader.size)
        fragmented = b"mvex" in moov
        assert len(_find(moov, reader, 0) if fragmented else index.read_samples(moov, 0, len(data)))


def test_what_is_not_damaged_stays_as_it_was() -> None:
    files = list(zip(sound_files(), trees(), strict=True))
    del files[2]  # its sizes of 64 bits, and the one that is 0, become sizes of 32
    for data, tree in files:
        assert data == b"".join(node.data() for node in tree)


def made(number: int) -> tuple[bytes, int]:
    """(a file, or what is left of one, and the size of the object that it is said to be) of that number."""
    dice = random.Random(number)
    size = dice.choice(OBJECT_SIZES)
    data = damaged(dice) if dice.random() < 0.9 else dice.randbytes(dice.randrange(400))
    return data, size or len(data)


def seconds_of(data: bytes, size: int) -> float:
    """Of this process's time, that reading takes."""
    begin = time.process_time()
    read_all(data, size)
    return time.process_time() - begin


def memory_of(data: bytes, size: int) -> int:
    """Bytes at once that reading takes, as Python and numpy ask for them; measuring takes several times as long."""
    tracemalloc.start()
    try:
        read_all(data, size)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(0)
def test_whatever_is_done_to_a_file_gives_errors_of_ours_within_a_second_and_300_mb() -> None:
    trees()
    sound_moov()
    slowest, largest = (0.0, -1), (0, -1)
    for number in (*KEPT, *range(FIRST, FIRST + COUNT)):
        data, size = made(number)
        try:
            seconds = seconds_of(data, size)
            memory = memory_of(data, size) if seconds > QUICK else 0
        except Exception as error:
            raise AssertionError(f"Input {number} raises {error!r}.") from error
        slowest, largest = max(slowest, (seconds, number)), max(largest, (memory, number))
        assert seconds < SECOND, f"Input {number} takes {seconds:.2f} s."
        assert memory < MEMORY, f"Input {number} takes {memory >> 20} MB."
    print(f"{COUNT} inputs; slowest: {slowest[0]:.3f} s, {slowest[1]}; largest: {largest[0] >> 20} MB, {largest[1]}")
