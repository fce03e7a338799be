"""Reads the first sequence parameter set of H.264 (ITU-T H.264 section 7.3.2.1.1), without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mam.mp4.bits import UNKNOWN, Bits, Colour, colour, sample_aspect, unescape

_SPS = 7  # nal_unit_type
# Sets of these profiles have chroma format and bit depth.
_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_MACROBLOCKS = 1 << 12  # A row or column has at most this many: twice the number of level 6.2.


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set. `level`: 41 is 4.1. `width`, `height`: samples that are shown (cropped).

    `frame_mbs_only`: False when pictures may be interlaced. `sample_aspect`: None when it is unknown. `reorder`: how
    many frames may precede one that is shown earlier (max_num_reorder_frames); None when it is unknown.
    """

    profile: int  # profile_idc
    constraints: int  # the byte of constraint_set flags
    level: int  # level_idc
    chroma_format: int  # 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4
    bit_depth: int
    frame_mbs_only: bool
    width: int
    height: int
    sample_aspect: Fraction | None = None
    colour: Colour = UNKNOWN
    reorder: int | None = None


@dataclass(frozen=True, slots=True)
class _Vui:
    sample_aspect: Fraction | None = None
    colour: Colour = UNKNOWN
    reorder: int | None = None


def read_sps(configuration: bytes) -> Sps | None:
    """The first set of an AVCDecoderConfigurationRecord (avcC, ISO/IEC 14496-15 section 5.3.3.1).

    None for other bytes, a record without a set (as in avc3), and a damaged set.
    """
    if len(configuration) < 8 or configuration[0] != 1 or not configuration[5] & 31:
        return None
    nal = configuration[8 : 8 + int.from_bytes(configuration[6:8], "big")]
    if len(nal) < int.from_bytes(configuration[6:8], "big") or not nal or nal[0] & 31 != _SPS:
        return None
    try:
        return _sps(Bits(unescape(nal[1:])))
    except ValueError:
        return None


def _sps(bits: Bits) -> Sps:
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    bits.ue(31)  # seq_parameter_set_id
    chroma_format, planes, bit_depth = _samples(bits) if profile in _WITH_CHROMA else (1, False, 8)
    bits.ue(12)  # log2_max_frame_num_minus4
    _picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.flag()  # gaps_in_frame_num_value_allowed_flag
    columns, rows = bits.ue(_MAX_MACROBLOCKS) + 1, bits.ue(_MAX_MACROBLOCKS) + 1
    frame_mbs_only = bits.flag()
    if not frame_mbs_only:
        bits.flag()  # mb_adaptive_frame_field_flag
        rows *= 2  # the set counts the rows of a field
    bits.flag()  # direct_8x8_inference_flag
    across = 2 if chroma_format in (1, 2) and not planes else 1
    down = (2 if chroma_format == 1 and not planes else 1) * (1 if frame_mbs_only else 2)
    left, right, top, bottom = (bits.ue() for _ in range(4)) if bits.flag() else (0, 0, 0, 0)
    width, height = 16 * columns - across * (left + right), 16 * rows - down * (top + bottom)
    if width <= 0 or height <= 0:
        raise ValueError("nothing is left of the picture")
    vui = _vui(bits) if bits.flag() else _Vui()
    return Sps(profile, constraints, level, chroma_format, bit_depth, frame_mbs_only, width, height,
               vui.sample_aspect, vui.colour, vui.reorder)  # fmt: skip


def _samples(bits: Bits) -> tuple[int, bool, int]:
    """(chroma_format_idc, separate_colour_plane_flag, bit depth) of the High profiles; scaling lists are skipped."""
    chroma_format = bits.ue(3)
    planes = chroma_format == 3 and bits.flag()
    luma, chroma = bits.ue(6), bits.ue(6)
    bits.flag()  # qpprime_y_zero_transform_bypass_flag
    if bits.flag():
        for number in range(12 if chroma_format == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma_format, planes, 8 + (max(luma, chroma) if chroma_format else luma)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    """Section 7.3.2.1.1.1: a list ends early where the next scale is 0."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order(bits: Bits) -> None:
    kind = bits.ue(2)
    if kind == 0:
        bits.ue(12)  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.flag()  # delta_pic_order_always_zero_flag
        bits.se(), bits.se()
        for _ in range(bits.ue(255)):  # num_ref_frames_in_pic_order_cnt_cycle
            bits.se()


def _vui(bits: Bits) -> _Vui:
    """Section E.1.1."""
    aspect, shown = sample_aspect(bits), colour(bits)
    if bits.flag():
        bits.u(32), bits.u(32), bits.flag()  # timing_info
    timed = False
    for _ in range(2):  # nal_hrd, vcl_hrd
        if bits.flag():
            _skip_hrd(bits)
            timed = True
    if timed:
        bits.flag()  # low_delay_hrd_flag
    bits.flag()  # pic_struct_present_flag
    if not bits.flag():  # bitstream_restriction_flag
        return _Vui(aspect, shown)
    bits.flag()  # motion_vectors_over_pic_boundaries_flag
    for _ in range(4):
        bits.ue()
    reorder = bits.ue(16)
    bits.ue()  # max_dec_frame_buffering
    return _Vui(aspect, shown, reorder)


def _skip_hrd(bits: Bits) -> None:
    """hrd_parameters, section E.1.2."""
    count = bits.ue(31) + 1
    bits.u(8)
    for _ in range(count):
        bits.ue(), bits.ue(), bits.flag()
    bits.u(20)
