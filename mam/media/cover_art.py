"""Finds video tracks that are still pictures beside a film: covers and thumbnails, which are not played."""

from __future__ import annotations

from mam.media import decoders
from mam.media.templates import Templates
from mam.mp4 import index
from mam.mp4.track_headers import VIDEO, TrackHeader

FEW = 10  # A film has at least this many pictures for each thumbnail.


def still_tracks(moov: bytes, headers: list[TrackHeader], templates: Templates) -> set[int]:
    """The numbers of tracks with one picture beside a film, or with few pictures in a codec of stills."""
    counts = {}
    for header in headers:
        stream = templates.stream(header.number)
        if header.kind == VIDEO and stream is not None and stream.codec_context is not None:
            counts[header.number] = index.sample_count(moov, header.number)
    return {number for number in counts if _is_still(number, counts, templates)}


def _is_still(number: int, counts: dict[int, int | None], templates: Templates) -> bool:
    """Whether a track is a still. A count of None means many: the samples are in fragments."""
    count = counts[number]
    others = [other for other_number, other in counts.items() if other_number != number]
    if count is None or not count:
        return False
    in_stills = templates.stream(number).codec_context.codec.canonical_name in decoders.STILLS
    most = max((float("inf") if other is None else other for other in others), default=0)
    return (count == 1 and most > 1) or (in_stills and most >= FEW * count)
