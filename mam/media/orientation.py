"""How the container has a picture shown: turned by quarters, mirrored, or in a way that has no equivalent here."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

Matrix = Sequence[int]  # a, b, c, d: a point (x, y) is shown at (a x + c y, b x + d y)

OBLIQUE = 0.02  # of an axis's length: what is more off a quarter turn (one degree) can be seen

# signs of a, b, c, d -> degrees clockwise, mirrored, and what turns the picture upright
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
    """Degrees clockwise and whether it is mirrored, with the filters that do it, of the nearest quarter turn.

    Scaling does not count: a player fits the picture into what it has. A matrix that shows nothing is none.
    """
    a, b, c, d = matrix
    if abs(a * d) >= abs(b * c):
        b = c = 0
    else:
        a = d = 0
    signs = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    return ORIENTATIONS.get(signs, (0, False, ()))  # type: ignore[arg-type]


def unmet(matrix: Matrix) -> str:
    """What of a matrix has no equivalent here, in words; nothing when `upright` does what it says."""
    a, b, c, d = matrix
    if not (a or b) or not (c or d):
        return "its display matrix shows nothing; it is shown as it is" if (a or b or c or d) else ""
    turned = abs(a * d) < abs(b * c)
    along, across = ((b, a), (c, d)) if turned else ((a, b), (d, c))
    off = max(abs(along[1]) / hypot(*along), abs(across[1]) / hypot(*across))
    return (
        "its display matrix turns or slants it, of which whole quarters alone are carried over" if off > OBLIQUE else ""
    )
