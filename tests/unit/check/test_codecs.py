"""Names of RFC 6381 from what streams carry, and pictures that can be begun with."""

from __future__ import annotations

import pytest

from mam.check.codecs import begins_with_idr, codec_name, has_captions, length_size, same_codec, strays, video_range

SPS = b"\x67\x64\x00\x1f\xac"
AVCC = b"\x01\x64\x00\x1f\xff\xe1"
HVCC = bytes.fromhex("0101600000009000000000005d")  # Main, main tier, level 3.1


@pytest.mark.parametrize(
    ("codec", "profile", "configuration", "name"),
    [
        ("h264", "High", AVCC, "avc1.64001F"),
        ("h264", "High", b"\0\0\0\1\x09\xf0\0\0\0\1" + SPS, "avc1.64001F"),
        ("h264", None, b"", "avc1"),
        ("hevc", "Main", HVCC, "hvc1.1.6.L93.90"),
        ("aac", "LC", b"", "mp4a.40.2"),
        ("aac", "HE-AAC", b"", "mp4a.40.5"),
        ("aac", "HE-AACv2", b"", "mp4a.40.29"),
        ("ac3", None, b"", "ac-3"),
        ("mp3", None, b"", "mp4a.40.34"),
        ("opus", None, b"", "Opus"),
    ],
)
def test_streams_are_named(codec: str, profile: str | None, configuration: bytes, name: str) -> None:
    assert codec_name(codec, profile, configuration) == name


@pytest.mark.parametrize(
    ("listed", "found", "same"),
    [
        ("avc1.64001f", "avc1.64001F", True),
        ("avc1.4d401f", "avc1.64001F", False),
        ("hev1.1.6.L93.90", "hvc1.1.6.L93.90", True),
        ("mp4a.40.2", "mp4a.40.5", False),
        ("opus", "Opus", True),
        ("ec-3", "ac-3", False),
        ("av01.0.04M.08", "av01", True),
        ("vp09.00.10.08", "av01", False),
    ],
)
def test_names_are_compared_as_far_as_they_are_known(listed: str, found: str, same: bool) -> None:
    assert same_codec(listed, found) is same


def units(*kinds: int) -> tuple[bytes, bytes]:
    """A picture of H.264 NAL units in Annex B, and with lengths."""
    bare = [bytes([kind, 0x88]) for kind in kinds]
    return b"".join(b"\0\0\0\1" + unit for unit in bare), b"".join(b"\0\0\0\2" + unit for unit in bare)


@pytest.mark.parametrize(
    ("kinds", "idr"), [((9, 7, 8, 6, 5, 5), True), ((9, 6, 1), False), ((1, 5), False), ((9,), False)]
)
def test_the_first_slice_says_whether_a_picture_is_an_idr(kinds: tuple[int, ...], idr: bool) -> None:
    annex_b, prefixed = units(*kinds)
    assert begins_with_idr("h264", annex_b, None) is idr
    assert begins_with_idr("h264", prefixed, 4) is idr


def test_a_cra_of_hevc_needs_what_was_before_it() -> None:
    assert [begins_with_idr("hevc", b"\0\0\1" + bytes([kind << 1, 1, 0x80]), None) for kind in (19, 20, 21, 1)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert begins_with_idr("vp9", b"anything", 4) is None


def test_lengths_of_units_are_as_long_as_the_configuration_says() -> None:
    assert length_size("h264", AVCC) == 4
    assert length_size("h264", b"\x01\x64\x00\x1f\xfd") == 2
    assert length_size("aac", b"\x11\x90") == 4


def sized(*parts: bytes, size: int = 4) -> bytes:
    return b"".join(len(part).to_bytes(size, "big") + part for part in parts)


PPS, SLICE = b"\x68\xeb\xe3\xcb", b"\x65\x88\x84"
WHOLE_AVCC = AVCC[:5] + b"\xe1" + sized(SPS, size=2) + b"\x01" + sized(PPS, size=2)
HEVC_SETS = [bytes([kind << 1, 1, kind]) for kind in (32, 33, 34)]
HEVC_ARRAYS = b"".join(bytes([each[0] >> 1]) + b"\0\1" + sized(each, size=2) for each in HEVC_SETS)
WHOLE_HVCC = HVCC.ljust(22, b"\0") + b"\3" + HEVC_ARRAYS


@pytest.mark.parametrize(
    ("units", "count"),
    [((SLICE,), 0), ((SPS, PPS, SLICE), 0), ((SPS + b"\0", SLICE), 0), ((SPS[:3] + b"\x28", PPS, SLICE), 1),
     ((SPS + b"\1", PPS + b"\1", SLICE), 2), ((b"\x06\x05", b"", SLICE), 0)],
)  # fmt: skip
def test_parameter_sets_that_the_initialization_section_lacks_are_counted(units: tuple[bytes, ...], count: int) -> None:
    assert strays("h264", "avc1", WHOLE_AVCC, sized(*units), 4) == count
    assert strays("h264", "avc3", WHOLE_AVCC, sized(*units), 4) == 0  # they may be anywhere


def test_parameter_sets_of_hevc_are_compared_too() -> None:
    assert strays("hevc", "hvc1", WHOLE_HVCC, sized(*HEVC_SETS, b"\x26\1\x80"), 4) == 0
    assert strays("hevc", "hvc1", WHOLE_HVCC, sized(HEVC_SETS[0] + b"\1", b"\x26\1\x80"), 4) == 1
    assert strays("hevc", "hev1", WHOLE_HVCC, sized(HEVC_SETS[0] + b"\1", b"\x26\1\x80"), 4) == 0


@pytest.mark.parametrize("configuration", [b"", AVCC, WHOLE_AVCC[:9], HVCC])
def test_a_configuration_that_is_cut_off_has_what_it_has(configuration: bytes) -> None:
    assert strays("h264", "avc1", configuration, sized(SPS, SLICE), 4) == 1
    assert strays("hevc", "hvc1", configuration, sized(HEVC_SETS[0]), 4) == 1
    assert strays("vp9", "vp09", configuration, sized(SPS), 4) == 0


def test_the_transfer_names_the_range() -> None:
    assert [video_range(transfer) for transfer in (1, 2, 13, 14, 16, 18)] == ["SDR", "", "SDR", "SDR", "PQ", "HLG"]


@pytest.mark.parametrize(
    ("data", "is_there"),
    [(b"", False), (b"\xfc\x80\x80", False), (b"\xf8\x14\x20", False), (b"\xfa\0\0\xfd\x80\x80", False),
     (b"\xfc\x94\x20", True), (b"\xf9\0\0\xfc\x80\x80\xff\x02\x21", True), (b"\xfc\x94", False)],
)  # fmt: skip
def test_captions_are_more_than_padding(data: bytes, is_there: bool) -> None:
    assert has_captions(data) is is_there
