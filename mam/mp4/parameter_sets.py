"""Parameter sets that stand among the pictures (avc3, hev1, and files that repeat them), put into the record.

Without them in the record nothing is known of a picture before it is decoded, and no player can begin.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mam.mp4.boxes import boxes
from mam.mp4.h264 import read_sps
from mam.mp4.hevc import PPS, SPS, VPS, read_hvcc
from mam.mp4.writing import box

RECORDS = {"h264": b"avcC", "hevc": b"hvcC"}  # the box of each codec's record in a sample entry
_H264_SPS, _H264_PPS = 7, 8  # nal_unit_type
_WITH_CHROMA = (100, 110, 122, 144)  # profiles whose record ends with chroma and depths
_ENTRY_FIELDS = 8 + 78  # bytes of a VisualSampleEntry before its boxes
_HVCC_FIELDS = 22  # bytes of an hvcC before its count of arrays
MAX_UNITS = 64  # in one sample that are looked at: sets stand in front
MAX_SET = 4096  # bytes of one


def is_complete(codec: str, record: bytes) -> bool:
    """Whether a record holds what a decoder needs before the first picture; True for codecs without such sets."""
    if codec == "h264":
        return len(record) > 8 and record[5] & 31 > 0 and read_sps(record) is not None and _has_pps(record)
    if codec == "hevc":
        read = read_hvcc(record)
        return read is not None and read.complete
    return True


def with_sets_of(codec: str, record: bytes, sample: bytes) -> bytes | None:
    """The record with the parameter sets of a sample (its bytes, or the first of them); None where it has none."""
    if codec not in RECORDS or len(record) < (7 if codec == "h264" else _HVCC_FIELDS) or record[0] != 1:
        return None
    length = (record[4 if codec == "h264" else 21] & 3) + 1
    units = [unit for unit in _units(sample, length) if 2 < len(unit) <= MAX_SET]
    made = _avcc(record, units) if codec == "h264" else _hvcc(record, units)
    return made if made is not None and is_complete(codec, made) else None


def with_record(entry: bytes, codec: str, record: bytes) -> bytes:
    """A sample entry with another record. Raises InvalidIndex when its boxes contradict each other."""
    kind = RECORDS[codec]
    inner = [entry[child.start : child.end] for child in boxes(entry, _ENTRY_FIELDS, len(entry)) if child.kind != kind]
    return box(entry[4:8], entry[8:_ENTRY_FIELDS], box(kind, record), *inner)


def in_band(codec: str, record: bytes) -> bytes:
    """The parameter sets of a record as they stand in front of a picture."""
    length = (record[4 if codec == "h264" else 21] & 3) + 1
    sets = _sets_of_avcc(record) if codec == "h264" else _sets_of_hvcc(record)
    return b"".join(len(unit).to_bytes(length, "big") + unit for unit in sets)


def _units(sample: bytes, length: int) -> Iterator[bytes]:
    """The NAL units that lie wholly in the bytes."""
    at = 0
    for _ in range(MAX_UNITS):
        size = int.from_bytes(sample[at : at + length], "big")
        at += length + size
        if at > len(sample) or not size:
            return
        yield sample[at - size : at]


def _avcc(record: bytes, units: list[bytes]) -> bytes | None:
    sps = [unit for unit in units if unit[0] & 31 == _H264_SPS]
    pps = [unit for unit in units if unit[0] & 31 == _H264_PPS]
    if not sps or not pps:
        return None
    listed = (bytes([count | len(group)]) + b"".join(struct.pack(">H", len(u)) + u for u in group)
              for count, group in ((0xE0, sps[:31]), (0, pps[:255])))  # fmt: skip
    made = bytes([1]) + sps[0][1:4] + bytes([record[4] | 0xFC]) + b"".join(listed)
    read = read_sps(made)
    if read is None or read.profile not in _WITH_CHROMA:
        return made
    return made + bytes([0xFC | read.chroma_format, 0xF8 | read.bit_depth - 8, 0xF8 | read.bit_depth - 8, 0])


def _hvcc(record: bytes, units: list[bytes]) -> bytes | None:
    arrays = []
    for kind in (VPS, SPS, PPS):
        found = [unit for unit in units if unit[0] >> 1 & 63 == kind]
        if not found:
            return None
        content = b"".join(struct.pack(">H", len(unit)) + unit for unit in found)
        arrays.append(struct.pack(">BH", 0x80 | kind, len(found)) + content)
    return record[:_HVCC_FIELDS] + bytes([len(arrays)]) + b"".join(arrays)


def _has_pps(record: bytes) -> bool:
    return any(unit[0] & 31 == _H264_PPS for unit in _sets_of_avcc(record) if unit)


def _sets_of_avcc(record: bytes) -> Iterator[bytes]:
    at, end = 6, len(record)
    for count in (record[5] & 31, None):
        if count is None:
            count, at = (record[at] if at < end else 0), at + 1
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : at + 2 + size]
            at += 2 + size


def _sets_of_hvcc(record: bytes) -> Iterator[bytes]:
    at = _HVCC_FIELDS + 1
    for _ in range(record[_HVCC_FIELDS] if len(record) > _HVCC_FIELDS else 0):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : at + 2 + size]
            at += 2 + size
            if at > len(record):
                return
