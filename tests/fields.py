"""H.264 whose pictures are coded as two fields each (PAFF), written bit by bit: no encoder at hand makes it."""

from __future__ import annotations

SPS, PPS, IDR, SLICE = 0x67, 0x68, 0x65, 0x61  # NAL units' headers
MACROBLOCKS = 2  # of a field: 32 x 16 samples


class Bits:
    """Bits in order, with Exp-Golomb numbers (ITU-T H.264 section 9.1)."""

    def __init__(self) -> None:
        self._bits = ""

    def u(self, width: int, value: int) -> Bits:
        self._bits += f"{value:0{width}b}"
        return self

    def ue(self, value: int) -> Bits:
        code = f"{value + 1:b}"
        self._bits += "0" * (len(code) - 1) + code
        return self

    def aligned(self) -> Bits:
        self._bits += "0" * (-len(self._bits) % 8)
        return self

    def raw(self, data: bytes) -> Bits:
        self._bits += "".join(f"{byte:08b}" for byte in data)
        return self

    def unit(self, header: int) -> bytes:
        """A NAL unit with its start code."""
        bits = Bits()
        bits._bits = self._bits + "1"
        bits.aligned()
        payload = int(bits._bits, 2).to_bytes(len(bits._bits) // 8, "big")
        return b"\0\0\0\1" + bytes([header]) + _escaped(payload)


def _escaped(payload: bytes) -> bytes:
    out = bytearray()
    for byte in payload:
        if out[-2:] == b"\0\0" and byte <= 3:
            out.append(3)
        out.append(byte)
    return bytes(out)


def paff(pictures: int, *, woven: frozenset[int] = frozenset()) -> bytes:
    """An elementary stream of 32 x 32 samples. Each picture is grey, and brighter than the one before.

    `woven`: those that are coded as one frame instead of two fields.
    """
    return b"".join(_picture(number, number in woven) for number in range(pictures))


def _picture(number: int, woven: bool) -> bytes:
    luma = 16 + number * 8 % 200
    if woven:
        return _sets() + _slice(IDR, number, luma, field=None)
    return _sets() + _slice(IDR, number, luma, field=0) + _slice(SLICE, number, luma, field=1)


def _sets() -> bytes:
    sps = Bits().u(8, 77).u(8, 0).u(8, 30).ue(0)  # Main, level 3
    sps.ue(0).ue(2).ue(1).u(1, 0)  # log2_max_frame_num 4, order of output is that of decoding, one reference
    sps.ue(1).ue(0).u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 0)  # two by one pairs of macroblocks, fields, no MBAFF
    pps = Bits().ue(0).ue(0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0).ue(0).ue(0).ue(0)
    pps.u(1, 0).u(1, 0).u(1, 0)
    return sps.unit(SPS) + pps.unit(PPS)


def _slice(header: int, number: int, luma: int, *, field: int | None) -> bytes:
    """An I slice of I_PCM macroblocks. `field`: 0 upper, 1 lower, None for a whole frame."""
    bits = Bits().ue(0).ue(7).ue(0).u(4, 0)  # first_mb, I, pps, frame_num
    bits.u(1, int(field is not None))
    if field is not None:
        bits.u(1, field)
    if header == IDR:
        bits.ue(number % 2).u(1, 0).u(1, 0)  # idr_pic_id, no_output_of_prior_pics, long_term_reference
    else:
        bits.u(1, 0)  # adaptive_ref_pic_marking_mode
    bits.ue(0)  # slice_qp_delta
    for _ in range(MACROBLOCKS * (1 if field is not None else 2)):
        bits.ue(25).aligned().raw(bytes([luma]) * 256 + bytes([128]) * 128)  # I_PCM
    return bits.unit(header)
