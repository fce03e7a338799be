"""A stream's name in CODECS (RFC 6381), and whether a decoder can start at a coded picture."""

from __future__ import annotations

from collections.abc import Generator, Iterator

AAC = {"LC": 2, "Main": 1, "SSR": 3, "LTP": 4, "HE-AAC": 5, "HE-AACv2": 29, "xHE-AAC": 42}
NAMES = {"ac3": "ac-3", "eac3": "ec-3", "mp3": "mp4a.40.34", "mp2": "mp4a.40.33", "opus": "Opus", "flac": "fLaC",
         "alac": "alac", "av1": "av01", "vp9": "vp09"}  # fmt: skip
H264_SPS, H264_IDR, H264_SLICES = 7, 5, range(1, 6)
HEVC_SLICES, HEVC_IDR = range(32), range(16, 21)  # BLA and IDR; 21 is CRA, which needs earlier pictures.

RANGES = {2: "", 16: "PQ", 18: "HLG"}  # VIDEO-RANGE by transfer characteristics (ITU-T H.273); 2 is "unspecified".
PARAMETER_SETS = {"h264": range(7, 9), "hevc": range(32, 35)}  # These are types of NAL units.
FIXED_TAGS = ("avc1", "hvc1")  # The sample entries whose parameter sets are all in the initialization section.


def codec_name(codec: str, profile: str | None, configuration: bytes) -> str:
    """The name in CODECS; a bare name where nothing else is known. `configuration`: avcC, hvcC, or Annex B parameter
    sets."""
    if codec == "h264":
        sps = h264_sps(configuration)
        return f"avc1.{sps.hex().upper()}" if sps else "avc1"
    if codec == "hevc":
        return _hevc_name(configuration)
    if codec == "aac":
        return f"mp4a.40.{AAC.get(profile or 'LC', 2)}"
    return NAMES.get(codec, codec)


def same_codec(listed: str, actual: str) -> bool:
    """Whether a name in CODECS matches that of a segment's codec."""
    left, right = listed.lower(), actual.lower()
    if left.startswith("hev1."):
        left = "hvc1." + left[5:]
    if "." in right or right in ("ac-3", "ec-3", "opus", "flac", "alac"):
        return left == right
    return left.partition(".")[0] == right.partition(".")[0]


def is_known(listed: str, codecs: tuple[str, ...]) -> bool:
    return any(same_codec(listed, codec) for codec in codecs)


def h264_sps(configuration: bytes) -> bytes | None:
    """profile_idc, constraint flags and level_idc of the first sequence parameter set."""
    if configuration[:1] == b"\x01":
        return configuration[1:4]
    for unit in annex_b(configuration):
        if unit and unit[0] & 0x1F == H264_SPS:
            return unit[1:4]
    return None


def _hevc_name(configuration: bytes) -> str:
    """The name of an hvcC (ISO/IEC 14496-15 section E.3)."""
    if len(configuration) < 13 or configuration[0] != 1:
        return "hvc1"
    space, tier, profile = configuration[1] >> 6, configuration[1] >> 5 & 1, configuration[1] & 31
    compatible = int(f"{int.from_bytes(configuration[2:6], 'big'):032b}"[::-1], 2)
    constraints = configuration[6:12].rstrip(b"\0")
    parts = [
        f"{' ABC'[space].strip()}{profile}",
        f"{compatible:X}",
        f"{'H' if tier else 'L'}{configuration[12]}",
        *(f"{byte:X}" for byte in constraints),
    ]
    return "hvc1." + ".".join(parts)


def begins_with_idr(codec: str, picture: bytes, length_size: int | None) -> bool | None:
    """Whether a coded picture needs no earlier ones; None for codecs where only the container tells.

    `length_size`: bytes of a NAL unit's length in MP4; None for Annex B.
    """
    units = annex_b(picture) if length_size is None else length_prefixed(picture, length_size)
    if codec == "h264":
        kinds = [unit[0] & 0x1F for unit in units if unit]
        return next((kind == H264_IDR for kind in kinds if kind in H264_SLICES), False)
    if codec == "hevc":
        kinds = [unit[0] >> 1 & 0x3F for unit in units if unit]
        return next((kind in HEVC_IDR for kind in kinds if kind in HEVC_SLICES), False)
    return None


def length_size(codec: str, configuration: bytes) -> int:
    """lengthSizeMinusOne + 1 of avcC or hvcC."""
    position = {"h264": 4, "hevc": 21}.get(codec, -1)
    return (configuration[position] & 3) + 1 if 0 <= position < len(configuration) else 4


def annex_b(data: bytes) -> Iterator[bytes]:
    """NAL units between start codes; zeros before a start code belong to it."""
    return (unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:])


def length_prefixed(data: bytes, size: int) -> Iterator[bytes]:
    position = 0
    while position + size <= len(data):
        length = int.from_bytes(data[position : position + size], "big")
        yield data[position + size : position + size + length]
        position += size + length


def video_range(transfer: int) -> str:
    """VIDEO-RANGE of pictures with these transfer characteristics; '' where they are unspecified."""
    return RANGES.get(transfer, "SDR")


def has_captions(data: bytes) -> bool:
    """Whether the closed captions of a picture (`cc_data` of ATSC A/53) hold anything but padding."""
    triplets = (data[position : position + 3] for position in range(0, len(data) - 2, 3))
    return any(flags & 4 and (first & 0x7F or second & 0x7F) for flags, first, second in triplets)


def strays(codec: str, tag: str, configuration: bytes, picture: bytes, size: int) -> int:
    """The number of parameter sets in a coded picture that avcC or hvcC does not have. `tag`: of the sample entry."""
    kinds = PARAMETER_SETS.get(codec)
    if kinds is None or tag not in FIXED_TAGS:
        return 0
    units = (unit.rstrip(b"\0") for unit in length_prefixed(picture, size) if unit)
    sets = {unit for unit in units if unit and _kind(codec, unit) in kinds}
    return len(sets - set(_configured(codec, configuration)))


def _kind(codec: str, unit: bytes) -> int:
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def _configured(codec: str, configuration: bytes) -> Iterator[bytes]:
    """The parameter sets of avcC or hvcC (ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1)."""
    if codec == "h264":
        position = 5
        for mask in (0x1F, 0xFF):  # sequence parameter sets, then picture parameter sets
            count = configuration[position] & mask if position < len(configuration) else 0
            position = yield from _sized(configuration, position + 1, count)
        return
    position = 23
    for _ in range(configuration[22] if len(configuration) > 22 else 0):
        count = int.from_bytes(configuration[position + 1 : position + 3], "big")
        position = yield from _sized(configuration, position + 3, count)


def _sized(data: bytes, position: int, count: int) -> Generator[bytes, None, int]:
    """`count` units, each after its length in two bytes; returns the place after them."""
    for _ in range(count):
        length = int.from_bytes(data[position : position + 2], "big")
        yield data[position + 2 : position + 2 + length].rstrip(b"\0")
        position += 2 + length
    return position
