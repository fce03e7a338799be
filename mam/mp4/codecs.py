"""What a codec's configuration record says without decoding anything."""

from __future__ import annotations

H264_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2",
                 244: "High 4:4:4 Predictive", 44: "CAVLC 4:4:4 Intra"}  # fmt: skip
H264_8BIT_420 = frozenset({66, 77, 100})  # the profiles that every browser and every Apple device decodes
AAC_LC = 2


def h264_profile(configuration: bytes) -> int | None:
    """profile_idc of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1), or None when it is none."""
    return configuration[1] if len(configuration) >= 4 and configuration[0] == 1 else None


def aac_object_type(configuration: bytes) -> int | None:
    """The audio object type of an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1): 2 is AAC-LC, 5 and 29 HE."""
    if len(configuration) < 2:
        return None
    kind = configuration[0] >> 3
    return 32 + (((configuration[0] & 7) << 3) | (configuration[1] >> 5)) if kind == 31 else kind
