"""Where copied pictures may begin: key frames whose NAL units say that a decoder can start there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from mam.media.chunk_windows import openings
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.nals import Opening, opening
from mam.mp4.ranges import coalesce
from mam.mp4.samples import Samples
from mam.mp4.tables import Flags, Ints

LOOKED_AT = 5  # key frames of every film: one small read each, all at once, so that a cold start waits for one
MAX_LOOKED_AT = 2_000  # where some are no place to start: a four-hour film with one every seven seconds
HEAD_BYTES = 4 << 10  # of a key frame: holds parameter sets and messages, and reaches to the picture
MAX_PICTURE = 16 << 20  # bytes of a key frame that are read where its head does not reach to the picture
THREADS = 8  # reads at a time
LEADING = 64  # samples behind a key frame among which those that are shown before it stand: HEVC allows 16


@dataclass(frozen=True, slots=True)
class EntryPoints:
    """What a few key frames, the first of them the first of all, are to a decoder that starts there."""

    first: Opening = Opening.UNKNOWN
    all_clean: bool = True
    some_refresh: bool = False  # need something before them
    heads: tuple[bytes, ...] = ()  # their first bytes, in which parameter sets may stand


def look_at_starts(media: MediaSource, track: MediaTrack) -> EntryPoints:
    """Looks at LOOKED_AT key frames: that is a handful of reads at once, however long the film."""
    samples = media.samples(track.number)
    keys = openings(samples)
    if track.codec not in ("h264", "hevc") or not len(keys):
        return EntryPoints()
    few = _few(keys)
    looked_at = list(_look(media, track, samples, np.union1d(few, _few(np.flatnonzero(samples.key)))))
    found = {number: opening for number, opening, _ in looked_at}
    return EntryPoints(
        found[int(keys[0])],
        all(_is_start(samples, number, found[number]) for number in few.tolist()),
        Opening.NONE in found.values(),
        tuple(head for _, _, head in looked_at),
    )


def cuttable(media: MediaSource, track: MediaTrack, starts: EntryPoints) -> Samples:
    """The track's samples, those alone being key frames that a segment of copied pictures may begin with.

    Believes the index where the key frames that were looked at are what it says. Else all of them are looked at,
    MAX_LOOKED_AT at most: of more, none counts.
    """
    samples = media.samples(track.number)
    if starts.all_clean:
        return samples
    keys = openings(samples)
    kept: Flags = np.zeros(len(samples), np.bool_)
    if len(keys) <= MAX_LOOKED_AT:
        for number, found, _ in _look(media, track, samples, keys):
            kept[number] = _is_start(samples, number, found)
    return replace(samples, key=kept)


def _few(keys: Ints) -> Ints:
    """The first, the second, the last, and some between them."""
    if len(keys) <= LOOKED_AT:
        return keys
    few: Ints = keys[np.unique(np.append([1], np.linspace(0, len(keys) - 1, LOOKED_AT - 1).astype(np.int64)))]
    return few


def _is_start(samples: Samples, number: int, found: Opening) -> bool:
    """Whether everything that is shown from sample `number` on can be decoded from there."""
    if found is Opening.OPEN:  # what is decoded behind it and shown before it may need more
        return bool(samples.pts[number : number + LEADING].min() >= samples.pts[number])
    return found is not Opening.NONE


def _look(
    media: MediaSource, track: MediaTrack, samples: Samples, numbers: Ints
) -> Iterator[tuple[int, Opening, bytes]]:
    """What each of these samples is to a decoder that starts there, and its first bytes."""
    offset, size = samples.offset[numbers], samples.size[numbers]
    heads = np.minimum(size, HEAD_BYTES)
    ranges = coalesce(offset, heads, max_gap=HEAD_BYTES)
    with ThreadPoolExecutor(min(THREADS, len(ranges)), "openings") as pool:
        blocks = list(pool.map(lambda each: media.reader.read(each.start, each.stop), ranges))
    block = np.searchsorted(np.array([each.start for each in ranges]), offset, side="right") - 1
    rows = zip(numbers.tolist(), offset.tolist(), size.tolist(), heads.tolist(), block.tolist(), strict=True)
    for number, at, whole, head, place in rows:
        begin = at - ranges[place].start
        first = blocks[place][begin : begin + head]
        found = opening(track.codec, track.configuration, first)
        if found is Opening.UNKNOWN and head < whole <= MAX_PICTURE:
            found = opening(track.codec, track.configuration, media.reader.read(at, at + whole))
        yield number, found, first
