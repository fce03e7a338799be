"""Track headers of the `moov` box: kind, size, orientation, and edit list of each track."""

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

VIDEO, SOUND = MEDIA = ("vide", "soun")  # The handlers of video and audio tracks.
MAX_TRACKS = 64
MAX_BOXES = 5_000  # A moov has at most this many boxes on all levels: 64 tracks have two thousand.
MAX_DESCRIBED = 8  # This many parts of an edit list are described.
UNIT = 1 << 16  # The value 1 in a matrix.
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
    size: tuple[int, int] = field(default=(0, 0), compare=False)  # by `tkhd`, in shown pixels


def payload_of(moov: bytes) -> int:
    """The position of the first box in the `moov` box: after a header of 8 or, with a 64-bit size, 16 bytes."""
    top = header(moov, 0, len(moov))
    return top[1] if top else 8


def track_boxes(moov: bytes) -> list[Box]:
    """The `trak` boxes. Raises NotAVideo for none, InvalidIndex for too many."""
    traks = [box for box in boxes(moov, payload_of(moov), len(moov)) if box.kind == b"trak"]
    if not traks:
        raise NotAVideo("The file has no tracks.")
    if len(traks) > MAX_TRACKS:
        raise InvalidIndex(f"The file has {len(traks)} tracks.")
    return traks


def check_crowd(moov: bytes) -> None:
    """Raises InvalidIndex for more than MAX_BOXES boxes altogether: each is read several times from here on.

    For a damaged track the boxes before the damage count.
    """
    tracks = (intact(below(moov, trak.payload, trak.end)) for trak in track_boxes(moov))
    if next(islice(chain(boxes(moov, payload_of(moov), len(moov)), *tracks), MAX_BOXES, None), None):
        raise InvalidIndex(f"The index has more than {MAX_BOXES} boxes.")


def intact(candidates: Iterator[Box]) -> Iterator[Box]:
    """The boxes up to the first damaged one."""
    with suppress(InvalidIndex):
        yield from candidates


def read_headers(moov: bytes) -> list[TrackHeader]:
    """All tracks. Raises InvalidIndex when the kind of one is unknown, NotAVideo when there are none."""
    return [read_header(moov, number, trak) for number, trak in enumerate(track_boxes(moov))]


def read_header(moov: bytes, number: int, trak: Box) -> TrackHeader:
    """One track. Raises InvalidIndex when its kind is unknown."""
    children = leaves(moov, trak.payload, trak.end)
    kind = handler(moov, children, number)
    media = kind in ("vide", "soun", "text", "sbtl", "subt")
    entry = _sample_entry(moov, children, number) if media else ""
    return TrackHeader(number, kind, entry, _matrix(moov, children), _track_size(moov, children))


def describe_edits(moov: bytes) -> dict[int, str]:
    """A description of each track's edit list, by track number; tracks without one are left out."""
    top = {box.kind: box for box in boxes(moov, payload_of(moov), len(moov))}
    described = {}
    for number, trak in enumerate(track_boxes(moov)):
        children = {box.kind: box for box in intact(below(moov, trak.payload, trak.end))}
        if not {b"mdhd", b"elst"} <= children.keys() or b"mvhd" not in top:
            continue
        try:
            edits = read_edits(moov, children)
            movie, media = timescale_of(moov, top[b"mvhd"]), timescale_of(moov, children[b"mdhd"])
        except (NoSampleTables, InvalidIndex) as reason:
            described[number] = str(reason)
            continue
        parts = [
            f"{length / movie:.3f} s empty" if time < 0 else f"from {time / media:.3f} s on" for length, time in edits
        ]
        more = [f"and {len(parts) - MAX_DESCRIBED} more"] if len(parts) > MAX_DESCRIBED else []
        described[number] = ", ".join(parts[:MAX_DESCRIBED] + more)
    return described


def handler(moov: bytes, children: dict[bytes, Box], number: int) -> str:
    """`vide`, `soun` or another kind of track. Raises InvalidIndex without a handler."""
    if b"hdlr" not in children:
        raise InvalidIndex(f"Track {number} has no handler.")
    return bytes(unpack(">4s", moov, children[b"hdlr"], 8)[0]).decode("latin-1")


def _matrix(moov: bytes, children: dict[bytes, Box]) -> tuple[int, int, int, int]:
    """a, b, c, d of the product of the matrices of `tkhd` and `mvhd`, which both apply to the picture (section 6.2.2).

    They are 40 or (version 1) 52 bytes into `tkhd`, and 36 or 48 into `mvhd`.
    """
    mvhd = next((box for box in boxes(moov, payload_of(moov), len(moov)) if box.kind == b"mvhd"), None)
    a, b, c, d = _one_matrix(moov, children.get(b"tkhd"), 40)
    e, f, g, h = _one_matrix(moov, mvhd, 36)
    product = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
    first, second, third, fourth = (value / UNIT for value in product)
    return (round(first), round(second), round(third), round(fourth))


def _track_size(moov: bytes, children: dict[bytes, Box]) -> tuple[int, int]:
    """Width and height, the last words of `tkhd`: 16.16 numbers."""
    tkhd = children.get(b"tkhd")
    if tkhd is None or tkhd.end - tkhd.payload < 84:
        return (0, 0)
    width, height = struct.unpack_from(">2I", moov, tkhd.end - 8)
    return (width >> 16, height >> 16)


def _one_matrix(moov: bytes, box: Box | None, offset: int) -> tuple[int, int, int, int]:
    """The matrix of a box; upright where there is none, or where it is all zeros, as from some writers."""
    if box is None:
        return UPRIGHT
    (version,) = unpack(">B", moov, box, 0)
    a, b, _, c, d = unpack(">5i", moov, box, offset + 12 if version == 1 else offset)
    return (a, b, c, d) if a or b or c or d else UPRIGHT


def timescale_of(moov: bytes, box: Box) -> int:
    """Ticks per second, from `mvhd` or `mdhd`: both have it after two times of 4 or (version 1) 8 bytes."""
    (version,) = unpack(">B", moov, box, 0)
    (timescale,) = unpack(">I", moov, box, 20 if version == 1 else 12)
    if not 0 < timescale < 1 << 31:
        raise InvalidIndex(f"Box {readable(box.kind)} has a time scale of {timescale}.")
    return int(timescale)


def _sample_entry(moov: bytes, children: dict[bytes, Box], number: int) -> str:
    if b"stsd" not in children:
        raise InvalidIndex(f"Track {number} does not say how it is coded (it has no stsd box).")
    return bytes(unpack(">4s", moov, children[b"stsd"], 12)[0]).decode("latin-1")
