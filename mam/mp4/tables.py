"""Sample tables (ISO/IEC 14496-12 section 8.6 and 8.7): where each sample lies, and when it is shown.

Everything a table claims is checked against the bytes it occupies before any memory is taken for it.
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

MAX_OFFSET = 1 << 60  # bytes: offsets and sizes can be added without thought
MAX_SAMPLES = 4_000_000  # per track: 24 hours of AAC at 48 kHz, 18 hours at 60 frames a second


class NoSampleTables(Exception):
    """The file is intact, but its samples must be found another way (fragments, several edits, very many samples)."""


class Fragmented(NoSampleTables):
    """The samples of every track are in fragments."""


def unpack(form: str, data: bytes | memoryview, box: Box, offset: int) -> tuple[Any, ...]:
    """struct.unpack_from inside a box. Raises InvalidIndex when the box is too short for it."""
    at = box.payload + offset
    if at + struct.calcsize(form) > box.end:
        raise InvalidIndex(f"Box {readable(box.kind)} is cut off.")
    return struct.unpack_from(form, data, at)


def rows(data: bytes | memoryview, box: Box, dtype: str, columns: int) -> Ints:
    """The entries of a table with a four-byte count after version and flags: int64, shape (entries, columns)."""
    (count,) = unpack(">I", data, box, 4)
    width = np.dtype(dtype).itemsize
    if count * columns * width > box.end - box.payload - 8:
        raise InvalidIndex(f"Box {readable(box.kind)} claims {count} entries and has no room for them.")
    return np.frombuffer(data, dtype, count * columns, box.payload + 8).astype(np.int64).reshape(count, columns)


def sample_sizes(data: bytes | memoryview, found: dict[bytes, Box], object_size: int) -> Ints:
    """Bytes of each sample, from `stsz` or `stz2`. Raises NoSampleTables where there are too many to list."""
    if b"stz2" in found:
        return _compact_sizes(data, found[b"stz2"])
    if b"stsz" not in found:
        raise InvalidIndex("A track has no table of sample sizes.")
    box = found[b"stsz"]
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
    field &= 0xFF  # 24 reserved bits stand before it
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
    """Run-length decoding to exactly `total` values. Raises InvalidIndex when the runs give fewer."""
    ends = np.cumsum(np.minimum(counts, total))  # a run of billions must not become an array
    if total and (not len(ends) or ends[-1] < total):
        raise InvalidIndex(f"Box '{kind}' describes fewer samples than the track has.")
    stop = int(np.searchsorted(ends, total)) + 1
    counts = np.minimum(counts[:stop], total)
    return np.repeat(values[:stop], counts)[:total]


def decode_times(data: bytes | memoryview, found: dict[bytes, Box], total: int) -> tuple[Ints, Ints]:
    """(dts, duration) of each sample in ticks, from `stts`."""
    if b"stts" not in found:
        raise InvalidIndex("A track has no table of decode times.")
    table = rows(data, found[b"stts"], ">u4", 2)
    delta = expand(table[:, 0], table[:, 1], total, "stts")
    delta[delta > 0x7FFFFFFF] = 1  # what should have been negative: nothing better is known, and libavformat does so
    dts = np.cumsum(delta)
    dts -= delta
    return dts, delta


def without_ties(dts: Ints, duration: Ints) -> tuple[Ints, Ints]:
    """Decode times that rise, and what their samples last then: muxers refuse two samples of one time.

    Each is as late as it was, or a tick behind the one before. So those that lasted no time last a tick.
    """
    if (np.diff(dts) > 0).all():
        return dts, duration
    ticks = np.arange(len(dts))
    risen: Ints = np.maximum.accumulate(dts - ticks) + ticks
    moved = risen != dts
    lasting = np.where(moved[1:] | moved[:-1], np.diff(risen), duration[:-1])
    return risen, np.append(lasting, duration[-1:])


def composition_offsets(data: bytes | memoryview, found: dict[bytes, Box], total: int) -> Ints:
    """pts - dts of each sample in ticks, from `ctts`; signed in version 0 too, as writers use it."""
    if b"ctts" not in found:
        return np.zeros(total, np.int64)
    table = rows(data, found[b"ctts"], ">u4", 2)
    offsets = table[:, 1].astype(np.uint32).view(np.int32).astype(np.int64)
    covered = int(np.minimum(table[:, 0], total).sum())
    if covered < total:  # the rest has none
        table = np.concatenate((table, [[total - covered, 0]]))
        offsets = np.append(offsets, 0)
    return expand(table[:, 0], offsets, total, "ctts")


def sync_samples(data: bytes | memoryview, found: dict[bytes, Box], total: int) -> Flags:
    """Which samples are sync samples, from `stss`; without that box all of them are."""
    if b"stss" not in found:
        return np.ones(total, np.bool_)
    numbers = rows(data, found[b"stss"], ">u4", 1)[:, 0] - 1
    flags = np.zeros(total, np.bool_)
    flags[numbers[(numbers >= 0) & (numbers < total)]] = True
    return flags


def sample_offsets(data: bytes | memoryview, found: dict[bytes, Box], sizes: Ints) -> Ints:
    """The object's byte at which each sample begins, from `stsc` and `stco` or `co64`."""
    total = len(sizes)
    chunk, per_chunk = chunks(data, found, total)
    if not total:
        return np.zeros(0, np.int64)
    begins = np.cumsum(per_chunk) - per_chunk  # number of the first sample of each chunk
    of_chunk = expand(per_chunk, np.arange(len(chunk)), total, "stsc")
    before = np.cumsum(sizes)
    before -= sizes
    offsets: Ints = (chunk - before[np.minimum(begins, total - 1)])[of_chunk]
    offsets += before
    return offsets


def chunks(data: bytes | memoryview, found: dict[bytes, Box], total: int) -> tuple[Ints, Ints]:
    """(the object's byte at which it begins, how many samples it holds, at most `total`) of each chunk."""
    chunk = _chunk_offsets(data, found)
    if b"stsc" not in found:
        raise InvalidIndex("A track has no table of chunks.")
    table = rows(data, found[b"stsc"], ">u4", 3)
    if not total:
        return chunk, np.zeros(len(chunk), np.int64)
    first = table[:, 0]
    if not len(first) or first[0] != 1 or (np.diff(first) <= 0).any():
        raise InvalidIndex("Box 'stsc' does not start at the first chunk, or goes backwards.")
    first = np.minimum(first, len(chunk) + 1)
    return chunk, np.repeat(np.minimum(table[:, 1], total), np.diff(np.append(first, len(chunk) + 1)))


def used_descriptions(data: bytes | memoryview, found: dict[bytes, Box]) -> set[int]:
    """Numbers of the sample descriptions (from 1) that chunks with samples have, from `stsc`."""
    if b"stsc" not in found:
        return set()
    table = rows(data, found[b"stsc"], ">u4", 3)
    behind = len(_chunk_offsets(data, found)) + 1
    count = np.diff(np.minimum(np.append(table[:, 0], behind), behind))  # of chunks
    return set(np.unique(table[(count > 0) & (table[:, 1] > 0), 2]).tolist())


def chunk_descriptions(data: bytes | memoryview, found: dict[bytes, Box]) -> tuple[Ints, Ints]:
    """(the object's byte at which it begins, the number of its sample description, from 1) of each chunk."""
    chunk = _chunk_offsets(data, found)
    table = rows(data, found[b"stsc"], ">u4", 3)
    first = np.minimum(table[:, 0], len(chunk) + 1)
    if not len(first) or first[0] != 1 or (np.diff(first) < 0).any():
        raise InvalidIndex("Box 'stsc' does not start at the first chunk, or goes backwards.")
    return chunk, np.repeat(table[:, 2], np.diff(np.append(first, len(chunk) + 1)))


def _chunk_offsets(data: bytes | memoryview, found: dict[bytes, Box]) -> Ints:
    if b"co64" in found:
        offsets = rows(data, found[b"co64"], ">u8", 1)[:, 0]
    elif b"stco" in found:
        offsets = rows(data, found[b"stco"], ">u4", 1)[:, 0]
    else:
        raise InvalidIndex("A track has no table of chunk offsets.")
    if ((offsets < 0) | (offsets > MAX_OFFSET)).any():
        raise InvalidIndex("A chunk lies beyond any file's end.")
    return offsets
