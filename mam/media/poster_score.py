"""Which picture stands best for a film: one that shows something, and is neither black, blurred nor a title card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mam.media.stills import Pixels

Grey = npt.NDArray[np.float32]

LOOKED_AT = 320  # pixels of the longer side that a judgement goes by: grain is gone, edges are not
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
DARK, BRIGHT = 40.0, 215.0  # mean luma beyond which a picture loses
BLACK, WHITE = 12.0, 245.0  # and from here on it is worth next to nothing
CONTRAST = 30.0  # standard deviation of luma that is halfway to all there can be
SHARP = 150.0  # variance of the Laplacian likewise
COLOURFUL = 25.0  # Hasler and Suesstrunk's measure likewise: theirs for "slightly to moderately colourful"
FLAT, ALL_FLAT = 0.35, 0.85  # part of the picture in one colour: from little to title card
LEVELS = 12  # of each channel, by which colours count as one
GOOD = 0.2  # a score that needs no further search


@dataclass(frozen=True, slots=True)
class Score:
    """Each from 0 to 1. `exposure`: neither black nor white; `variety`: not one flat colour."""

    exposure: float
    contrast: float
    sharpness: float
    colour: float
    variety: float

    @property
    def total(self) -> float:
        """What is black, white or flat is beaten by anything else, what is blurred by most; the rest is a matter of
        degree."""
        quality = 0.05 + 0.65 * self.contrast + 0.3 * self.colour
        return self.exposure * self.variety * (0.1 + 0.9 * self.sharpness) * quality


class Choice:
    """The best of the pictures that were added."""

    def __init__(self) -> None:
        self.pixels: Pixels | None = None
        self._worth = -1.0

    @property
    def is_good(self) -> bool:
        """Whether there is no need to look further."""
        return self._worth >= GOOD

    def add(self, pixels: Pixels) -> None:
        if (worth := judge(pixels).total) > self._worth:
            self.pixels, self._worth = pixels, worth


def judge(pixels: Pixels) -> Score:
    """What a picture is worth as a poster."""
    small = _small(pixels)
    grey: Grey = small @ LUMA
    mean = float(grey.mean())
    return Score(
        exposure=min(_between(mean, BLACK, DARK), _between(mean, WHITE, BRIGHT)),
        contrast=_much(float(grey.std()), CONTRAST),
        sharpness=_much(_laplacian(grey), SHARP),
        colour=_much(_colourfulness(small), COLOURFUL),
        variety=_between(_flatness(small), ALL_FLAT, FLAT),
    )


def _between(value: float, nothing: float, everything: float) -> float:
    """0 at `nothing` and beyond, 1 at `everything` and beyond; a hundredth at least, so that products still differ."""
    return min(max((value - nothing) / (everything - nothing), 0.01), 1.0)


def _much(value: float, half: float) -> float:
    """From 0 to 1: the more the better, but ever less so."""
    return value / (value + half)


def _small(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Means of square blocks, as many as it takes to come down to `LOOKED_AT`."""
    step = max(1, -(-max(pixels.shape[:2]) // LOOKED_AT))
    height, width = (max(side // step, 1) for side in pixels.shape[:2])
    block = pixels[: height * step, : width * step].astype(np.float32)
    if block.shape[:2] != (height * step, width * step):  # a side shorter than a block
        return block
    means: npt.NDArray[np.float32] = block.reshape(height, step, width, step, 3).mean(axis=(1, 3))
    return means


def _laplacian(grey: Grey) -> float:
    """The variance of the second derivative: high where there are edges."""
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


def _colourfulness(small: npt.NDArray[np.float32]) -> float:
    """Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003)."""
    red, green, blue = (small[..., channel] for channel in range(3))
    across, along = red - green, (red + green) / 2 - blue
    return float(np.hypot(across.std(), along.std()) + 0.3 * np.hypot(across.mean(), along.mean()))


def _flatness(small: npt.NDArray[np.float32]) -> float:
    """The part of the picture that has the commonest colour."""
    levels = (small * (LEVELS / 256)).astype(np.int64)
    colours = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    return float(np.bincount(colours.ravel()).max()) / colours.size
