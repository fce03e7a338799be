"""What the first pictures say of a track that its description does not, and whether later ones say something else."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from mam.media.reader import ObjectReader
from mam.media.templates import read_template
from mam.media.tracks import MediaTrack
from mam.mp4.index import Samples
from mam.mp4.parameter_sets import is_complete, with_record, with_sets_of
from mam.mp4.repair import CODED_BLOCK, coded_size
from mam.mp4.tables import Ints

FIRST = 3  # key frames in which sets are looked for
HEAD = 8 << 10  # bytes of a key frame: sets stand in front
THREADS = 8  # reads at a time
FEW, MANY = 5, 64  # key frames that are looked at for another size: of every film; of one that repeats its sets


def completed(track: MediaTrack, moov: bytes, reader: ObjectReader, samples: Samples) -> MediaTrack:
    """The track with the parameter sets in its description, where they stand among its pictures alone."""
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
    """With the size that the sets say, where the entry says none or quite another."""
    coded, said = coded_size(entry), struct.unpack_from(">2H", entry, 32)
    if coded is None or (0 not in said and all(abs(a - b) < CODED_BLOCK for a, b in zip(coded, said, strict=True))):
        return entry
    return entry[:32] + struct.pack(">2H", *coded) + entry[36:]


def changes_size(track: MediaTrack, reader: ObjectReader, samples: Samples) -> bool:
    """Whether key frames bring parameter sets for pictures of another size.

    A handful of them is looked at, and more of a file that repeats its sets: a change in the middle of those is found
    when it lasts.
    """
    first = coded_size(track.entry)
    keys = np.flatnonzero(samples.key)
    if first is None or not len(keys):
        return False
    sizes = _sizes(track, reader, samples, _spread(keys, FEW))
    if sizes and not sizes - {first}:
        sizes |= _sizes(track, reader, samples, _spread(keys, MANY))
    return bool(sizes - {first})


def _sizes(track: MediaTrack, reader: ObjectReader, samples: Samples, keys: Ints) -> set[tuple[int, int]]:
    found = set()
    with ThreadPoolExecutor(THREADS, "parameters") as pool:
        heads = list(pool.map(lambda number: _head(reader, samples, number), keys.tolist()))
    for head in heads:
        record = with_sets_of(track.codec, track.configuration, head)
        size = coded_size(with_record(track.entry, track.codec, record)) if record is not None else None
        if size is not None:
            found.add(size)
    return found


def _spread(keys: Ints, count: int) -> Ints:
    return keys[np.unique(np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(np.int64))]


def _head(reader: ObjectReader, samples: Samples, number: int) -> bytes:
    at, size = int(samples.offset[number]), int(samples.size[number])
    return reader.read(at, at + min(size, HEAD))
