"""Finds tracks with chapters (QuickTime File Format, "Chapter Lists"): timed text, but no subtitles."""

from __future__ import annotations

import struct

from mam.mp4.boxes import Box, InvalidIndex, boxes
from mam.mp4.tables import unpack
from mam.mp4.track_headers import track_boxes


def chapter_tracks(moov: bytes) -> set[int]:
    """The numbers, as in `read_headers`, of tracks that another track references as its chapters (`tref`, `chap`).

    A track with damaged boxes has no chapters and is no chapter track. Raises NotAVideo for a file without tracks.
    """
    children = [_children(moov, trak) for trak in track_boxes(moov)]
    identities = [_identity(moov, boxes_by_kind.get(b"tkhd")) for boxes_by_kind in children]
    references = [_chapters(moov, boxes_by_kind.get(b"tref")) for boxes_by_kind in children]
    return {
        number
        for number, identity in enumerate(identities)
        if any(identity in chapters for other, chapters in enumerate(references) if other != number)
    }


def _children(moov: bytes, trak: Box) -> dict[bytes, Box]:
    try:
        return {box.kind: box for box in boxes(moov, trak.payload, trak.end)}
    except InvalidIndex:
        return {}


def _identity(moov: bytes, tkhd: Box | None) -> int | None:
    """track_ID, which follows two times of 4 or (version 1) 8 bytes."""
    if tkhd is None:
        return None
    try:
        (version,) = unpack(">B", moov, tkhd, 0)
        return int(unpack(">I", moov, tkhd, 20 if version == 1 else 12)[0])
    except InvalidIndex:
        return None


def _chapters(moov: bytes, tref: Box | None) -> set[int]:
    """The track_IDs in `chap`; empty for a damaged reference: the film plays without its chapters."""
    if tref is None:
        return set()
    try:
        chap_boxes = [box for box in boxes(moov, tref.payload, tref.end) if box.kind == b"chap"]
    except InvalidIndex:
        return set()
    return {
        number
        for box in chap_boxes
        for (number,) in struct.iter_unpack(">I", moov[box.payload : box.end - (box.end - box.payload) % 4])
    }
