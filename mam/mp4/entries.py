"""Sample entries (ISO/IEC 14496-12 section 8.5.2): the boxes in them, Dolby Vision's too, and a track's language."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mam.mp4.bits import Colour
from mam.mp4.boxes import InvalidIndex, boxes, leaves
from mam.mp4.track_headers import track_boxes

_VISUAL = 8 + 78  # A VisualSampleEntry has this many bytes before its boxes, including its header.
_PACKED = 0x400  # Smaller codes are QuickTime's language numbers.
_MACINTOSH = """
eng fra deu ita nld swe spa dan por nor heb jpn ara fin ell isl mlt tur hrv zho urd hin tha kor lit pol hun est lav
sme fao fas rus zho nld gle sqi ron ces slk slv yid srp mkd bul ukr bel uzb kaz aze aze hye kat ron kir tgk tuk mon
mon pus kur kas snd bod nep san mar ben asm guj pan ori mal kan tam tel sin mya khm lao vie ind tgl msa msa amh tir
orm som swa kin run nya mlg epo
"""
_LANGUAGES = _MACINTOSH.split()


@dataclass(frozen=True, slots=True)
class Dovi:
    """A DOVIDecoderConfigurationRecord. `compatibility`: dv_bl_signal_compatibility_id.

    1 HDR10, 2 SDR, 4 HLG, 6 Blu-ray's HDR10; 0 only Dolby Vision.
    """

    profile: int
    level: int
    base_layer: bool
    enhancement_layer: bool
    compatibility: int

    @property
    def decodable(self) -> bool:
        """Whether a decoder without Dolby Vision shows right colours: not in profile 5."""
        return self.base_layer and self.compatibility != 0


def sample_entry(moov: bytes, number: int) -> bytes:
    """The whole first sample entry of track `number`; empty when there is none.

    Raises InvalidIndex when the boxes contradict each other.
    """
    trak = track_boxes(moov)[number]
    stsd = leaves(moov, trak.payload, trak.end).get(b"stsd")
    if stsd is None:
        return b""
    entry = next(boxes(moov, stsd.payload + 8, stsd.end), None)
    return b"" if entry is None else moov[entry.start : entry.end]


def configuration(entry: bytes, kind: bytes) -> bytes | None:
    """The payload of a box (avcC, hvcC, av1C, vpcC, ...) in the sample entry of a video track; None without one."""
    try:
        for box in boxes(entry, _VISUAL, len(entry)):
            if box.kind == kind:
                return entry[box.payload : box.end]
    except InvalidIndex:
        pass
    return None


def container_colour(entry: bytes) -> tuple[Colour, bool] | None:
    """The `colr` box of a video track's sample entry, and whether it has the range: ISO's `nclx` has, QuickTime's
    `nclc` has not. None without such a box (an ICC profile does not count)."""
    record = configuration(entry, b"colr")
    if record is None or len(record) < 10 or record[:4] not in (b"nclx", b"nclc"):
        return None
    primaries, transfer, matrix = struct.unpack_from(">3H", record, 4)
    has_range = record[:4] == b"nclx" and len(record) > 10
    return Colour(has_range and bool(record[10] & 128), primaries, transfer, matrix), has_range


def dovi_profile(entry: bytes) -> Dovi | None:
    """The Dolby Vision record (dvcC, dvvC or dvwC) of a sample entry; None when there is none."""
    for kind in (b"dvcC", b"dvvC", b"dvwC"):
        record = configuration(entry, kind)
        if record is not None and len(record) >= 5:
            head = int.from_bytes(record[2:5], "big")  # profile 7, level 6, rpu, el, bl, compatibility 4, reserved 4
            return Dovi(
                profile=head >> 17,
                level=head >> 11 & 63,
                base_layer=bool(head & 1 << 8),
                enhancement_layer=bool(head & 1 << 9),
                compatibility=head >> 4 & 15,
            )
    return None


def language(moov: bytes, number: int) -> str:
    """The language of track `number`: elng's tag, else mdhd's code of ISO 639-2/T, else ''.

    Raises InvalidIndex when the boxes contradict each other.
    """
    trak = track_boxes(moov)[number]
    children = leaves(moov, trak.payload, trak.end)
    if b"elng" in children:
        box = children[b"elng"]
        tag = moov[box.payload + 4 : box.end].partition(b"\0")[0].decode("latin-1").strip()
        if tag:
            return tag
    if b"mdhd" not in children:
        return ""
    box = children[b"mdhd"]
    position = box.payload + (32 if moov[box.payload : box.payload + 1] == b"\1" else 20)
    return unpacked(struct.unpack_from(">H", moov, position)[0]) if position + 2 <= box.end else ""


def unpacked(code: int) -> str:
    """mdhd's language (section 8.4.2.3): three letters of five bits, or QuickTime's number; '' when unset."""
    if code < _PACKED:
        return _LANGUAGES[code] if code < len(_LANGUAGES) else ""
    letters = [code >> shift & 31 for shift in (10, 5, 0)]
    return "".join(chr(0x60 + letter) for letter in letters) if all(1 <= n <= 26 for n in letters) else ""
