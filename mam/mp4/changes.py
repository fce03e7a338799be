"""Pictures that are described in several ways, one after the other: which parameter sets hold for which of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mam.mp4 import entries, tables
from mam.mp4.boxes import boxes, leaves
from mam.mp4.parameter_sets import RECORDS, in_band, is_complete
from mam.mp4.tables import Ints
from mam.mp4.track_headers import track_boxes

FAMILIES = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc"}
LENGTH_AT = {"h264": 4, "hevc": 21}  # byte of a record that says how long the lengths of NAL units are


@dataclass(frozen=True, slots=True)
class Changes:
    """`begins`: bytes of the object at which chunks begin, rising; `described`: by which of `sets` each is.

    `sets`: parameter sets as they stand in front of a picture.
    """

    begins: Ints
    described: Ints
    sets: tuple[bytes, ...]

    def before(self, offset: int) -> bytes:
        """What a decoder is to be told before the key frame at that byte."""
        chunk = int(np.searchsorted(self.begins, offset, side="right")) - 1
        return self.sets[int(self.described[max(chunk, 0)])]


def read_changes(moov: bytes, number: int) -> Changes | None:
    """Of a picture in one codec whose descriptions differ in their parameter sets; None for every other track.

    Raises InvalidIndex when the boxes contradict each other.
    """
    trak = track_boxes(moov)[number]
    found = leaves(moov, trak.payload, trak.end)
    used = tables.used_descriptions(moov, found) if b"stsc" in found else set()
    if max(used, default=1) <= 1 or b"stsd" not in found:
        return None
    stsd = found[b"stsd"]
    listed = [moov[entry.start : entry.end] for entry in boxes(moov, stsd.payload + 8, stsd.end)]
    if not used <= set(range(1, len(listed) + 1)):
        return None
    sets = _sets(listed)
    begins, described = tables.chunk_descriptions(moov, found)
    if sets is None or not len(begins):
        return None
    order = np.argsort(begins, kind="stable")
    return Changes(begins[order], described[order] - 1, sets)


def _sets(listed: list[bytes]) -> tuple[bytes, ...] | None:
    """The parameter sets of each entry; None where they are not all of one codec, written in one way."""
    codecs = {FAMILIES.get(entry[4:8]) for entry in listed}
    codec = codecs.pop()
    if codec is None or codecs:
        return None
    records = [entries.configuration(entry, RECORDS[codec]) for entry in listed]
    at = LENGTH_AT[codec]
    if not all(record is not None and len(record) > at and is_complete(codec, record) for record in records):
        return None
    whole = [record for record in records if record is not None]
    return tuple(in_band(codec, each) for each in whole) if len({each[at] & 3 for each in whole}) == 1 else None
