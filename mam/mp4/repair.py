"""An index mended where it can be without guessing, so that everything that reads it afterwards agrees.

Every repair is told in a sentence for /plan. Nothing is moved: a repair writes over bytes of the same length.
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

CODED_BLOCK = 16  # pixels: by less than this a size differs where coded pictures are larger than what is shown
SIZE_IN_ENTRY = 24  # bytes behind a sample entry's header: width and height, of two bytes each

Change = tuple[int, bytes, str]  # where in the `moov`, what is written there, and what is said of it


def repaired(moov: bytes, headers: list[TrackHeader], flawed: set[int]) -> tuple[bytes, list[str]]:
    """(the `moov`, what was mended). The tracks in `flawed` are left alone."""
    changes: list[Change] = []
    for header, trak in zip(headers, track_boxes(moov), strict=True):
        if header.number not in flawed:
            found = leaves(moov, trak.payload, trak.end)
            changes += _chunks_in_order(moov, found, header.number)
            changes += _last_time(moov, found, header.number)
            if header.kind == VIDEO:
                changes += _size(moov, found, header)
    if not changes:
        return moov, []
    mended = bytearray(moov)
    for at, content, _ in changes:
        mended[at : at + len(content)] = content
    return bytes(mended), [said for _, _, said in changes]


def _chunks_in_order(moov: bytes, found: dict[bytes, Box], number: int) -> Iterator[Change]:
    """`stsc` sorted by first chunk where every entry has another: so there is one reading of it alone."""
    if b"stsc" not in found:
        return
    try:
        rows = tables.rows(moov, found[b"stsc"], ">u4", 3)
    except InvalidIndex:
        return
    order = np.argsort(rows[:, 0], kind="stable")
    first = rows[order, 0]
    if len(rows) and (np.diff(order) < 0).any() and first[0] == 1 and (np.diff(first) > 0).all():
        content = rows[order].astype(">u4").tobytes()
        yield found[b"stsc"].payload + 8, content, f"Track {number} lists its chunks out of order; they were sorted."


def _last_time(moov: bytes, found: dict[bytes, Box], number: int) -> Iterator[Change]:
    """`stts` that describes all samples but the last: that lasts as long as the one before it."""
    sizes, stts = found.get(b"stsz") or found.get(b"stz2"), found.get(b"stts")
    if sizes is None or stts is None:
        return
    try:
        rows, (count,) = tables.rows(moov, stts, ">u4", 2), tables.unpack(">I", moov, sizes, 8)
    except InvalidIndex:
        return
    if len(rows) and int(rows[:, 0].sum()) == count - 1 and rows[-1, 0] and rows[-1, 0] < (1 << 32) - 1:
        at = stts.payload + 8 + 8 * (len(rows) - 1)
        words = f"Track {number} says of its last sample no time: it lasts as long as the one before."
        yield at, struct.pack(">I", int(rows[-1, 0]) + 1), words


def _size(moov: bytes, found: dict[bytes, Box], header: TrackHeader) -> Iterator[Change]:
    """Width and height of every sample entry that has none, or others than its codec's configuration by far."""
    try:
        stsd = found.get(b"stsd")
        sample_entries = list(boxes(moov, stsd.payload + 8, stsd.end)) if stsd else []
    except InvalidIndex:
        return
    for entry in sample_entries:
        if entry.end - entry.payload < SIZE_IN_ENTRY + 4:
            continue
        said = struct.unpack_from(">2H", moov, entry.payload + SIZE_IN_ENTRY)
        coded = coded_size(moov[entry.start : entry.end])
        size = coded or header.size
        wrong = 0 in said or (coded and any(abs(a - b) >= CODED_BLOCK for a, b in zip(said, coded, strict=True)))
        if wrong and all(0 < side < 1 << 16 for side in size):
            words = f"Track {header.number} says that its pictures have {said[0]}x{said[1]} pixels; they have"
            yield entry.payload + SIZE_IN_ENTRY, struct.pack(">2H", *size), f"{words} {size[0]}x{size[1]}."


def coded_size(entry: bytes) -> tuple[int, int] | None:
    """Width and height by the parameter sets in an H.264 or HEVC sample entry; None where there are none."""
    avc, hevc = entries.configuration(entry, b"avcC"), entries.configuration(entry, b"hvcC")
    if avc is not None:
        sps = read_sps(avc)
        return (sps.width, sps.height) if sps else None
    record = read_hvcc(hevc) if hevc is not None else None
    return (record.picture.width, record.picture.height) if record and record.picture else None
