"""Repairs an index where no guessing is needed, so that all later readers agree.

Every repair is described in a sentence for /plan. A repair overwrites bytes with the same number of bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from mam.mp4 import entries, tables
from mam.mp4.boxes import Box, InvalidIndex, boxes, leaves
from mam.mp4.h264 import read_sps
from mam.mp4.hevc import read_hvcc
from mam.mp4.track_headers import VIDEO, TrackHeader, track_boxes

CODED_BLOCK = 16  # Coded pictures are larger than the shown ones by fewer pixels than this.
SIZE_IN_ENTRY = 24  # Width and height, of two bytes each, follow a sample entry's header after this many bytes.

Change = tuple[int, bytes, str]  # The position in the `moov`, the new bytes, and a sentence about them.


def repaired(moov: bytes, headers: list[TrackHeader], flawed: set[int]) -> tuple[bytes, list[str]]:
    """(the repaired `moov`, the repairs). Tracks in `flawed` are not changed."""
    changes: list[Change] = []
    for header, trak in zip(headers, track_boxes(moov), strict=True):
        if header.number not in flawed:
            children = leaves(moov, trak.payload, trak.end)
            changes += _chunks_in_order(moov, children, header.number)
            changes += _last_time(moov, children, header.number)
            if header.kind == VIDEO:
                changes += _size(moov, children, header)
    if not changes:
        return moov, []
    result = bytearray(moov)
    for position, content, _ in changes:
        result[position : position + len(content)] = content
    return bytes(result), [sentence for _, _, sentence in changes]


def _chunks_in_order(moov: bytes, children: dict[bytes, Box], number: int) -> Iterator[Change]:
    """Sorts `stsc` by first chunk where all first chunks differ, which makes it unambiguous."""
    if b"stsc" not in children:
        return
    try:
        rows = tables.rows(moov, children[b"stsc"], ">u4", 3)
    except InvalidIndex:
        return
    order = np.argsort(rows[:, 0], kind="stable")
    first = rows[order, 0]
    if len(rows) and (np.diff(order) < 0).any() and first[0] == 1 and (np.diff(first) > 0).all():
        content = rows[order].astype(">u4").tobytes()
        yield children[b"stsc"].payload + 8, content, f"Track {number} lists its chunks out of order; they were sorted."


def _last_time(moov: bytes, children: dict[bytes, Box], number: int) -> Iterator[Change]:
    """Completes an `stts` without the last sample, which then lasts as long as the previous one."""
    sizes, stts = children.get(b"stsz") or children.get(b"stz2"), children.get(b"stts")
    if sizes is None or stts is None:
        return
    try:
        rows, (count,) = tables.rows(moov, stts, ">u4", 2), tables.unpack(">I", moov, sizes, 8)
    except InvalidIndex:
        return
    if len(rows) and int(rows[:, 0].sum()) == count - 1 and rows[-1, 0] and rows[-1, 0] < (1 << 32) - 1:
        position = stts.payload + 8 + 8 * (len(rows) - 1)
        sentence = f"Track {number} says of its last sample no time: it lasts as long as the one before."
        yield position, struct.pack(">I", int(rows[-1, 0]) + 1), sentence


def _size(moov: bytes, children: dict[bytes, Box], header: TrackHeader) -> Iterator[Change]:
    """Corrects width and height of sample entries that have none, or very different ones from their codec."""
    try:
        stsd = children.get(b"stsd")
        sample_entries = list(boxes(moov, stsd.payload + 8, stsd.end)) if stsd else []
    except InvalidIndex:
        return
    for entry in sample_entries:
        if entry.end - entry.payload < SIZE_IN_ENTRY + 4:
            continue
        stated = struct.unpack_from(">2H", moov, entry.payload + SIZE_IN_ENTRY)
        coded = coded_size(moov[entry.start : entry.end])
        size = coded or header.size
        wrong = 0 in stated or (
            coded
            and any(
                abs(stated_side - coded_side) >= CODED_BLOCK
                for stated_side, coded_side in zip(stated, coded, strict=True)
            )
        )
        if wrong and all(0 < side < 1 << 16 for side in size):
            sentence = f"Track {header.number} says that its pictures have {stated[0]}x{stated[1]} pixels; they have"
            yield entry.payload + SIZE_IN_ENTRY, struct.pack(">2H", *size), f"{sentence} {size[0]}x{size[1]}."


def coded_size(entry: bytes) -> tuple[int, int] | None:
    """Width and height by the parameter sets in an H.264 or HEVC sample entry; None where there are none."""
    avc, hevc = entries.configuration(entry, b"avcC"), entries.configuration(entry, b"hvcC")
    if avc is not None:
        sps = read_sps(avc)
        return (sps.width, sps.height) if sps else None
    record = read_hvcc(hevc) if hevc is not None else None
    return (record.picture.width, record.picture.height) if record and record.picture else None
