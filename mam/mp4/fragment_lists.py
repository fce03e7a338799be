"""The places of a file's fragments by the boxes that list them: `sidx`, `mfro` and `mfra` (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mam.mp4.boxes import Box, InvalidIndex, boxes
from mam.mp4.tables import MAX_OFFSET, Ints, unpack

MFRO_SIZE = 16  # The size of mfro, the last box of a file with an `mfra`.


def read_sidx(data: bytes, position: int) -> tuple[list[int], list[int]]:
    """(places of media, places of further `sidx` boxes) by the `sidx` box at byte `position`, section 8.16.3."""
    sidx = _only(data, b"sidx")
    (version,) = unpack(">B", data, sidx, 0)
    (first,) = unpack(">Q" if version else ">I", data, sidx, 20 if version else 16)
    (count,) = unpack(">H", data, sidx, 30 if version else 22)
    offset = sidx.payload + (32 if version else 24)
    if first > MAX_OFFSET or 12 * count > sidx.end - offset:
        raise InvalidIndex(f"Box 'sidx' claims {count} entries and has no room for them.")
    words = np.frombuffer(data, ">u4", 3 * count, offset).reshape(count, 3)[:, 0].astype(np.int64)
    size, nested = words & 0x7FFFFFFF, words >> 31 == 1
    start = position + sidx.end + first + np.cumsum(size) - size
    return start[~nested].tolist(), start[nested].tolist()


def read_mfro(tail: bytes) -> int:
    """The size of the `mfra` box at the file's end, by the file's last bytes; 0 when there is none."""
    end = tail[-MFRO_SIZE:]
    if len(end) < MFRO_SIZE or end[:8] != b"\0\0\0\x10mfro":
        return 0
    return int.from_bytes(end[12:], "big")


def read_mfra(data: bytes) -> list[int]:
    """The sorted places of fragments by the `mfra` box (section 8.8.9 to 8.8.11)."""
    mfra = _only(data, b"mfra")
    columns = [_read_tfra(data, box) for box in boxes(data, mfra.payload, mfra.end) if box.kind == b"tfra"]
    offsets = np.unique(np.concatenate([np.zeros(0, np.uint64), *columns]))
    return [int(offset) for offset in offsets[offsets <= MAX_OFFSET]]


def _read_tfra(data: bytes, tfra: Box) -> Ints:
    version, lengths, count = unpack(">B3x4xII", data, tfra, 0)
    width = 8 if version == 1 else 4
    numbers = sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))  # of traf, trun and sample
    if count * (2 * width + numbers) > tfra.end - tfra.payload - 16:
        raise InvalidIndex(f"Box 'tfra' claims {count} entries and has no room for them.")
    form = np.dtype(
        {"names": ["offset"], "formats": [f">u{width}"], "offsets": [width], "itemsize": 2 * width + numbers}
    )
    return np.frombuffer(data, form, count, tfra.payload + 16)["offset"].astype(np.uint64)


def _only(data: bytes, kind: bytes) -> Box:
    """The single box of these bytes."""
    candidates: Iterator[Box] = boxes(data, 0, len(data))
    box = next(candidates, None)
    if box is None or box.kind != kind:
        raise InvalidIndex(f"There is no {kind.decode()} box where one should be.")
    return box
