"""Moves parameter sets from among the pictures (avc3, hev1, and files that repeat them) into the record.

Without them in the record, a picture's properties are unknown before it is decoded, and players cannot start.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mam.mp4.boxes import boxes
from mam.mp4.h264 import read_sps
from mam.mp4.hevc import PPS, SPS, VPS, read_hvcc
from mam.mp4.writing import box

RECORDS = {"h264": b"avcC", "hevc": b"hvcC"}  # The box of each codec's record in a sample entry.
_H264_SPS, _H264_PPS = 7, 8  # nal_unit_type
_WITH_CHROMA = (100, 110, 122, 144)  # Records of these profiles end with chroma format and bit depths.
_ENTRY_FIELDS = 8 + 78  # A VisualSampleEntry has this many bytes before its boxes.
_HVCC_FIELDS = 22  # An hvcC has this many bytes before its count of arrays.
MAX_UNITS = 64  # This many NAL units of a sample are searched: parameter sets come first.
MAX_SET = 4096  # A larger parameter set is ignored.


def is_complete(codec: str, record: bytes) -> bool:
    """Whether a record has all parameter sets for the first picture; True for codecs without such sets."""
    if codec == "h264":
        return len(record) > 8 and record[5] & 31 > 0 and read_sps(record) is not None and _has_pps(record)
    if codec == "hevc":
        hevc = read_hvcc(record)
        return hevc is not None and hevc.complete
    return True


def with_sets_of(codec: str, record: bytes, sample: bytes) -> bytes | None:
    """The record with the parameter sets of a sample (its bytes, or the first ones); None where it has none."""
    if codec not in RECORDS or len(record) < (7 if codec == "h264" else _HVCC_FIELDS) or record[0] != 1:
        return None
    length = (record[4 if codec == "h264" else 21] & 3) + 1
    units = [unit for unit in _units(sample, length) if 2 < len(unit) <= MAX_SET]
    completed = _avcc(record, units) if codec == "h264" else _hvcc(record, units)
    return completed if completed is not None and is_complete(codec, completed) else None


def with_record(entry: bytes, codec: str, record: bytes) -> bytes:
    """A sample entry with another record. Raises InvalidIndex when its boxes contradict each other."""
    kind = RECORDS[codec]
    inner = [entry[child.start : child.end] for child in boxes(entry, _ENTRY_FIELDS, len(entry)) if child.kind != kind]
    return box(entry[4:8], entry[8:_ENTRY_FIELDS], box(kind, record), *inner)


def in_band(codec: str, record: bytes) -> bytes:
    """The parameter sets of a record in the form in which they precede a picture."""
    length = (record[4 if codec == "h264" else 21] & 3) + 1
    sets = _sets_of_avcc(record) if codec == "h264" else _sets_of_hvcc(record)
    return b"".join(len(unit).to_bytes(length, "big") + unit for unit in sets)


def _units(sample: bytes, length: int) -> Iterator[bytes]:
    """The complete NAL units in the bytes."""
    position = 0
    for _ in range(MAX_UNITS):
        size = int.from_bytes(sample[position : position + length], "big")
        position += length + size
        if position > len(sample) or not size:
            return
        yield sample[position - size : position]


def _avcc(record: bytes, units: list[bytes]) -> bytes | None:
    sps = [unit for unit in units if unit[0] & 31 == _H264_SPS]
    pps = [unit for unit in units if unit[0] & 31 == _H264_PPS]
    if not sps or not pps:
        return None
    listed = (bytes([count | len(group)]) + b"".join(struct.pack(">H", len(u)) + u for u in group)
              for count, group in ((0xE0, sps[:31]), (0, pps[:255])))  # fmt: skip
    avcc = bytes([1]) + sps[0][1:4] + bytes([record[4] | 0xFC]) + b"".join(listed)
    sps_read = read_sps(avcc)
    if sps_read is None or sps_read.profile not in _WITH_CHROMA:
        return avcc
    return avcc + bytes(
        [0xFC | sps_read.chroma_format, 0xF8 | sps_read.bit_depth - 8, 0xF8 | sps_read.bit_depth - 8, 0]
    )


def _hvcc(record: bytes, units: list[bytes]) -> bytes | None:
    arrays = []
    for kind in (VPS, SPS, PPS):
        of_kind = [unit for unit in units if unit[0] >> 1 & 63 == kind]
        if not of_kind:
            return None
        content = b"".join(struct.pack(">H", len(unit)) + unit for unit in of_kind)
        arrays.append(struct.pack(">BH", 0x80 | kind, len(of_kind)) + content)
    return record[:_HVCC_FIELDS] + bytes([len(arrays)]) + b"".join(arrays)


def _has_pps(record: bytes) -> bool:
    return any(unit[0] & 31 == _H264_PPS for unit in _sets_of_avcc(record) if unit)


def _sets_of_avcc(record: bytes) -> Iterator[bytes]:
    position, end = 6, len(record)
    for count in (record[5] & 31, None):
        if count is None:
            count, position = (record[position] if position < end else 0), position + 1
        for _ in range(count):
            size = int.from_bytes(record[position : position + 2], "big")
            yield record[position + 2 : position + 2 + size]
            position += 2 + size


def _sets_of_hvcc(record: bytes) -> Iterator[bytes]:
    position = _HVCC_FIELDS + 1
    for _ in range(record[_HVCC_FIELDS] if len(record) > _HVCC_FIELDS else 0):
        count = int.from_bytes(record[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            size = int.from_bytes(record[position : position + 2], "big")
            yield record[position + 2 : position + 2 + size]
            position += 2 + size
            if position > len(record):
                return
