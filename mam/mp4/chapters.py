"""Which tracks hold chapters (QuickTime File Format, "Chapter Lists"): no subtitles, though they are text in time."""

from __future__ import annotations

import struct

from mam.mp4.boxes import Box, InvalidIndex, boxes
from mam.mp4.tables import unpack
from mam.mp4.track_headers import track_boxes


def chapter_tracks(moov: bytes) -> set[int]:
    """Numbers, as in `read_headers`, of the tracks that another track names as its chapters (`tref`, `chap`).

    A track whose boxes are damaged names none and is none. Raises NotAVideo for a file without tracks.
    """
    children = [_children(moov, trak) for trak in track_boxes(moov)]
    identities = [_identity(moov, found.get(b"tkhd")) for found in children]
    named = [_chapters(moov, found.get(b"tref")) for found in children]
    return {
        number
        for number, identity in enumerate(identities)
        if any(identity in chapters for other, chapters in enumerate(named) if other != number)
    }


def _children(moov: bytes, trak: Box) -> dict[bytes, Box]:
    try:
        return {box.kind: box for box in boxes(moov, trak.payload, trak.end)}
    except InvalidIndex:
        return {}


def _identity(moov: bytes, tkhd: Box | None) -> int | None:
    """track_ID, which stands behind two times of 4 or (version 1) 8 bytes."""
    if tkhd is None:
        return None
    try:
        (version,) = unpack(">B", moov, tkhd, 0)
        return int(unpack(">I", moov, tkhd, 20 if version == 1 else 12)[0])
    except InvalidIndex:
        return None


def _chapters(moov: bytes, tref: Box | None) -> set[int]:
    """The track_IDs in `chap`; none of a reference that is damaged: the film plays without its chapters."""
    if tref is None:
        return set()
    try:
        found = [box for box in boxes(moov, tref.payload, tref.end) if box.kind == b"chap"]
    except InvalidIndex:
        return set()
    return {
        number
        for box in found
        for (number,) in struct.iter_unpack(">I", moov[box.payload : box.end - (box.end - box.payload) % 4])
    }
