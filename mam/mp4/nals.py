"""NAL units of a sample (ISO/IEC 14496-15): by their headers alone, whether a decoder can start at its picture."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

H264_SLICES = (1, 2, 5)  # nal_unit_type of what a picture is made of; ITU-T H.264 table 7-1
H264_IDR = 5
HEVC_SLICES = range(32)  # ITU-T H.265 table 7-1
HEVC_ALONE = (17, 18, 19, 20)  # BLA_W_RADL, BLA_N_LP, IDR_W_RADL, IDR_N_LP: all pictures behind can be decoded
HEVC_LEADING = (16, 21)  # BLA_W_LP, CRA_NUT: pictures shown before it may need what was before it


class Opening(Enum):
    """What the first picture of a sample is to a decoder that starts there."""

    CLEAN = "clean"  # everything from here on can be decoded
    OPEN = "open"  # everything that is shown from here on
    NONE = "none"  # something before it is needed
    UNKNOWN = "unknown"  # no codec with NAL units, or the bytes that are at hand do not reach to the picture


def opening(codec: str, configuration: bytes, sample: bytes | memoryview) -> Opening:
    """`codec`: libavcodec's name. `configuration`: avcC or hvcC. `sample`: its bytes, or the first of them."""
    width = _length_bytes(codec, configuration)
    if width is None:
        return Opening.UNKNOWN
    for header in _headers(sample, width):
        if codec == "h264" and header & 0x1F in H264_SLICES:
            return Opening.CLEAN if header & 0x1F == H264_IDR else Opening.NONE
        kind = header >> 1 & 0x3F
        if codec == "hevc" and kind in HEVC_SLICES:
            return Opening.CLEAN if kind in HEVC_ALONE else Opening.OPEN if kind in HEVC_LEADING else Opening.NONE
    return Opening.UNKNOWN


def _length_bytes(codec: str, configuration: bytes) -> int | None:
    """Bytes of the length before each NAL unit; None when there is no record that says so."""
    at = {"h264": 4, "hevc": 21}.get(codec)
    if at is None or len(configuration) <= at or configuration[0] != 1:
        return None
    return (configuration[at] & 3) + 1


def _headers(sample: bytes | memoryview, width: int) -> Iterator[int]:
    """The first byte of each NAL unit, as far as the bytes reach."""
    at = 0
    while at + width < len(sample):
        yield sample[at + width]
        at += width + int.from_bytes(sample[at : at + width], "big")
