"""Examines each track of a `moov` by itself: a fault of one track does not affect the others."""

from __future__ import annotations

from contextlib import suppress

from mam.errors import MediaError
from mam.mp4 import entries, protection, track_headers
from mam.mp4.boxes import Box, InvalidIndex, below
from mam.mp4.track_headers import UPRIGHT, TrackHeader


def survey(moov: bytes) -> tuple[list[TrackHeader], dict[int, MediaError]]:
    """(all tracks, the flaws of unusable ones by number): damaged boxes, or media that is encrypted or elsewhere.

    Raises NotAVideo, InvalidIndex and EncryptedMedia for faults of the whole file.
    """
    track_headers.check_crowd(moov)
    protection.check_protection(moov)
    headers, flaws = [], {}
    for number, trak in enumerate(track_headers.track_boxes(moov)):
        try:
            protection.check_track_encryption(moov, trak)
            protection.check_references(moov, trak)
            entries.sample_entry(moov, number)
            headers.append(track_headers.read_header(moov, number, trak))
        except MediaError as flaw:
            flaws[number] = flaw
            headers.append(TrackHeader(number, _kind(moov, number, trak), "", UPRIGHT))
    return headers, flaws


def _kind(moov: bytes, number: int, trak: Box) -> str:
    """The handler of a damaged track, if it precedes the damage; else ''."""
    children: dict[bytes, Box] = {}
    with suppress(InvalidIndex):
        for box in below(moov, trak.payload, trak.end):
            children.setdefault(box.kind, box)
    try:
        return track_headers.handler(moov, children, number)
    except InvalidIndex:
        return ""
