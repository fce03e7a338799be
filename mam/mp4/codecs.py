"""Facts from a codec's configuration record, without decoding, and the codec's name of RFC 6381."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mam.mp4.bits import UNSPECIFIED, Bits, Colour
from mam.mp4.hevc import read_hvcc

H264_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2",
                 244: "High 4:4:4 Predictive", 44: "CAVLC 4:4:4 Intra"}  # fmt: skip
H264_8BIT_420 = frozenset({66, 77, 100})  # Every browser and every Apple device decodes these profiles.
AAC_LC = 2
AAC_SBR, AAC_PS = 5, 29  # HE-AAC and HE-AAC v2.
_GENERAL_AUDIO = frozenset({1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23})  # These object types have a GASpecificConfig.
_SBR_EXTENSION = 0x2B7  # The syncExtensionType of a record that hides SBR from decoders without SBR.
_PS_EXTENSION = 0x548
_AV1_LEVEL_WITH_TIERS = 8  # The seq_level_idx of level 4.0: lower levels have one tier.


@dataclass(frozen=True, slots=True)
class Av1:
    """An AV1CodecConfigurationRecord. `level`: seq_level_idx (8 is 4.0, four to a whole level; 31 is no limit)."""

    profile: int  # 0 Main, 1 High, 2 Professional
    level: int
    high_tier: bool
    bit_depth: int
    chroma_format: int  # 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4

    @property
    def monochrome(self) -> bool:
        return self.chroma_format == 0


@dataclass(frozen=True, slots=True)
class Vp9:
    """A VPCodecConfigurationRecord. `level`: ten times it. `subsampling`: 0 and 1 are 4:2:0, 2 4:2:2, 3 4:4:4."""

    profile: int
    level: int
    bit_depth: int
    subsampling: int
    colour: Colour


def h264_profile(configuration: bytes) -> int | None:
    """profile_idc of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1); None for other bytes."""
    return configuration[1] if len(configuration) >= 4 and configuration[0] == 1 else None


def aac_object_type(configuration: bytes) -> int | None:
    """The audio object type of an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1): 2 is AAC-LC, 5 and 29 HE."""
    if len(configuration) < 2:
        return None
    kind = configuration[0] >> 3
    return 32 + (((configuration[0] & 7) << 3) | (configuration[1] >> 5)) if kind == 31 else kind


def aac_channel_configuration(configuration: bytes) -> int | None:
    """channelConfiguration of an AudioSpecificConfig: 1 to 7 are layouts, 0 means that another element has it."""
    kind = aac_object_type(configuration)
    if kind is None or (len(configuration) < 8 and kind > 31):
        return None
    bits = int.from_bytes(configuration[:8].ljust(8, b"\0"), "big")
    position = 64 - (11 if kind > 31 else 5)
    index = bits >> (position - 4) & 15
    position -= 28 if index == 15 else 4
    return bits >> (position - 4) & 15


def aac_frame_length(configuration: bytes) -> int | None:
    """Samples in a frame of an AudioSpecificConfig's core: 1024, or 960 (frameLengthFlag of ISO/IEC 14496-3 section
    4.4.1). None when it is unknown."""
    bits = Bits(configuration)
    try:
        kind = _object_type(bits)
        _skip_rate(bits)
        bits.u(4)  # channelConfiguration
        if kind in (AAC_SBR, AAC_PS):
            _skip_rate(bits)
            kind = _object_type(bits)
        return (960 if bits.flag() else 1024) if kind in _GENERAL_AUDIO else None
    except ValueError:
        return None


def _object_type(bits: Bits) -> int:
    kind = bits.u(5)
    return 32 + bits.u(6) if kind == 31 else kind


def _skip_rate(bits: Bits) -> None:
    if bits.u(4) == 15:
        bits.u(24)


def read_av1c(configuration: bytes) -> Av1 | None:
    """av1C (AV1 Codec ISO Media File Format Binding, section 2.3.3); None for other bytes."""
    if len(configuration) < 4 or configuration[0] != 0x81:  # marker and version 1
        return None
    bits = Bits(configuration[1:3])
    profile, level, high_tier = bits.u(3), bits.u(5), bits.flag()
    deep, twelve, monochrome, narrow, low = (bits.flag() for _ in range(5))
    bit_depth = 12 if deep and twelve and profile == 2 else 10 if deep else 8
    return Av1(profile, level, high_tier, bit_depth, 0 if monochrome else 1 if low else 2 if narrow else 3)


def read_vpcc(configuration: bytes) -> Vp9 | None:
    """vpcC (VP Codec ISO Media File Format Binding), the box's payload with its version in front."""
    if len(configuration) < 12 or configuration[0] != 1:
        return None
    bits = Bits(configuration[4:10])
    profile, level, bit_depth, subsampling, full_range = bits.u(8), bits.u(8), bits.u(4), bits.u(3), bits.flag()
    return Vp9(profile, level, bit_depth, subsampling, Colour(full_range, bits.u(8), bits.u(8), bits.u(8)))


def codec_string(codec: str, configuration: bytes) -> str | None:
    """The codec's name in CODECS (RFC 6381; RFC 8216 section 4.3.4.2), with parameter sets in the record.

    `codec`: libavcodec's name. `configuration`: its record (libavformat's extradata; for VP9 the payload of vpcC).
    None for another codec, and when the record is missing or damaged.
    """
    if codec in _WITHOUT_RECORD:
        return _WITHOUT_RECORD[codec]
    name = _WITH_RECORD.get(codec)
    return name(configuration) if name else None


def _avc1(configuration: bytes) -> str | None:
    return None if h264_profile(configuration) is None else f"avc1.{configuration[1:4].hex()}"


def _hvc1(configuration: bytes) -> str | None:
    """ISO/IEC 14496-15 annex E.3: compatibility flags in reverse, constraint bytes up to the last that is not zero."""
    hevc = read_hvcc(configuration)
    if hevc is None:
        return None
    space = ("", "A", "B", "C")[hevc.profile_space]
    compatibility = int(f"{hevc.compatibility:032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in hevc.constraints.rstrip(b"\0"))
    tier = "H" if hevc.high_tier else "L"
    return f"hvc1.{space}{hevc.profile}.{compatibility:X}.{tier}{hevc.level}{constraints}"


def _av01(configuration: bytes) -> str | None:
    av1 = read_av1c(configuration)
    if av1 is None:
        return None
    tier = "H" if av1.high_tier and av1.level >= _AV1_LEVEL_WITH_TIERS else "M"
    return f"av01.{av1.profile}.{av1.level:02d}{tier}.{av1.bit_depth:02d}"


def _vp09(configuration: bytes) -> str | None:
    """The name of VP9, with colours only where they are known: otherwise they mean BT.709 in limited range."""
    vp9 = read_vpcc(configuration)
    if vp9 is None:
        return None
    name = f"vp09.{vp9.profile:02d}.{vp9.level:02d}.{vp9.bit_depth:02d}"
    colour = vp9.colour
    if UNSPECIFIED in (colour.primaries, colour.transfer, colour.matrix) and not colour.full_range:
        return name
    values = (vp9.subsampling, colour.primaries, colour.transfer, colour.matrix, int(colour.full_range))
    return ".".join((name, *(f"{value:02d}" for value in values)))


def _mp4a(configuration: bytes) -> str | None:
    kind = aac_object_type(configuration)
    if kind is None or kind == 0:
        return None
    return f"mp4a.40.{_hidden_object_type(configuration) if kind == AAC_LC else kind}"


def _hidden_object_type(configuration: bytes) -> int:
    """HE-AAC where an AAC-LC record signals it after its end (ISO/IEC 14496-3 section 1.6.6.2), else AAC-LC.

    Like libavcodec, it searches for the mark instead of parsing everything before it.
    """
    value, width = int.from_bytes(configuration[2:16], "big"), 8 * len(configuration[2:16])
    for bits_left in range(width, 16, -1):  # the mark, five bits of object type, one of SBR
        if (value >> (bits_left - 11)) & 0x7FF != _SBR_EXTENSION or (value >> (bits_left - 17)) & 0x3F != 0b001011:
            continue
        return AAC_PS if _ps_follows(value, bits_left - 17) else AAC_SBR
    return AAC_LC


def _ps_follows(value: int, bits_left: int) -> bool:
    """Whether the mark and flag of parametric stereo follow, after 4 or 28 bits for the sampling rate of SBR."""
    if bits_left < 4:
        return False
    bits_left -= 28 if (value >> (bits_left - 4)) & 15 == 15 else 4
    return bits_left >= 12 and (value >> (bits_left - 12)) & 0xFFF == _PS_EXTENSION << 1 | 1


_WITH_RECORD: dict[str, Callable[[bytes], str | None]] = {
    "h264": _avc1,
    "hevc": _hvc1,
    "av1": _av01,
    "vp9": _vp09,
    "aac": _mp4a,
}
_WITHOUT_RECORD = {
    "mp3": "mp4a.40.34",  # Apple's name; mp4a.6B is another one
    "ac3": "ac-3",
    "eac3": "ec-3",
    "opus": "opus",  # MP4's name in RFC 6381's list, which Safari and MSE need
    "flac": "fLaC",
}
