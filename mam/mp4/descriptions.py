"""Sample descriptions (`stsd`, ISO/IEC 14496-12 section 8.5.2) for the header of fragments."""

from __future__ import annotations

import struct

from mam.errors import NotRemuxable
from mam.mp4.boxes import boxes
from mam.mp4.writing import box, full_box

HEVC_PARAMETER_SETS = {32: "VPS", 33: "SPS", 34: "PPS"}
# The written form of each kind of video sample entry, and the box with its configuration record.
VISUAL_ENTRIES = {
    b"avc1": (b"avc1", b"avcC"),
    b"avc3": (b"avc1", b"avcC"),
    b"hvc1": (b"hvc1", b"hvcC"),
    b"hev1": (b"hvc1", b"hvcC"),
    b"av01": (b"av01", b"av1C"),
    b"vp09": (b"vp09", b"vpcC"),
}
PICTURE_BOXES = frozenset({b"colr", b"pasp", b"mdcv", b"clli"})  # Colours, pixel aspect, mastering display.
SQUARE_PIXELS = struct.pack(">2I", 1, 1)  # This pasp is the default.
VISUAL_FIELDS = 78  # A VisualSampleEntry has this many bytes before its boxes (ISO/IEC 14496-12 section 12.1.3).


def settled(stsd: bytes, *, encoded: bool) -> bytes:
    """The sample description with all its parameter sets: avc1 and hvc1, never avc3 and hev1.

    `encoded`: no other boxes are kept. They depend on how much of the encoder's output libavformat has read, and the
    parameter sets have the same facts. Raises NotRemuxable when the record is incomplete: the source has its parameter
    sets only among its pictures, or libavformat cannot describe the stream without decoding.
    """
    kind = stsd[20:24]
    if kind not in VISUAL_ENTRIES:
        _require(int.from_bytes(stsd[16:20], "big") == len(stsd) - 16, kind.decode("latin-1"))
        return stsd
    name, wanted = VISUAL_ENTRIES[kind]
    fields = stsd[24 : 24 + VISUAL_FIELDS]
    inner: list[bytes] = []
    for child in boxes(stsd, 24 + VISUAL_FIELDS, len(stsd)):
        content = stsd[child.payload : child.end]
        if child.kind == wanted:
            inner.insert(0, box(wanted, _whole(wanted, content)))
        elif child.kind in PICTURE_BOXES and not encoded and content != SQUARE_PIXELS:
            inner.append(box(child.kind, content))
    _require(bool(inner) and inner[0][4:8] == wanted, wanted.decode())
    return full_box(b"stsd", struct.pack(">I", 1), box(name, fields, *inner))


def _whole(kind: bytes, record: bytes) -> bytes:
    """A complete configuration record. Raises NotRemuxable when parameter sets are missing."""
    _require(len(record) > 0, kind.decode())
    if kind == b"avcC":
        _check_avcc(record)
    return _complete_hvcc(record) if kind == b"hvcC" else record


def _check_avcc(record: bytes) -> None:
    """AVCDecoderConfigurationRecord, ISO/IEC 14496-15 section 5.3.3.1."""
    position = 6
    for _ in range(record[5] & 31):
        position += 2 + int.from_bytes(record[position : position + 2], "big")
    _require(record[5] & 31 > 0 and record[position] > 0, "SPS or PPS")


def _complete_hvcc(record: bytes) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 8.3.3.1), marked as having all parameter sets."""
    result, kinds, position = bytearray(record), set(), 23
    for _ in range(record[22]):
        kind = record[position] & 0x3F
        if kind in HEVC_PARAMETER_SETS:
            result[position] |= 0x80  # array_completeness, which hvc1 demands
        (count,) = struct.unpack_from(">H", record, position + 1)
        position += 3
        for _ in range(count):
            position += 2 + struct.unpack_from(">H", record, position)[0]
        if count:
            kinds.add(kind)
    missing = [name for kind, name in HEVC_PARAMETER_SETS.items() if kind not in kinds]
    _require(not missing, ", ".join(missing))
    return bytes(result)


def _require(condition: bool, missing: str) -> None:
    if not condition:
        raise NotRemuxable(f"Its header lacks what a player needs before the first picture ({missing}).")
