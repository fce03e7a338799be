"""Boxes of the ISO base media file format (ISO/IEC 14496-12 section 4.2), read from bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mam.errors import MediaError, readable

CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})
MAX_DEPTH = 8  # The path moov/trak/mdia/minf/stbl has five levels.
MAX_BOXES = 100_000  # One box may contain this many: a fragment may have as many runs.


class InvalidIndex(MediaError):
    """The boxes contradict themselves or each other."""

    code, title = "invalid_index", "The file's index is damaged"


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, and its place in the bytes that it was read from."""

    kind: bytes
    start: int
    payload: int
    end: int


def header(data: bytes | memoryview, at: int, limit: int) -> tuple[bytes, int, int] | None:
    """(kind, header size, box size) of the box at `at`; size 0 means "to `limit`". None when the header is cut off.

    Raises InvalidIndex when the size is smaller than the header.
    """
    if at + 8 > len(data):
        return None
    size, kind = struct.unpack_from(">I4s", data, at)
    length = 8
    if size == 1:
        if at + 16 > len(data):
            return None
        size, length = struct.unpack_from(">Q", data, at + 8)[0], 16
    elif size == 0:
        size = limit - at
    if size < length:
        raise InvalidIndex(f"Box {readable(kind)} at byte {at} claims a size of {size}.")
    return kind, length, size


def boxes(data: bytes | memoryview, start: int, end: int) -> Iterator[Box]:
    """The boxes in data[start:end]. Raises InvalidIndex for a box that reaches beyond `end`."""
    position = start
    for _ in range(MAX_BOXES):
        if position + 8 > end:  # QuickTime ends some lists of boxes with four zero bytes
            return
        box = header(data, position, end)
        if box is None:
            raise InvalidIndex(f"The box at byte {position} is cut off.")
        kind, length, size = box
        if position + size > end:
            raise InvalidIndex(f"Box {readable(kind)} at byte {position} reaches beyond the box that holds it.")
        yield Box(kind, position, position + length, position + size)
        position += size
    raise InvalidIndex(f"More than {MAX_BOXES} boxes in one place.")


def below(data: bytes | memoryview, start: int, end: int, depth: int = 0) -> Iterator[Box]:
    """Every box in data[start:end] and in the containers among them, in the order of the bytes."""
    if depth > MAX_DEPTH:
        raise InvalidIndex("The boxes are nested too deep.")
    for box in boxes(data, start, end):
        yield box
        if box.kind in CONTAINERS:
            yield from below(data, box.payload, box.end, depth + 1)


def leaves(data: bytes | memoryview, start: int, end: int) -> dict[bytes, Box]:
    """Every box below data[start:end] that is no container, by kind; the first of a kind wins.

    QuickTime has a second `hdlr` in `minf`, for the data handler, after that of the media.
    """
    by_kind: dict[bytes, Box] = {}
    for box in below(data, start, end):
        if box.kind not in CONTAINERS:
            by_kind.setdefault(box.kind, box)
    return by_kind
