"""What is left of a sample description, and what it must not lack."""

from __future__ import annotations

import struct

import pytest

from mam.errors import NotRemuxable
from mam.mp4.descriptions import VISUAL_FIELDS, settled
from mam.mp4.writing import box, full_box

AVCC = bytes([1, 100, 0, 12, 0xFF, 0xE1]) + b"\0\4\x67abc" + b"\1\0\2\x68a"
WIDE_PIXELS = box(b"pasp", struct.pack(">2I", 4, 3))
SQUARE_PIXELS = box(b"pasp", struct.pack(">2I", 1, 1))
COLOURS = box(b"colr", b"nclx\0\1\0\1\0\1\0")


def stsd(entry: bytes, *inner: bytes) -> bytes:
    return full_box(b"stsd", struct.pack(">I", 1), box(entry, bytes(VISUAL_FIELDS), *inner))


def hvcc(*kinds: int, complete: bool = False) -> bytes:
    arrays = (bytes([complete << 7 | kind]) + b"\0\1\0\3nal" for kind in kinds)
    return bytes(22) + bytes([len(kinds)]) + b"".join(arrays)


def test_hevc_becomes_hvc1_whose_parameter_sets_are_complete() -> None:
    made = settled(stsd(b"hev1", box(b"hvcC", hvcc(32, 33, 34, 39))), encoded=False)
    wanted = hvcc(32, 33, 34, complete=True)[23:] + hvcc(39)[23:]
    assert made == stsd(b"hvc1", box(b"hvcC", bytes(22) + b"\4" + wanted))


@pytest.mark.parametrize("kinds", [(), (32, 33), (33, 34), (32, 34)])
def test_hevc_without_all_parameter_sets_is_refused(kinds: tuple[int, ...]) -> None:
    with pytest.raises(NotRemuxable, match="SPS" if 33 not in kinds else "VPS|PPS"):
        settled(stsd(b"hev1", box(b"hvcC", hvcc(*kinds))), encoded=False)


def test_h264_becomes_avc1() -> None:
    assert settled(stsd(b"avc3", box(b"avcC", AVCC)), encoded=False) == stsd(b"avc1", box(b"avcC", AVCC))


@pytest.mark.parametrize("record", [b"\1\x64\0\x0c\xff\xe0\0", b"\1\x64\0\x0c\xff\xe1\0\4\x67abc\0", b""])
def test_h264_without_all_parameter_sets_is_refused(record: bytes) -> None:
    with pytest.raises(NotRemuxable):
        settled(stsd(b"avc3", box(b"avcC", record)), encoded=False)


def test_an_entry_without_its_record_is_refused() -> None:
    with pytest.raises(NotRemuxable, match="av1C"):
        settled(stsd(b"av01", COLOURS), encoded=False)


def test_what_a_source_says_of_its_picture_stays_and_the_rest_goes() -> None:
    record, field_order, rate = box(b"avcC", AVCC), box(b"fiel", b"\1\0"), box(b"btrt", bytes(12))
    full = stsd(b"avc1", WIDE_PIXELS, field_order, record, COLOURS, rate)
    assert settled(full, encoded=False) == stsd(b"avc1", record, WIDE_PIXELS, COLOURS)
    assert settled(full, encoded=True) == stsd(b"avc1", record)
    assert settled(stsd(b"avc1", record, SQUARE_PIXELS), encoded=False) == stsd(b"avc1", record)


def test_sound_stays_as_it_is() -> None:
    sound = stsd(b"mp4a", full_box(b"esds", b"anything"))
    assert settled(sound, encoded=False) == sound
