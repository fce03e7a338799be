"""Closed captions in the messages of a picture."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.mp4.nals import has_captions

AVCC, HVCC = bytes([1, 0x64, 0, 0x1F, 0xFF, 0xE1]), bytes([1, *[0] * 20, 0xFF, 0])
CAPTIONS = b"\xb5\x00\x31GA94\x03" + bytes(8)
OTHER = b"\xb5\x00\x31DTG1" + bytes(8)  # active format description, of the same body


def sample(*units: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def h264(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + payload


def hevc(kind: int, payload: bytes) -> bytes:
    return bytes([kind << 1, 1]) + payload


@pytest.mark.parametrize(("payload", "expected"), [(CAPTIONS, True), (OTHER, False), (b"", False)])
def test_captions_are_found_among_messages(payload: bytes, expected: bool) -> None:
    message = bytes([4, len(payload)]) + payload + b"\x80"
    assert has_captions("h264", AVCC, sample(h264(9, b"\xf0"), h264(6, message), h264(5, bytes(9)))) is expected
    assert has_captions("hevc", HVCC, sample(hevc(35, b"\x50"), hevc(39, message), hevc(19, bytes(9)))) is expected


def test_the_same_bytes_in_a_picture_are_none() -> None:
    assert not has_captions("h264", AVCC, sample(h264(5, CAPTIONS)))
    assert not has_captions("hevc", HVCC, sample(hevc(19, CAPTIONS)))


@given(st.sampled_from(("h264", "hevc", "vp9", "")), st.binary(max_size=40), st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(codec: str, configuration: bytes, data: bytes) -> None:
    assert has_captions(codec, configuration, data) in (True, False)
