"""Where copied pictures may begin: key frames at which a decoder can start, by their NAL units."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from mam.media.chunk_windows import openings
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.nals import Opening, opening
from mam.mp4.ranges import coalesce
from mam.mp4.samples import Samples
from mam.mp4.tables import Flags, Ints

CHECKED = 5  # This many key frames of every film are checked, by small parallel reads that cost the time of one.
MAX_CHECKED = 2_000  # This many are checked where some fail: a four-hour film with one every seven seconds.
HEAD_BYTES = 4 << 10  # The checked part of a key frame: parameter sets, messages and the start of the picture.
MAX_PICTURE = 16 << 20  # Up to this many bytes of a key frame are read where its head does not reach the picture.
THREADS = 8  # This many reads run at a time.
LEADING = 64  # Samples that are shown before a key frame are among this many after it: HEVC allows 16.


@dataclass(frozen=True, slots=True)
class EntryPoints:
    """Whether a decoder can start at a few key frames, the first one included."""

    first: Opening = Opening.UNKNOWN
    all_clean: bool = True
    some_refresh: bool = False  # some need earlier frames
    heads: tuple[bytes, ...] = ()  # their first bytes, which may contain parameter sets


def read_entry_points(media: MediaSource, track: MediaTrack) -> EntryPoints:
    """Checks CHECKED key frames by a few parallel reads, however long the film is."""
    samples = media.samples(track.number)
    keys = openings(samples)
    if track.codec not in ("h264", "hevc") or not len(keys):
        return EntryPoints()
    few = _few(keys)
    checked = list(_check(media, track, samples, np.union1d(few, _few(np.flatnonzero(samples.key)))))
    openings_by_number = {number: opening for number, opening, _ in checked}
    return EntryPoints(
        openings_by_number[int(keys[0])],
        all(_is_start(samples, number, openings_by_number[number]) for number in few.tolist()),
        Opening.NONE in openings_by_number.values(),
        tuple(head for _, _, head in checked),
    )


def cuttable(media: MediaSource, track: MediaTrack, entry_points: EntryPoints) -> Samples:
    """The track's samples, with only those key frames that may start a segment of copied pictures.

    The index is trusted where all checked key frames agree with it. Else all key frames are checked; with more than
    MAX_CHECKED, none is kept.
    """
    samples = media.samples(track.number)
    if entry_points.all_clean:
        return samples
    keys = openings(samples)
    kept: Flags = np.zeros(len(samples), np.bool_)
    if len(keys) <= MAX_CHECKED:
        for number, kind, _ in _check(media, track, samples, keys):
            kept[number] = _is_start(samples, number, kind)
    return replace(samples, key=kept)


def _few(keys: Ints) -> Ints:
    """The first key frame, the second, the last, and some between them."""
    if len(keys) <= CHECKED:
        return keys
    few: Ints = keys[np.unique(np.append([1], np.linspace(0, len(keys) - 1, CHECKED - 1).astype(np.int64)))]
    return few


def _is_start(samples: Samples, number: int, kind: Opening) -> bool:
    """Whether every picture that is shown from sample `number` on can be decoded from there."""
    if kind is Opening.OPEN:  # pictures decoded after it and shown before it may need earlier ones
        return bool(samples.pts[number : number + LEADING].min() >= samples.pts[number])
    return kind is not Opening.NONE


@cache
def _readers() -> ThreadPoolExecutor:
    """The threads of this process for such reads: starting them takes longer than a read."""
    return ThreadPoolExecutor(THREADS, "openings")


def _check(
    media: MediaSource, track: MediaTrack, samples: Samples, numbers: Ints
) -> Iterator[tuple[int, Opening, bytes]]:
    """For each of the samples, whether a decoder can start there, and its first bytes."""
    offset, size = samples.offset[numbers], samples.size[numbers]
    heads = np.minimum(size, HEAD_BYTES)
    ranges = coalesce(offset, heads, max_gap=HEAD_BYTES)
    blocks = list(_readers().map(lambda byte_range: media.reader.read(byte_range.start, byte_range.stop), ranges))
    block = np.searchsorted(np.array([byte_range.start for byte_range in ranges]), offset, side="right") - 1
    rows = zip(numbers.tolist(), offset.tolist(), size.tolist(), heads.tolist(), block.tolist(), strict=True)
    for number, position, sample_size, head, block_number in rows:
        begin = position - ranges[block_number].start
        first = blocks[block_number][begin : begin + head]
        kind = opening(track.codec, track.configuration, first)
        if kind is Opening.UNKNOWN and head < sample_size <= MAX_PICTURE:
            kind = opening(track.codec, track.configuration, media.reader.read(position, position + sample_size))
        yield number, kind, first
