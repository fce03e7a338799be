"""What colours a picture has: by the container's word, else the codec's, else what players take for granted.

Numbers are those of ISO/IEC 23091-2; 2 is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from mam.mp4 import entries
from mam.mp4.bits import UNSPECIFIED, Colour

PQ, HLG = 16, 18  # transfers
BT709, BT601, BT2020 = 1, 6, 9  # matrices and primaries
HD_WIDTH, HD_HEIGHT = 1280, 576  # from here on players take a picture that does not say so for BT.709
_ALIKE = {5: BT601, 10: BT2020}  # matrices that differ in name alone, or in nothing that can be seen
_NARROW = frozenset({BT709, 5, BT601, 7, UNSPECIFIED})  # primaries among which nobody sees a difference
_HDR = frozenset({PQ, HLG})

# as filters call them
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
             10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22"}  # fmt: skip
TRANSFERS = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
             10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
             16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}


@dataclass(frozen=True, slots=True)
class Colours:
    """`full_range`: None when it is not said."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool | None = None

    def over(self, other: Colours) -> Colours:
        """These, and where they do not say, the other's."""

        def first(mine: int, theirs: int) -> int:
            return mine if mine != UNSPECIFIED else theirs

        return Colours(
            first(self.primaries, other.primaries),
            first(self.transfer, other.transfer),
            first(self.matrix, other.matrix),
            self.full_range if self.full_range is not None else other.full_range,
        )

    def completed(self, width: int, height: int) -> Colours:
        """With the usual values where nothing is said: BT.2020 of HDR, else what players take the size for."""
        hdr = self.transfer in _HDR
        usual = usual_matrix(width, height)
        return self.over(Colours(BT2020 if hdr else usual, usual, BT2020 if hdr else usual, False))


def of_codec(said: Colour) -> Colours:
    """Colours by a codec's own words, which leave the range open unless it is the full one."""
    return Colours(said.primaries, said.transfer, said.matrix, said.full_range or None)


def of_container(entry: bytes) -> Colours:
    """Colours by the `colr` box of a sample entry."""
    words = entries.colour_words(entry)
    if words is None:
        return NOT_SAID
    said, ranged = words
    primaries, transfer, matrix = (
        value if value in names else UNSPECIFIED
        for value, names in ((said.primaries, PRIMARIES), (said.transfer, TRANSFERS), (said.matrix, MATRICES))
    )
    return Colours(primaries, transfer, matrix, said.full_range if ranged else None)


def usual_matrix(width: int, height: int) -> int:
    """What players take a picture of that size for when it does not say."""
    return BT709 if width >= HD_WIDTH or height > HD_HEIGHT else BT601


def differ(one: Colours, other: Colours) -> bool:
    """Whether pictures of one, shown as the other, look wrong. Both are complete."""
    return (
        _ALIKE.get(one.matrix, one.matrix) != _ALIKE.get(other.matrix, other.matrix)
        or (one.primaries != other.primaries and not {one.primaries, other.primaries} <= _NARROW)
        or (one.transfer != other.transfer and bool({one.transfer, other.transfer} & _HDR))
        or (one.full_range or False) != (other.full_range or False)
    )


def retagged(coded: Colours, shown: Colours) -> tuple[str, ...]:
    """The filter that tells the others what the frames do not say of themselves, or not rightly; none for all well."""
    said = [
        (name, names[mine])
        for name, mine, theirs, names in (
            ("colorspace", shown.matrix, coded.matrix, MATRICES),
            ("color_primaries", shown.primaries, coded.primaries, PRIMARIES),
            ("color_trc", shown.transfer, coded.transfer, TRANSFERS),
        )
        if mine != theirs and mine in names
    ]
    if shown.full_range is not None and shown.full_range != (coded.full_range or False):
        said.append(("range", "full" if shown.full_range else "limited"))
    return ("setparams=" + ":".join(f"{name}={value}" for name, value in said),) if said else ()


NOT_SAID = Colours()
