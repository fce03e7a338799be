"""Whether a decoder can start at a sample, by the headers of its NAL units (ISO/IEC 14496-15)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

H264_SLICES = (1, 2, 5)  # The nal_unit_types of slices; ITU-T H.264 table 7-1.
H264_IDR = 5
_H264_SEI, _HEVC_SEI = 6, 39  # nal_unit_types of messages before a picture
# user_data_registered_itu_t_t35 of the United States and ATSC, with captions (ATSC A/53 part 4, section 6.2.3).
_CAPTIONS = b"\xb5\x00\x31GA94\x03"
HEVC_SLICES = range(32)  # ITU-T H.265 table 7-1
HEVC_ALONE = (17, 18, 19, 20)  # BLA_W_RADL, BLA_N_LP, IDR_W_RADL, IDR_N_LP: all later pictures can be decoded.
HEVC_LEADING = (16, 21)  # BLA_W_LP, CRA_NUT: pictures shown before it may need earlier ones.


class Opening(Enum):
    """What a decoder that starts at a sample can decode."""

    CLEAN = "clean"  # all following pictures
    OPEN = "open"  # all pictures that are shown from this one on
    NONE = "none"  # nothing: earlier pictures are needed
    UNKNOWN = "unknown"  # unknown: no NAL units, or the bytes do not reach the picture


def opening(codec: str, configuration: bytes, sample: bytes | memoryview) -> Opening:
    """Whether a decoder can start at a sample. `configuration`: avcC or hvcC. `sample`: its first bytes suffice."""
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


def has_captions(codec: str, configuration: bytes, sample: bytes | memoryview) -> bool:
    """Whether a sample carries closed captions (CEA-608 or 708) in its messages. Its first bytes suffice."""
    width = _length_bytes(codec, configuration)
    if width is None:
        return False
    messages = (unit for unit in _units(sample, width) if _is_message(codec, unit))
    return any(_CAPTIONS in unit for unit in messages)


def _is_message(codec: str, unit: bytes) -> bool:
    """Whether a NAL unit is supplemental enhancement information before a picture."""
    return (unit[0] & 0x1F == _H264_SEI) if codec == "h264" else (unit[0] >> 1 & 0x3F == _HEVC_SEI)


def _length_bytes(codec: str, configuration: bytes) -> int | None:
    """The size of NAL unit lengths in bytes; None without a record that defines it."""
    position = {"h264": 4, "hevc": 21}.get(codec)
    if position is None or len(configuration) <= position or configuration[0] != 1:
        return None
    return (configuration[position] & 3) + 1


def _headers(sample: bytes | memoryview, width: int) -> Iterator[int]:
    """The first byte of each NAL unit within the bytes."""
    return (unit[0] for unit in _units(sample, width))


def _units(sample: bytes | memoryview, width: int) -> Iterator[bytes]:
    """The NAL units within the bytes; the last one may end early."""
    position = 0
    while position + width < len(sample):
        size = int.from_bytes(sample[position : position + width], "big")
        yield bytes(sample[position + width : position + width + max(size, 1)])
        position += width + size
