"""The container's display matrix: quarter turns, mirroring, or a transformation that is not supported."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

Matrix = Sequence[int]  # a, b, c, d: a point (x, y) is shown at (a x + c y, b x + d y)

OBLIQUE = 0.02  # A larger deviation from a quarter turn, relative to the axis (one degree), is visible.

# signs of a, b, c, d -> degrees clockwise, mirrored, and the filters that turn the picture upright
ORIENTATIONS: dict[tuple[int, int, int, int], tuple[int, bool, tuple[str, ...]]] = {
    (1, 0, 0, 1): (0, False, ()),
    (0, 1, -1, 0): (90, False, ("transpose=dir=clock",)),
    (-1, 0, 0, -1): (180, False, ("hflip", "vflip")),
    (0, -1, 1, 0): (270, False, ("transpose=dir=cclock",)),
    (-1, 0, 0, 1): (0, True, ("hflip",)),
    (1, 0, 0, -1): (180, True, ("vflip",)),
    (0, 1, 1, 0): (270, True, ("transpose=dir=cclock_flip",)),
    (0, -1, -1, 0): (90, True, ("transpose=dir=clock_flip",)),
}


def upright(matrix: Matrix) -> tuple[int, bool, tuple[str, ...]]:
    """Degrees clockwise, whether the picture is mirrored, and the filters for both, of the nearest quarter turn.

    Scaling is ignored: players fit the picture into their window. A matrix that shows nothing is ignored.
    """
    a, b, c, d = matrix
    if abs(a * d) >= abs(b * c):
        b = c = 0
    else:
        a = d = 0
    signs = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    return ORIENTATIONS.get(signs, (0, False, ()))  # type: ignore[arg-type]


def unmet(matrix: Matrix) -> str:
    """The part of a matrix that `upright` does not apply, in words; '' when it applies all of it."""
    a, b, c, d = matrix
    if not (a or b) or not (c or d):
        return "its display matrix shows nothing; it is shown as it is" if (a or b or c or d) else ""
    turned = abs(a * d) < abs(b * c)
    along, across = ((b, a), (c, d)) if turned else ((a, b), (d, c))
    deviation = max(abs(along[1]) / hypot(*along), abs(across[1]) / hypot(*across))
    return (
        "its display matrix turns or slants it, of which whole quarters alone are carried over"
        if deviation > OBLIQUE
        else ""
    )
