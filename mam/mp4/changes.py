"""Video tracks with several sample descriptions, one after the other: the parameter sets of each picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mam.mp4 import entries, tables
from mam.mp4.boxes import boxes, leaves
from mam.mp4.parameter_sets import RECORDS, in_band, is_complete
from mam.mp4.tables import Ints
from mam.mp4.track_headers import track_boxes

FAMILIES = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc"}
LENGTH_AT = {"h264": 4, "hevc": 21}  # This byte of a record gives the size of NAL unit lengths.


@dataclass(frozen=True, slots=True)
class Changes:
    """`begins`: the sorted byte positions of chunks in the object; `described`: the number in `sets` for each chunk.

    `sets`: parameter sets in the form in which they precede a picture.
    """

    begins: Ints
    described: Ints
    sets: tuple[bytes, ...]

    def before(self, offset: int) -> bytes:
        """The parameter sets that a decoder needs before the key frame at that byte."""
        chunk = int(np.searchsorted(self.begins, offset, side="right")) - 1
        return self.sets[int(self.described[max(chunk, 0)])]


def read_changes(moov: bytes, number: int) -> Changes | None:
    """The changes of a video track of one codec whose descriptions differ in parameter sets; None for other tracks.

    Raises InvalidIndex when the boxes contradict each other.
    """
    trak = track_boxes(moov)[number]
    children = leaves(moov, trak.payload, trak.end)
    used = tables.used_descriptions(moov, children) if b"stsc" in children else set()
    if max(used, default=1) <= 1 or b"stsd" not in children:
        return None
    stsd = children[b"stsd"]
    entries_of_track = [moov[entry.start : entry.end] for entry in boxes(moov, stsd.payload + 8, stsd.end)]
    if not used <= set(range(1, len(entries_of_track) + 1)):
        return None
    sets = _sets(entries_of_track)
    begins, described = tables.chunk_descriptions(moov, children)
    if sets is None or not len(begins):
        return None
    order = np.argsort(begins, kind="stable")
    return Changes(begins[order], described[order] - 1, sets)


def _sets(entries_of_track: list[bytes]) -> tuple[bytes, ...] | None:
    """The parameter sets of each entry; None unless all are of one codec with one size of NAL unit lengths."""
    codecs = {FAMILIES.get(entry[4:8]) for entry in entries_of_track}
    codec = codecs.pop()
    if codec is None or codecs:
        return None
    records = [entries.configuration(entry, RECORDS[codec]) for entry in entries_of_track]
    position = LENGTH_AT[codec]
    if not all(record is not None and len(record) > position and is_complete(codec, record) for record in records):
        return None
    whole = [record for record in records if record is not None]
    return tuple(in_band(codec, r) for r in whole) if len({r[position] & 3 for r in whole}) == 1 else None
