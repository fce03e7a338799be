"""Tracks as the `moov` box describes them: what each is, how large, which way up, how its edit list reads."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice

from mam.errors import NotAVideo, readable
from mam.mp4.boxes import Box, InvalidIndex, below, boxes, header, leaves
from mam.mp4.edits import read_edits
from mam.mp4.tables import NoSampleTables, unpack

VIDEO, SOUND = MEDIA = ("vide", "soun")  # handlers
MAX_TRACKS = 64
MAX_BOXES = 5_000  # in one moov, wherever they lie in it: 64 tracks have two thousand
MAX_DESCRIBED = 8  # parts of an edit list that people are told of
UNIT = 1 << 16  # of a matrix
UPRIGHT = (UNIT, 0, 0, UNIT)


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """A track as the `moov` box describes it. `number` counts tracks from 0, as libavformat's streams do.

    `matrix`: a, b, c, d of `tkhd` and `mvhd` together, in units of 1/65536: (1, 0, 0, 1) is upright.
    """

    number: int
    kind: str  # the handler: vide, soun, text, sbtl, ...
    sample_entry: str  # avc1, mp4a, hvc1, ...
    matrix: tuple[int, int, int, int]
    size: tuple[int, int] = field(default=(0, 0), compare=False)  # by `tkhd`, in pixels as they are shown


def payload_of(moov: bytes) -> int:
    """Where the boxes in the `moov` box begin: behind a header of 8 or, with a 64-bit size, 16 bytes."""
    found = header(moov, 0, len(moov))
    return found[1] if found else 8


def track_boxes(moov: bytes) -> list[Box]:
    """The `trak` boxes. Raises NotAVideo for none, InvalidIndex for a crowd."""
    found = [box for box in boxes(moov, payload_of(moov), len(moov)) if box.kind == b"trak"]
    if not found:
        raise NotAVideo("The file has no tracks.")
    if len(found) > MAX_TRACKS:
        raise InvalidIndex(f"The file has {len(found)} tracks.")
    return found


def check_crowd(moov: bytes) -> None:
    """Raises InvalidIndex for more than MAX_BOXES boxes altogether: each is passed again and again from here on.

    Of a damaged track the boxes in front of the damage count.
    """
    tracks = (intact(below(moov, trak.payload, trak.end)) for trak in track_boxes(moov))
    if next(islice(chain(boxes(moov, payload_of(moov), len(moov)), *tracks), MAX_BOXES, None), None):
        raise InvalidIndex(f"The index has more than {MAX_BOXES} boxes.")


def intact(found: Iterator[Box]) -> Iterator[Box]:
    with suppress(InvalidIndex):
        yield from found


def read_headers(moov: bytes) -> list[TrackHeader]:
    """All tracks. Raises InvalidIndex when one does not say what it is, NotAVideo when there are none."""
    return [read_header(moov, number, trak) for number, trak in enumerate(track_boxes(moov))]


def read_header(moov: bytes, number: int, trak: Box) -> TrackHeader:
    """One track. Raises InvalidIndex when it does not say what it is."""
    found = leaves(moov, trak.payload, trak.end)
    kind = handler(moov, found, number)
    media = kind in ("vide", "soun", "text", "sbtl", "subt")
    entry = _sample_entry(moov, found, number) if media else ""
    return TrackHeader(number, kind, entry, _matrix(moov, found), _track_size(moov, found))


def describe_edits(moov: bytes) -> dict[int, str]:
    """For people: what each track's edit list does, by track number; tracks without one are left out."""
    top = {box.kind: box for box in boxes(moov, payload_of(moov), len(moov))}
    described = {}
    for number, trak in enumerate(track_boxes(moov)):
        found = {box.kind: box for box in intact(below(moov, trak.payload, trak.end))}
        if not {b"mdhd", b"elst"} <= found.keys() or b"mvhd" not in top:
            continue
        try:
            edits = read_edits(moov, found)
            movie, media = timescale_of(moov, top[b"mvhd"]), timescale_of(moov, found[b"mdhd"])
        except (NoSampleTables, InvalidIndex) as reason:
            described[number] = str(reason)
            continue
        parts = [f"{length / movie:.3f} s empty" if at < 0 else f"from {at / media:.3f} s on" for length, at in edits]
        more = [f"and {len(parts) - MAX_DESCRIBED} more"] if len(parts) > MAX_DESCRIBED else []
        described[number] = ", ".join(parts[:MAX_DESCRIBED] + more)
    return described


def handler(moov: bytes, found: dict[bytes, Box], number: int) -> str:
    """`vide`, `soun` or another kind of track. Raises InvalidIndex when the track does not say."""
    if b"hdlr" not in found:
        raise InvalidIndex(f"Track {number} has no handler.")
    return bytes(unpack(">4s", moov, found[b"hdlr"], 8)[0]).decode("latin-1")


def _matrix(moov: bytes, found: dict[bytes, Box]) -> tuple[int, int, int, int]:
    """a, b, c, d of `tkhd`'s matrix and then of `mvhd`'s: what is shown passes through both (section 6.2.2).

    They stand 40 or (version 1) 52 bytes into `tkhd`, and 36 or 48 into `mvhd`.
    """
    mvhd = next((box for box in boxes(moov, payload_of(moov), len(moov)) if box.kind == b"mvhd"), None)
    a, b, c, d = _one_matrix(moov, found.get(b"tkhd"), 40)
    e, f, g, h = _one_matrix(moov, mvhd, 36)
    product = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
    first, second, third, fourth = (value / UNIT for value in product)
    return (round(first), round(second), round(third), round(fourth))


def _track_size(moov: bytes, found: dict[bytes, Box]) -> tuple[int, int]:
    """Width and height, the last words of `tkhd`: 16.16 numbers."""
    tkhd = found.get(b"tkhd")
    if tkhd is None or tkhd.end - tkhd.payload < 84:
        return (0, 0)
    width, height = struct.unpack_from(">2I", moov, tkhd.end - 8)
    return (width >> 16, height >> 16)


def _one_matrix(moov: bytes, box: Box | None, at: int) -> tuple[int, int, int, int]:
    """Upright where there is none, or where it is all zeros, as some writers leave it."""
    if box is None:
        return UPRIGHT
    (version,) = unpack(">B", moov, box, 0)
    a, b, _, c, d = unpack(">5i", moov, box, at + 12 if version == 1 else at)
    return (a, b, c, d) if a or b or c or d else UPRIGHT


def timescale_of(moov: bytes, box: Box) -> int:
    """Ticks a second, from `mvhd` or `mdhd`: both have it behind two times, of 4 or (version 1) 8 bytes."""
    (version,) = unpack(">B", moov, box, 0)
    (timescale,) = unpack(">I", moov, box, 20 if version == 1 else 12)
    if not 0 < timescale < 1 << 31:
        raise InvalidIndex(f"Box {readable(box.kind)} has a time scale of {timescale}.")
    return int(timescale)


def _sample_entry(moov: bytes, found: dict[bytes, Box], number: int) -> str:
    if b"stsd" not in found:
        raise InvalidIndex(f"Track {number} does not say how it is coded (it has no stsd box).")
    return bytes(unpack(">4s", moov, found[b"stsd"], 12)[0]).decode("latin-1")
