"""Which video tracks are stills beside a film: covers and thumbnails, which are not what is to be shown."""

from __future__ import annotations

from mam.media import decoders
from mam.media.templates import Templates
from mam.mp4 import index
from mam.mp4.track_headers import VIDEO, TrackHeader

FEW = 10  # of a film's pictures, to each of a track of thumbnails


def still_tracks(moov: bytes, headers: list[TrackHeader], templates: Templates) -> set[int]:
    """Numbers of the tracks that show one picture where another shows more, or few pictures in a codec of stills."""
    counts = {}
    for header in headers:
        stream = templates.stream(header.number)
        if header.kind == VIDEO and stream is not None and stream.codec_context is not None:
            counts[header.number] = index.sample_count(moov, header.number)
    return {number for number in counts if _is_still(number, counts, templates)}


def _is_still(number: int, counts: dict[int, int | None], templates: Templates) -> bool:
    """None of `counts`: the samples are in fragments, which are many."""
    count = counts[number]
    others = [other for at, other in counts.items() if at != number]
    if count is None or not count:
        return False
    in_stills = templates.stream(number).codec_context.codec.canonical_name in decoders.STILLS
    most = max((float("inf") if other is None else other for other in others), default=0)
    return (count == 1 and most > 1) or (in_stills and most >= FEW * count)
