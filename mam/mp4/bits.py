"""Bits, Exp-Golomb numbers, and the VUI syntax that H.264 and HEVC share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

UNSPECIFIED = 2  # Unknown primaries, transfer or matrix (ISO/IEC 23091-2).
_EXTENDED_SAR = 255
_ASPECTS = ("1/1", "12/11", "10/11", "16/11", "40/33", "24/11", "20/11", "32/11", "80/33", "18/11", "15/11", "64/33",
            "160/99", "4/3", "3/2", "2/1")  # fmt: skip


class Bits:
    """Reads bits in order. Raises ValueError at the end, and where a number exceeds its bound."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def u(self, width: int) -> int:
        """u(n): an unsigned number of `width` bits."""
        start, self._position = self._position, self._position + width
        if self._position > len(self._data) * 8:
            raise ValueError("the bits end early")
        span = self._data[start >> 3 : (self._position + 7) >> 3]
        return (int.from_bytes(span, "big") >> (-self._position & 7)) & ((1 << width) - 1)

    def flag(self) -> bool:
        return self.u(1) == 1

    def bytes(self, count: int) -> bytes:
        return self.u(8 * count).to_bytes(count, "big")

    def ue(self, most: int = (1 << 32) - 2) -> int:
        """ue(v): an unsigned Exp-Golomb number (ITU-T H.264 section 9.1)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise ValueError("an Exp-Golomb number of more than 32 bits")
        value = (1 << zeros) - 1 + self.u(zeros)
        if value > most:
            raise ValueError(f"{value} where at most {most} may stand")
        return value

    def se(self) -> int:
        """se(v): a signed Exp-Golomb number (section 9.1.1)."""
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def unescape(nal: bytes) -> bytes:
    """A NAL unit without emulation_prevention_three_byte (ITU-T H.264 section 7.3.1, H.265 section 7.3.1.1)."""
    first, *others = nal.split(b"\0\0\3")
    return first + b"".join(b"\0\0" + part for part in others)


@dataclass(frozen=True, slots=True)
class Colour:
    """Numbers of ISO/IEC 23091-2 (the same as ITU-T H.273): 1 BT.709, 9 BT.2020; transfer 16 PQ, 18 HLG; 2 unknown."""

    full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED


UNKNOWN = Colour()


def sample_aspect(bits: Bits) -> Fraction | None:
    """aspect_ratio_info of the VUI (ITU-T H.264 section E.2.1): a sample's width by its height, None for unknown."""
    if not bits.flag():
        return None
    idc = bits.u(8)
    if idc == _EXTENDED_SAR:
        width, height = bits.u(16), bits.u(16)
        return Fraction(width, height) if width and height else None
    return Fraction(_ASPECTS[idc - 1]) if 0 < idc <= len(_ASPECTS) else None


def colour(bits: Bits) -> Colour:
    """overscan_info, video_signal_type and chroma_loc_info, which follow the aspect ratio."""
    if bits.flag():
        bits.flag()  # overscan_appropriate_flag
    result = UNKNOWN
    if bits.flag():
        bits.u(3)  # video_format
        full_range = bits.flag()
        result = Colour(full_range, *(bits.u(8) for _ in range(3))) if bits.flag() else Colour(full_range)
    if bits.flag():
        bits.ue(5), bits.ue(5)  # the positions of chroma samples, in either field
    return result
