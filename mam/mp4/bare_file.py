"""A file with the same tracks and no media, from which libavformat reads the codecs."""

from __future__ import annotations

import struct

from mam.mp4.boxes import CONTAINERS, boxes
from mam.mp4.track_headers import payload_of, track_boxes

MAX_USER_DATA = 4096  # A track's user data is kept up to this size.
_EMPTY_TABLES = {b"stts": 1, b"ctts": 1, b"stss": 1, b"stsc": 1, b"stco": 1, b"co64": 1, b"stsz": 2, b"stz2": 2}


def without_tables(moov: bytes, number: int | None = None, entry: bytes | None = None) -> bytes:
    """A file of a few kilobytes with the same tracks and no media, from which libavformat reads the codecs.

    `number`: the only track to keep; None: all. `entry`: replaces that track's sample entries.
    """
    ftyp = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")
    if number is None:
        return ftyp + _emptied(moov, 0, len(moov), 0)
    mvhd = next((box for box in boxes(moov, payload_of(moov), len(moov)) if box.kind == b"mvhd"), None)
    trak = track_boxes(moov)[number]
    inner = (moov[mvhd.start : mvhd.end] if mvhd else b"") + _emptied(moov, trak.start, trak.end, 1, entry)
    return ftyp + struct.pack(">I4s", len(inner) + 8, b"moov") + inner


def _emptied(data: bytes, start: int, end: int, depth: int, entry: bytes | None = None) -> bytes:
    parts = []
    for box in boxes(data, start, end):
        if box.kind in CONTAINERS and depth < 8:
            inner = _emptied(data, box.payload, box.end, depth + 1, entry)
            parts.append(struct.pack(">I4s", len(inner) + 8, box.kind) + inner)
        elif box.kind in _EMPTY_TABLES:
            # stz2 cannot be empty without a field size; an empty stsz says the same
            kind = b"stsz" if box.kind == b"stz2" else box.kind
            inner = data[box.payload : box.payload + 4] + bytes(4 * _EMPTY_TABLES[box.kind])
            parts.append(struct.pack(">I4s", len(inner) + 8, kind) + inner)
        elif box.kind == b"stsd" and entry is not None:
            parts.append(struct.pack(">I4sII", len(entry) + 16, b"stsd", 0, 1) + entry)
        elif box.kind == b"udta":
            if depth and box.end - box.start <= MAX_USER_DATA:  # a track's title
                parts.append(data[box.start : box.end])
        elif box.kind not in (b"meta", b"mvex", b"sgpd", b"sbgp", b"sdtp"):
            parts.append(data[box.start : box.end])
    return b"".join(parts)
