"""Reads the boxes of fragmented MP4 (ISO/IEC 14496-12; RFC 8216 section 3.3), and computes the times of samples.

libavformat is not used: its times depend on edit lists and flags.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from mam.errors import MediaError, readable

CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf"})
MAX_SAMPLES = 100_000  # A run has at most this many samples: half an hour of sound.
NON_SYNC = 0x10000  # sample_is_non_sync_sample
KINDS = {b"vide": "video", b"soun": "audio", b"subt": "subtitles", b"text": "subtitles"}


class InvalidBoxes(MediaError):
    code, title = "invalid_boxes", "The boxes of an fMP4 file contradict themselves"


@dataclass(frozen=True, slots=True)
class InitTrack:
    """A track of an initialization section. `shift`: seconds that the edit list adds. Defaults are from `trex`."""

    number: int
    kind: str = ""
    timescale: int = 1
    shift: Fraction = Fraction(0)
    duration: int = 0
    size: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class InitFacts:
    """An initialization section. `timed`: mvhd or tkhd has a duration. `samples`: their number in the sample tables."""

    brands: tuple[str, ...]
    tracks: dict[int, InitTrack]
    extended: bool  # mvex
    timed: bool
    samples: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample. `pts`, `duration`: seconds. `data`: the place of its bytes in the segment."""

    pts: Fraction
    duration: Fraction
    key: bool
    data: slice


@dataclass(frozen=True, slots=True)
class Fragment:
    """A track's part of a segment, in ticks. `tfdt`: None when a traf has none. `end`: the expected next tfdt.

    `relative`: every traf is addressed from its moof. `broken`: the number of fragments that do not continue.
    """

    tfdt: int | None
    end: int
    relative: bool
    broken: int
    samples: tuple[Sample, ...]


def walk(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of the content, end) of each box in data[start:end]. Raises InvalidBoxes."""
    while start < end:
        if start + 8 > end:
            raise InvalidBoxes(f"The box at byte {start} is cut off.")
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise InvalidBoxes(
                f"The box {readable(kind)} at byte {start} has a size of {size}, {end - start} bytes are left."
            )
        yield kind, start + head, start + size
        start += size


def leaves(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of every box that is no container, in order."""
    for kind, low, high in walk(data, start, end):
        if kind in CONTAINERS:
            yield from leaves(data, low, high)
        else:
            yield kind, data[low:high]


def read_init(data: bytes) -> InitFacts:
    """Reads an initialization section. Raises InvalidBoxes."""
    brands: tuple[str, ...] = ()
    tracks: dict[int, InitTrack] = {}
    extended, timed, samples = False, False, 0
    try:
        for kind, low, high in walk(data, 0, len(data)):
            if kind == b"ftyp":
                names = data[low : low + 4] + data[low + 8 : high]
                brands = tuple(names[i : i + 4].decode("latin-1") for i in range(0, len(names), 4))
            if kind != b"moov":
                continue
            for inner_kind, start, end in walk(data, low, high):
                if inner_kind == b"mvhd":
                    scale, duration = _scale(data[start:end])
                    timed |= duration > 0
                elif inner_kind == b"trak":
                    track, listed, has_duration = _track(list(leaves(data, start, end)), scale)
                    tracks[track.number] = track
                    samples += listed
                    timed |= has_duration
                elif inner_kind == b"mvex":
                    extended = True
                    _defaults(data[start:end], tracks)
    except (struct.error, IndexError, UnboundLocalError) as error:
        raise InvalidBoxes("The initialization section is cut off.") from error
    return InitFacts(brands, tracks, extended, timed, samples)


def _scale(content: bytes) -> tuple[int, int]:
    """Time scale and duration of mvhd or mdhd."""
    scale, duration = struct.unpack_from(">IQ", content, 20) if content[0] else struct.unpack_from(">II", content, 12)
    return scale, duration


def _track(boxes: list[tuple[bytes, bytes]], movie_scale: int) -> tuple[InitTrack, int, bool]:
    """The track, the number of samples in its tables, and whether it has a duration."""
    track, edits, samples, timed = InitTrack(0), b"", 0, False
    for kind, content in boxes:
        if kind == b"tkhd":
            offset = 20 if content[0] else 12
            number, _, duration = struct.unpack_from(">IIQ" if content[0] else ">III", content, offset)
            track, timed = replace(track, number=number), duration > 0
        elif kind == b"mdhd":
            track = replace(track, timescale=_scale(content)[0] or 1)
        elif kind == b"hdlr" and not track.kind:
            track = replace(track, kind=KINDS.get(content[8:12], "other"))
        elif kind == b"elst":
            edits = content
        elif kind == b"stsz":
            samples = struct.unpack_from(">I", content, 8)[0]
    return replace(track, shift=_shift(edits, movie_scale, track.timescale)), samples, timed


def _shift(edits: bytes, movie_scale: int, timescale: int) -> Fraction:
    """Seconds from composition to presentation times: empty edits add, the first edit's media time subtracts."""
    shift = Fraction(0)
    if not edits:
        return shift
    layout = struct.Struct(">Qqhh" if edits[0] else ">Iihh")
    for number in range(struct.unpack_from(">I", edits, 4)[0]):
        duration, media_time, _, _ = layout.unpack_from(edits, 8 + number * layout.size)
        if media_time >= 0:
            return shift - Fraction(media_time, timescale)
        shift += Fraction(duration, movie_scale or 1)
    return shift


def _defaults(content: bytes, tracks: dict[int, InitTrack]) -> None:
    for kind, low, _ in walk(content, 0, len(content)):
        if kind == b"trex":
            number, _, duration, size, flags = struct.unpack_from(">IIIII", content, low + 4)
            if number in tracks:
                tracks[number] = replace(tracks[number], duration=duration, size=size, flags=flags)


def read_fragments(data: bytes, init: InitFacts) -> dict[int, Fragment]:
    """The fragments of a segment, by track number. Raises InvalidBoxes."""
    by_track: dict[int, Fragment] = {}
    try:
        for kind, low, high in walk(data, 0, len(data)):
            if kind == b"moov":
                raise InvalidBoxes("The segment holds a moov: it is a whole file, or has its own initialization.")
            if kind != b"moof":
                continue
            for inner_kind, start, end in walk(data, low, high):
                if inner_kind == b"traf":
                    number, part = _traf(list(leaves(data, start, end)), low - 8, init)
                    by_track[number] = _joined(by_track[number], part) if number in by_track else part
    except (struct.error, IndexError) as error:
        raise InvalidBoxes("A fragment is cut off.") from error
    for number, part in by_track.items():
        if any(sample.data.stop > len(data) for sample in part.samples):
            raise InvalidBoxes(f"Samples of track {number} lie beyond the end of the segment.")
    return by_track


def _joined(first: Fragment, second: Fragment) -> Fragment:
    broken = first.broken + (second.tfdt != first.end)
    tfdt = first.tfdt if second.tfdt is not None else None
    return Fragment(tfdt, second.end, first.relative and second.relative, broken, first.samples + second.samples)


def _traf(boxes: list[tuple[bytes, bytes]], moof: int, init: InitFacts) -> tuple[int, Fragment]:
    track, tfdt, base, relative = InitTrack(0), None, moof, False
    runs = []
    for kind, content in boxes:
        if kind == b"tfhd":
            track, base, relative = _header(content, moof, init)
        elif kind == b"tfdt":
            (tfdt,) = struct.unpack_from(">Q" if content[0] else ">I", content, 4)
        elif kind == b"trun":
            runs.append(content)
    samples: list[Sample] = []
    clock, position = tfdt or 0, base
    for run in runs:
        clock, position = _run(run, track, clock, base, position, samples)
    return track.number, Fragment(tfdt, clock, relative, 0, tuple(samples))


def _header(content: bytes, moof: int, init: InitFacts) -> tuple[InitTrack, int, bool]:
    """tfhd: the track with its defaults, the base of offsets, and whether the base is the moof."""
    flags, number = int.from_bytes(content[1:4], "big"), struct.unpack_from(">I", content, 4)[0]
    if number not in init.tracks:
        raise InvalidBoxes(f"It holds track {number}, which the initialization section does not have.")
    track, offset, base = init.tracks[number], 8, moof
    if flags & 0x1:
        (base,) = struct.unpack_from(">Q", content, offset)
        offset += 8
    offset += 4 if flags & 0x2 else 0
    for bit, name in ((0x8, "duration"), (0x10, "size"), (0x20, "flags")):
        if flags & bit:
            track = replace(track, **{name: struct.unpack_from(">I", content, offset)[0]})
            offset += 4
    return track, base, bool(flags & 0x20000) and not flags & 0x1


def _run(
    content: bytes, track: InitTrack, clock: int, base: int, position: int, samples: list[Sample]
) -> tuple[int, int]:
    """Appends the samples of a trun; returns the decode time and place of the next sample."""
    flags, count = int.from_bytes(content[1:4], "big"), struct.unpack_from(">I", content, 4)[0]
    if count > MAX_SAMPLES:
        raise InvalidBoxes(f"A trun claims {count} samples.")
    field_offset, first_flags = 8, None
    if flags & 0x1:
        position = base + struct.unpack_from(">i", content, field_offset)[0]
        field_offset += 4
    if flags & 0x4:
        (first_flags,) = struct.unpack_from(">I", content, field_offset)
        field_offset += 4
    signed = "i" if content[0] else "I"
    fields = [(0x100, "I"), (0x200, "I"), (0x400, "I"), (0x800, signed)]
    row = struct.Struct(">" + "".join(code for bit, code in fields if flags & bit))
    for number in range(count):
        values = iter(row.unpack_from(content, field_offset + number * row.size))
        duration = next(values) if flags & 0x100 else track.duration
        size = next(values) if flags & 0x200 else track.size
        sample_flags = next(values) if flags & 0x400 else track.flags
        composition = next(values) if flags & 0x800 else 0
        if number == 0 and first_flags is not None:
            sample_flags = first_flags
        pts = Fraction(clock + composition, track.timescale) + track.shift
        samples.append(
            Sample(
                pts, Fraction(duration, track.timescale), not sample_flags & NON_SYNC, slice(position, position + size)
            )
        )
        clock, position = clock + duration, position + size
    return clock, position
