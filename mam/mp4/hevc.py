"""Reads HEVC's configuration record and first sequence parameter set (ITU-T H.265 section 7.3.2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from mam.mp4.bits import UNKNOWN, Bits, Colour, colour, sample_aspect, unescape

VPS, SPS, PPS = 32, 33, 34  # nal_unit_type
_FIXED = 23  # The record has this many bytes before its arrays of NAL units; the last one is their count.
_PROFILE = 88  # Bits of profile space, tier, profile, compatibility and constraints.
_MAX_SIDE = 1 << 16  # A picture's side in samples is below this: level 6.2 ends at 8444.


@dataclass(frozen=True, slots=True)
class Picture:
    """Facts of the sequence parameter set. `width`, `height`: the shown samples (cropped).

    `interlaced`: pictures are fields (field_seq_flag). `sample_aspect`: None when it is unknown. `reorder`: how many
    pictures may precede one that is shown earlier (sps_max_num_reorder_pics).
    """

    width: int
    height: int
    reorder: int
    interlaced: bool = False
    sample_aspect: Fraction | None = None
    colour: Colour = UNKNOWN


@dataclass(frozen=True, slots=True)
class Hevc:
    """An HEVCDecoderConfigurationRecord. `level`: general_level_idc, thirty times the level (93 is 3.1).

    `complete`: it has a video, a sequence and a picture parameter set, which `hvc1` demands and `hev1` does not.
    `picture`: None when the sequence parameter set is missing, damaged or unusual.
    """

    profile_space: int
    profile: int  # general_profile_idc: 1 Main, 2 Main 10, 3 Main Still Picture, 4 range extensions
    compatibility: int  # general_profile_compatibility_flags, flag 0 in the highest of 32 bits
    high_tier: bool
    level: int
    constraints: bytes  # six
    chroma_format: int  # 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4
    bit_depth: int
    complete: bool
    picture: Picture | None = None


def read_hvcc(configuration: bytes) -> Hevc | None:
    """The record (hvcC, ISO/IEC 14496-15 section 8.3.3.1); None for other bytes and damaged records."""
    if len(configuration) < _FIXED or configuration[0] != 1:
        return None
    try:
        units = list(_units(configuration))
    except ValueError:
        return None
    general, chroma_format = configuration[1], configuration[16] & 3
    luma, chroma = configuration[17] & 7, configuration[18] & 7
    sets = [nal for kind, nal in units if kind == SPS]
    return Hevc(
        profile_space=general >> 6,
        profile=general & 31,
        compatibility=int.from_bytes(configuration[2:6], "big"),
        high_tier=bool(general & 32),
        level=configuration[12],
        constraints=configuration[6:12],
        chroma_format=chroma_format,
        bit_depth=8 + (max(luma, chroma) if chroma_format else luma),
        complete={VPS, SPS, PPS} <= {kind for kind, _ in units},
        picture=_picture(sets[0]) if sets else None,
    )


def _units(configuration: bytes) -> Iterator[tuple[int, bytes]]:
    """(nal_unit_type, NAL unit) of each unit in the record. Raises ValueError when the record is truncated."""
    bits = Bits(configuration[_FIXED - 1 :])
    for _ in range(bits.u(8)):
        bits.u(2)  # array_completeness, reserved
        kind = bits.u(6)
        for _ in range(bits.u(16)):
            nal = bits.bytes(bits.u(16))
            if len(nal) > 2:
                yield kind, nal


def _picture(nal: bytes) -> Picture | None:
    try:
        return _sps(Bits(unescape(nal[2:])))
    except ValueError:
        return None


def _sps(bits: Bits) -> Picture:
    bits.u(4)  # sps_video_parameter_set_id
    layers = bits.u(3)  # sps_max_sub_layers_minus1
    bits.flag()  # sps_temporal_id_nesting_flag
    _skip_profile_tier_level(bits, layers)
    bits.ue(15)  # sps_seq_parameter_set_id
    chroma_format = bits.ue(3)
    planes = chroma_format == 3 and bits.flag()
    width, height = bits.ue(_MAX_SIDE), bits.ue(_MAX_SIDE)
    if bits.flag():  # conformance_window_flag
        across = 2 if chroma_format in (1, 2) and not planes else 1
        down = 2 if chroma_format == 1 else 1
        width -= across * (bits.ue() + bits.ue())
        height -= down * (bits.ue() + bits.ue())
    if width <= 0 or height <= 0:
        raise ValueError("nothing is left of the picture")
    bits.ue(8), bits.ue(8)  # bit depths, which are also in the record
    reorder, order_bits = _order(bits, layers)
    _skip_tools(bits, order_bits)
    if not bits.flag():  # vui_parameters_present_flag
        return Picture(width, height, reorder)
    aspect, shown = sample_aspect(bits), colour(bits)
    bits.flag()  # neutral_chroma_indication_flag
    return Picture(width, height, reorder, bits.flag(), aspect, shown)


def _skip_profile_tier_level(bits: Bits, layers: int) -> None:
    """Section 7.3.3."""
    bits.u(_PROFILE + 8)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for profile, level in present:
        bits.u(_PROFILE * profile + 8 * level)


def _order(bits: Bits, layers: int) -> tuple[int, int]:
    """(sps_max_num_reorder_pics of all layers, bits of a picture's order count)."""
    order_bits = bits.ue(12) + 4
    reorder = 0
    for _ in range(layers + 1 if bits.flag() else 1):  # sps_sub_layer_ordering_info_present_flag
        bits.ue()
        reorder = bits.ue(16)
        bits.ue()
    return reorder, order_bits


def _skip_tools(bits: Bits, order_bits: int) -> None:
    """From the sizes of blocks to strong_intra_smoothing_enabled_flag."""
    for _ in range(6):
        bits.ue()
    if bits.flag() and bits.flag():  # scaling_list_enabled_flag, sps_scaling_list_data_present_flag
        _skip_scaling_lists(bits)
    bits.u(2)  # amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag():  # pcm_enabled_flag
        bits.u(8), bits.ue(), bits.ue(), bits.flag()
    _skip_reference_sets(bits)
    if bits.flag():  # long_term_ref_pics_present_flag
        for _ in range(bits.ue(32)):
            bits.u(order_bits + 1)
    bits.u(2)


def _skip_scaling_lists(bits: Bits) -> None:
    """scaling_list_data, section 7.3.4."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.ue()
                continue
            for _ in range(min(64, 16 << 2 * size) + (size > 1)):
                bits.se()


def _skip_reference_sets(bits: Bits) -> None:
    """st_ref_pic_set, section 7.3.7: each may be coded as a difference from the previous one."""
    pictures = 0
    for number in range(bits.ue(64)):
        if number and bits.flag():  # inter_ref_pic_set_prediction_flag
            bits.flag(), bits.ue()
            # used_by_curr_pic_flag, and use_delta_flag where that is not set
            pictures = sum(bits.flag() or bits.flag() for _ in range(pictures + 1))
            if pictures > 16:
                raise ValueError("more pictures than may be kept")
        else:
            pictures = bits.ue(16) + bits.ue(16)
            for _ in range(pictures):
                bits.ue(), bits.flag()
