"""Parameter sets among a track's pictures: the first ones complete its description, later ones may differ."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from mam.media.reader import ObjectReader
from mam.media.templates import read_template
from mam.media.tracks import MediaTrack
from mam.mp4.parameter_sets import is_complete, with_record, with_sets_of
from mam.mp4.repair import CODED_BLOCK, coded_size
from mam.mp4.samples import Samples

FIRST = 3  # Parameter sets are searched in this many key frames.
HEAD = 8 << 10  # This many bytes of a key frame are searched: its parameter sets come first.
THREADS = 8  # This many reads run at a time.
MANY = 64  # A film that repeats its sets is searched for another size in this many key frames.


def completed(track: MediaTrack, moov: bytes, reader: ObjectReader, samples: Samples) -> MediaTrack:
    """The track with parameter sets in its description, where only its pictures contain them."""
    if not track.is_video or is_complete(track.codec, track.configuration):
        return track
    for number in np.flatnonzero(samples.key)[:FIRST].tolist():
        record = with_sets_of(track.codec, track.configuration, _head(reader, samples, number))
        if record is not None:
            entry = _sized(with_record(track.entry, track.codec, record))
            template = read_template(moov, track.number, entry)
            return track if template is None else replace(track, template=template, entry=entry)
    return track


def _sized(entry: bytes) -> bytes:
    """The entry with the size of its parameter sets, where it has no size or a quite different one."""
    coded, stated = coded_size(entry), struct.unpack_from(">2H", entry, 32)
    if coded is None or (
        0 not in stated
        and all(
            abs(coded_side - stated_side) < CODED_BLOCK for coded_side, stated_side in zip(coded, stated, strict=True)
        )
    ):
        return entry
    return entry[:32] + struct.pack(">2H", *coded) + entry[36:]


def changes_size(track: MediaTrack, reader: ObjectReader, samples: Samples, heads: Sequence[bytes]) -> bool:
    """Whether key frames contain parameter sets for pictures of another size.

    `heads`: the first bytes of a few key frames. Where they contain sets, MANY others are read: that finds a change in
    the middle if it lasts.
    """
    first = coded_size(track.entry)
    sizes = _sizes(track, heads)
    if first is not None and sizes == {first}:
        keys = np.flatnonzero(samples.key)
        spread = keys[np.unique(np.linspace(0, len(keys) - 1, min(MANY, len(keys))).astype(np.int64))]
        with ThreadPoolExecutor(THREADS, "parameters") as pool:
            sizes = _sizes(track, pool.map(lambda number: _head(reader, samples, number), spread.tolist()))
    return first is not None and bool(sizes - {first})


def _sizes(track: MediaTrack, heads: Iterable[bytes]) -> set[tuple[int, int]]:
    records = (with_sets_of(track.codec, track.configuration, head) for head in heads)
    sizes = (coded_size(with_record(track.entry, track.codec, record)) for record in records if record is not None)
    return {size for size in sizes if size is not None}


def _head(reader: ObjectReader, samples: Samples, number: int) -> bytes:
    offset, size = int(samples.offset[number]), int(samples.size[number])
    return reader.read(offset, offset + min(size, HEAD))
