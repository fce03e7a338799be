"""Sample tables (ISO/IEC 14496-12 section 8.6 and 8.7): the places and times of samples.

Every count in a table is checked against the table's size before memory is allocated for it.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from mam.errors import TruncatedMedia, readable
from mam.mp4.boxes import Box, InvalidIndex

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_OFFSET = 1 << 60  # Larger offsets are refused, so that sums of offsets and sizes cannot overflow.
MAX_SAMPLES = 4_000_000  # A track has at most this many: 24 hours of AAC at 48 kHz, 18 hours at 60 frames a second.


class NoSampleTables(Exception):
    """The file is intact, but its samples must be found another way (fragments, several edits, very many samples)."""


class Fragmented(NoSampleTables):
    """The samples of every track are in fragments."""


def unpack(form: str, data: bytes | memoryview, box: Box, offset: int) -> tuple[Any, ...]:
    """struct.unpack_from inside a box. Raises InvalidIndex when the box is too short."""
    position = box.payload + offset
    if position + struct.calcsize(form) > box.end:
        raise InvalidIndex(f"Box {readable(box.kind)} is cut off.")
    return struct.unpack_from(form, data, position)


def rows(data: bytes | memoryview, box: Box, dtype: str, columns: int) -> Ints:
    """The entries of a table with a four-byte count after version and flags: int64, shape (entries, columns)."""
    (count,) = unpack(">I", data, box, 4)
    width = np.dtype(dtype).itemsize
    if count * columns * width > box.end - box.payload - 8:
        raise InvalidIndex(f"Box {readable(box.kind)} claims {count} entries and has no room for them.")
    return np.frombuffer(data, dtype, count * columns, box.payload + 8).astype(np.int64).reshape(count, columns)


def sample_sizes(data: bytes | memoryview, children: dict[bytes, Box], object_size: int) -> Ints:
    """The size of each sample, from `stsz` or `stz2`. Raises NoSampleTables for too many samples."""
    if b"stz2" in children:
        return _compact_sizes(data, children[b"stz2"])
    if b"stsz" not in children:
        raise InvalidIndex("A track has no table of sample sizes.")
    box = children[b"stsz"]
    uniform, count = unpack(">II", data, box, 4)
    if count > MAX_SAMPLES:
        raise NoSampleTables(f"{count} samples in one track")
    if uniform:
        if uniform * count > object_size:
            raise TruncatedMedia(f"{count} samples of {uniform} bytes do not fit into an object of {object_size}.")
        return np.full(count, uniform, np.int64)
    if count * 4 > box.end - box.payload - 12:
        raise InvalidIndex(f"Box 'stsz' claims {count} samples and has no room for them.")
    return np.frombuffer(data, ">u4", count, box.payload + 12).astype(np.int64)


def _compact_sizes(data: bytes | memoryview, box: Box) -> Ints:
    field, count = unpack(">II", data, box, 4)
    field &= 0xFF  # 24 reserved bits precede it
    if field not in (4, 8, 16):
        raise InvalidIndex(f"Box 'stz2' has fields of {field} bits.")
    if count > MAX_SAMPLES:
        raise NoSampleTables(f"{count} samples in one track")
    octets = (count * field + 7) // 8
    if octets > box.end - box.payload - 12:
        raise InvalidIndex(f"Box 'stz2' claims {count} samples and has no room for them.")
    if field == 16:
        return np.frombuffer(data, ">u2", count, box.payload + 12).astype(np.int64)
    packed = np.frombuffer(data, np.uint8, octets, box.payload + 12)
    if field == 4:  # the high half comes first
        packed = np.stack((packed >> 4, packed & 15), axis=1).reshape(-1)[:count]
    return packed.astype(np.int64)


def expand(counts: Ints, values: Ints, total: int, kind: str) -> Ints:
    """Run-length decoding to exactly `total` values. Raises InvalidIndex for fewer."""
    ends = np.cumsum(np.minimum(counts, total))  # a run of billions must not become an array
    if total and (not len(ends) or ends[-1] < total):
        raise InvalidIndex(f"Box '{kind}' describes fewer samples than the track has.")
    stop = int(np.searchsorted(ends, total)) + 1
    counts = np.minimum(counts[:stop], total)
    return np.repeat(values[:stop], counts)[:total]


def decode_times(data: bytes | memoryview, children: dict[bytes, Box], total: int) -> tuple[Ints, Ints]:
    """(dts, duration) of each sample in ticks, from `stts`."""
    if b"stts" not in children:
        raise InvalidIndex("A track has no table of decode times.")
    table = rows(data, children[b"stts"], ">u4", 2)
    delta = expand(table[:, 0], table[:, 1], total, "stts")
    delta[delta > 0x7FFFFFFF] = 1  # a negative duration: libavformat also takes it as 1
    dts = np.cumsum(delta)
    dts -= delta
    return dts, delta


def without_ties(dts: Ints, duration: Ints) -> tuple[Ints, Ints]:
    """Strictly rising decode times and their durations: muxers refuse two samples at one time.

    Each sample keeps its time, or comes a tick after the previous one. Samples without a duration last a tick.
    """
    if (np.diff(dts) > 0).all():
        return dts, duration
    ticks = np.arange(len(dts))
    risen: Ints = np.maximum.accumulate(dts - ticks) + ticks
    moved = risen != dts
    durations = np.where(moved[1:] | moved[:-1], np.diff(risen), duration[:-1])
    return risen, np.append(durations, duration[-1:])


def composition_offsets(data: bytes | memoryview, children: dict[bytes, Box], total: int) -> Ints:
    """pts - dts of each sample in ticks, from `ctts`; signed in version 0 too, as writers use it."""
    if b"ctts" not in children:
        return np.zeros(total, np.int64)
    table = rows(data, children[b"ctts"], ">u4", 2)
    offsets = table[:, 1].astype(np.uint32).view(np.int32).astype(np.int64)
    covered = int(np.minimum(table[:, 0], total).sum())
    if covered < total:  # the other samples have no offset
        table = np.concatenate((table, [[total - covered, 0]]))
        offsets = np.append(offsets, 0)
    return expand(table[:, 0], offsets, total, "ctts")


def sync_samples(data: bytes | memoryview, children: dict[bytes, Box], total: int) -> Flags:
    """Which samples are sync samples, from `stss`; without that box all of them are."""
    if b"stss" not in children:
        return np.ones(total, np.bool_)
    numbers = rows(data, children[b"stss"], ">u4", 1)[:, 0] - 1
    flags = np.zeros(total, np.bool_)
    flags[numbers[(numbers >= 0) & (numbers < total)]] = True
    return flags


def sample_offsets(data: bytes | memoryview, children: dict[bytes, Box], sizes: Ints) -> Ints:
    """The byte position of each sample in the object, from `stsc` and `stco` or `co64`."""
    total = len(sizes)
    chunk, per_chunk = chunks(data, children, total)
    if not total:
        return np.zeros(0, np.int64)
    begins = np.cumsum(per_chunk) - per_chunk  # number of the first sample of each chunk
    of_chunk = expand(per_chunk, np.arange(len(chunk)), total, "stsc")
    preceding_bytes = np.cumsum(sizes)
    preceding_bytes -= sizes
    offsets: Ints = (chunk - preceding_bytes[np.minimum(begins, total - 1)])[of_chunk]
    offsets += preceding_bytes
    return offsets


def chunks(data: bytes | memoryview, children: dict[bytes, Box], total: int) -> tuple[Ints, Ints]:
    """(byte position in the object, number of samples, at most `total`) of each chunk."""
    chunk = _chunk_offsets(data, children)
    if b"stsc" not in children:
        raise InvalidIndex("A track has no table of chunks.")
    table = rows(data, children[b"stsc"], ">u4", 3)
    if not total:
        return chunk, np.zeros(len(chunk), np.int64)
    first = table[:, 0]
    if not len(first) or first[0] != 1 or (np.diff(first) <= 0).any():
        raise InvalidIndex("Box 'stsc' does not start at the first chunk, or goes backwards.")
    first = np.minimum(first, len(chunk) + 1)
    return chunk, np.repeat(np.minimum(table[:, 1], total), np.diff(np.append(first, len(chunk) + 1)))


def used_descriptions(data: bytes | memoryview, children: dict[bytes, Box]) -> set[int]:
    """The numbers (from 1) of the sample descriptions of non-empty chunks, from `stsc`."""
    if b"stsc" not in children:
        return set()
    table = rows(data, children[b"stsc"], ">u4", 3)
    end = len(_chunk_offsets(data, children)) + 1
    count = np.diff(np.minimum(np.append(table[:, 0], end), end))  # chunks per entry
    return set(np.unique(table[(count > 0) & (table[:, 1] > 0), 2]).tolist())


def chunk_descriptions(data: bytes | memoryview, children: dict[bytes, Box]) -> tuple[Ints, Ints]:
    """(byte position in the object, number of the sample description, from 1) of each chunk."""
    chunk = _chunk_offsets(data, children)
    table = rows(data, children[b"stsc"], ">u4", 3)
    first = np.minimum(table[:, 0], len(chunk) + 1)
    if not len(first) or first[0] != 1 or (np.diff(first) < 0).any():
        raise InvalidIndex("Box 'stsc' does not start at the first chunk, or goes backwards.")
    return chunk, np.repeat(table[:, 2], np.diff(np.append(first, len(chunk) + 1)))


def _chunk_offsets(data: bytes | memoryview, children: dict[bytes, Box]) -> Ints:
    if b"co64" in children:
        offsets = rows(data, children[b"co64"], ">u8", 1)[:, 0]
    elif b"stco" in children:
        offsets = rows(data, children[b"stco"], ">u4", 1)[:, 0]
    else:
        raise InvalidIndex("A track has no table of chunk offsets.")
    if ((offsets < 0) | (offsets > MAX_OFFSET)).any():
        raise InvalidIndex("A chunk lies beyond any file's end.")
    return offsets
