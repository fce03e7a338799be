"""Sound whose samples are single frames, as in QuickTime: sample tables of a few bytes for hours of PCM.

A frame is one number per channel. Frames are read in runs, as by libavformat's demuxer: a packet for each of 48,000
frames per second would be too slow. QuickTime's own codecs (IMA, MACE) are counted in the same way; they pack several
frames into a few bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from mam.errors import TruncatedMedia
from mam.mp4 import tables
from mam.mp4.boxes import Box, InvalidIndex, boxes
from mam.mp4.edits import MAX_TICKS
from mam.mp4.tables import MAX_SAMPLES, Ints, NoSampleTables, unpack

RUN = 1024  # A run has at most this many frames.
LARGE = 160  # With this many frames in a packet, decoders take only one packet at a time (GSM).
MAX_CHANNELS = 64
MAX_PACKET = 1 << 16  # A packet has at most this many bytes.
# A packet has at most this many frames: ADPCM has two per byte of a channel, QDM2 some thousands.
MAX_TOGETHER = 1 << 14
_ENTRY = 8 + 28  # An AudioSampleEntry has this many bytes before its boxes, including its header.
_BITS = {b"in24": 24, b"in32": 32, b"fl32": 32, b"fl64": 64, b"ulaw": 8, b"alaw": 8}
_BITS_BY_ENTRY = (b"sowt", b"twos", b"raw ", b"NONE", b"lpcm")  # The entry has the number of bits.
# Frames in a packet, and its bytes per channel.
_PACKETS = {b"ima4": (64, 34), b"MAC3": (6, 2), b"MAC6": (6, 1), b"agsm": (160, 33)}
_ISO = (b"ipcm", b"fpcm")  # A box in the entry has the number of bits (ISO/IEC 23003-5).


@dataclass(frozen=True, slots=True)
class Packed:
    """The packing of a track of `frames`, `delta` ticks each; `together` of them are a packet of `size` bytes."""

    frames: int
    delta: int
    size: int
    together: int = 1

    @property
    def run(self) -> int:
        """The number of frames that are read at a time."""
        return self.together if self.together >= LARGE else RUN // self.together * self.together


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of frames: bytes of the object, and ticks of the track's own time."""

    offset: Ints
    size: Ints
    dts: Ints
    duration: Ints


def find_packed(moov: bytes, children: dict[bytes, Box], object_size: int) -> Packed | None:
    """The packing of a sound; None when its samples are not single frames.

    `stsz` has one size for all frames, which old writers set to 1 byte: the sample description has the real one. Raises
    TruncatedMedia when an object of that size cannot hold the frames.
    """
    if not {b"stsd", b"stsz", b"stts"} <= children.keys():
        return None
    uniform, count = unpack(">II", moov, children[b"stsz"], 4)
    first = next(boxes(moov, children[b"stsd"].payload + 8, children[b"stsd"].end), None)
    entry = moov[first.start : first.end] if first else b""
    deltas = np.unique(tables.rows(moov, children[b"stts"], ">u4", 2)[:, 1]).tolist()
    delta = deltas[0] if len(deltas) == 1 else 0
    size, together = frame_size(entry), 1
    if delta == 1 and not size:
        size, together = packet(entry) or (None, 1)
    if not uniform or not size:
        return None
    if not (delta == 1 or uniform == size) or not 0 < count * delta < MAX_TICKS:
        return None
    if count // together * size > object_size:
        raise TruncatedMedia(f"{count} frames of sound do not fit into an object of {object_size} bytes.")
    return Packed(count, delta, size, together)


def frame_size(entry: bytes) -> int | None:
    """The bytes of a PCM frame by the sample entry (QuickTime File Format, "Sound Sample Descriptions"), or None."""
    kind = entry[4:8]
    if kind not in (*_BITS, *_BITS_BY_ENTRY, *_ISO) or len(entry) < _ENTRY:
        return None
    version, channels, bits = struct.unpack_from(">H6xHH", entry, 16)
    if version == 2 and kind not in _ISO:
        if len(entry) < _ENTRY + 36:
            return None
        channels, bits = struct.unpack_from(">I4xI", entry, _ENTRY + 12)
    elif kind in _ISO:
        bits = _iso_bits(entry)
    bits = _BITS.get(kind, bits)
    if not 0 < channels <= MAX_CHANNELS or bits not in (8, 16, 24, 32, 64):
        return None
    return int(channels * bits // 8)


def packet(entry: bytes) -> tuple[int, int] | None:
    """(bytes of a packet, frames in it) of sound with constant packing; None when the packing is unknown.

    QuickTime's own codecs define it, whatever the sample entry says; for others, entries of version 1
    (samplesPerPacket, bytesPerFrame) and 2 (constLPCMFramesPerAudioPacket, constBytesPerAudioPacket) have it.
    """
    if len(entry) < _ENTRY:
        return None
    version, channels = struct.unpack_from(">H6xH", entry, 16)
    if entry[4:8] in _PACKETS and 0 < channels <= MAX_CHANNELS:
        together, size = _PACKETS[entry[4:8]]
        return size * channels, together
    if version == 1 and len(entry) >= _ENTRY + 16:
        together, size = struct.unpack_from(">I4xI", entry, _ENTRY)
    elif version == 2 and len(entry) >= _ENTRY + 36:
        size, together = struct.unpack_from(">II", entry, _ENTRY + 28)
    else:
        return None
    return (size, together) if 1 < together <= MAX_TOGETHER and 0 < size <= MAX_PACKET else None


def _iso_bits(entry: bytes) -> int:
    try:
        for box in boxes(entry, _ENTRY, len(entry)):
            if box.kind == b"pcmC" and box.end - box.payload >= 6:
                return entry[box.payload + 5]
    except InvalidIndex:
        pass
    return 0


def read_runs(moov: bytes, children: dict[bytes, Box], packed: Packed, *, end: int | None) -> Runs:
    """The frames that begin before `end` (ticks), in runs that do not cross chunks.

    Raises InvalidIndex when the chunks have fewer frames, NoSampleTables for too many runs.
    """
    total = packed.frames if end is None else min(packed.frames, max(0, -(-end // packed.delta)))
    chunk, frames = tables.chunks(moov, children, packed.frames)
    begins = np.cumsum(frames) - frames
    if int(frames.sum()) < packed.frames:
        raise InvalidIndex("Box 'stsc' describes fewer samples than the track has.")
    frames = np.clip(total - begins, 0, frames)
    count = -(-frames // packed.run)
    if int(count.sum()) > MAX_SAMPLES:
        raise NoSampleTables(f"{int(count.sum())} runs of frames in one track")
    chunk_of_run = np.repeat(np.arange(len(chunk)), count)
    number_in_chunk = np.arange(len(chunk_of_run)) - np.repeat(np.cumsum(count) - count, count)
    length = np.minimum(packed.run, frames[chunk_of_run] - packed.run * number_in_chunk)
    offset = chunk[chunk_of_run] + number_in_chunk * (packed.run // packed.together * packed.size)
    dts = (begins[chunk_of_run] + packed.run * number_in_chunk) * packed.delta
    return Runs(offset, -(-length // packed.together) * packed.size, dts, length * packed.delta)
