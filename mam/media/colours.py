"""The colours of a picture: from the container, else from the codec, else as players assume them.

Numbers are those of ISO/IEC 23091-2; 2 is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from mam.mp4 import entries
from mam.mp4.bits import UNSPECIFIED, Colour

PQ, HLG = 16, 18  # Transfers.
BT709, BT601, BT2020 = 1, 6, 9  # Matrices and primaries.
HD_WIDTH, HD_HEIGHT = 1280, 576  # From this size on players take untagged pictures for BT.709.
_ALIKE = {5: BT601, 10: BT2020}  # Matrices that differ only in name, or invisibly.
_NARROW = frozenset({BT709, 5, BT601, 7, UNSPECIFIED})  # Primaries with invisible differences.
_HDR = frozenset({PQ, HLG})

# The names of filters.
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
             10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22"}  # fmt: skip
TRANSFERS = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
             10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
             16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours of a picture. `full_range`: None when it is unknown."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool | None = None

    def over(self, other: Colours) -> Colours:
        """These colours; where they are unknown, the other's."""

        def first(mine: int, theirs: int) -> int:
            return mine if mine != UNSPECIFIED else theirs

        return Colours(
            first(self.primaries, other.primaries),
            first(self.transfer, other.transfer),
            first(self.matrix, other.matrix),
            self.full_range if self.full_range is not None else other.full_range,
        )

    def completed(self, width: int, height: int) -> Colours:
        """These colours with defaults for unknown values: BT.2020 for HDR, else what players assume for the size."""
        hdr = self.transfer in _HDR
        usual = usual_matrix(width, height)
        return self.over(Colours(BT2020 if hdr else usual, usual, BT2020 if hdr else usual, False))


def of_codec(colour: Colour) -> Colours:
    """The colours of a codec's configuration, which leaves the range open unless it is full."""
    return Colours(colour.primaries, colour.transfer, colour.matrix, colour.full_range or None)


def of_container(entry: bytes) -> Colours:
    """The colours of a sample entry's `colr` box."""
    words = entries.container_colour(entry)
    if words is None:
        return NOT_SAID
    colour, has_range = words
    primaries, transfer, matrix = (
        value if value in names else UNSPECIFIED
        for value, names in ((colour.primaries, PRIMARIES), (colour.transfer, TRANSFERS), (colour.matrix, MATRICES))
    )
    return Colours(primaries, transfer, matrix, colour.full_range if has_range else None)


def usual_matrix(width: int, height: int) -> int:
    """The matrix that players assume for an untagged picture of that size."""
    return BT709 if width >= HD_WIDTH or height > HD_HEIGHT else BT601


def differ(one: Colours, other: Colours) -> bool:
    """Whether a picture of one, shown as the other, looks wrong. Both are complete."""
    return (
        _ALIKE.get(one.matrix, one.matrix) != _ALIKE.get(other.matrix, other.matrix)
        or (one.primaries != other.primaries and not {one.primaries, other.primaries} <= _NARROW)
        or (one.transfer != other.transfer and bool({one.transfer, other.transfer} & _HDR))
        or (one.full_range or False) != (other.full_range or False)
    )


def retagged(coded: Colours, shown: Colours) -> tuple[str, ...]:
    """The filter that corrects the frames' colour tags; none when they are right."""
    options = [
        (name, names[wanted])
        for name, wanted, present, names in (
            ("colorspace", shown.matrix, coded.matrix, MATRICES),
            ("color_primaries", shown.primaries, coded.primaries, PRIMARIES),
            ("color_trc", shown.transfer, coded.transfer, TRANSFERS),
        )
        if wanted != present and wanted in names
    ]
    if shown.full_range is not None and shown.full_range != (coded.full_range or False):
        options.append(("range", "full" if shown.full_range else "limited"))
    return ("setparams=" + ":".join(f"{name}={value}" for name, value in options),) if options else ()


NOT_SAID = Colours()
