"""Chooses a film's poster: a picture with content, neither black, blurred nor a title card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mam.media.stills import Pixels

Grey = npt.NDArray[np.float32]

SCORED_PIXELS = 320  # Pictures are scored at this longer side: grain is gone, edges are not.
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
DARK, BRIGHT = 40.0, 215.0  # The score falls when the mean luma is beyond these values.
BLACK, WHITE = 12.0, 245.0  # The score is nearly zero from these values on.
CONTRAST = 30.0  # This standard deviation of luma scores half of the maximum.
SHARP = 150.0  # This variance of the Laplacian scores half of the maximum.
COLOURFUL = 25.0  # This value of Hasler and Suesstrunk scores half: theirs for "slightly to moderately colourful".
FLAT, ALL_FLAT = 0.35, 0.85  # The part of the picture in one colour, from a normal picture to a title card.
LEVELS = 12  # Each channel is divided into this many levels, within which colours count as one.
GOOD = 0.2  # From this score on the search ends.


@dataclass(frozen=True, slots=True)
class Score:
    """Scores from 0 to 1. `exposure`: neither black nor white; `variety`: not one flat colour."""

    exposure: float
    contrast: float
    sharpness: float
    colour: float
    variety: float

    @property
    def total(self) -> float:
        """The whole score. Black, white and flat pictures lose against all others, blurred ones against most; otherwise
        the parts are weighed."""
        quality = 0.05 + 0.65 * self.contrast + 0.3 * self.colour
        return self.exposure * self.variety * (0.1 + 0.9 * self.sharpness) * quality


class Choice:
    """The best of the added pictures."""

    def __init__(self) -> None:
        self.pixels: Pixels | None = None
        self._worth = -1.0

    @property
    def is_good(self) -> bool:
        """Whether the search may end."""
        return self._worth >= GOOD

    def add(self, pixels: Pixels) -> None:
        if (worth := judge(pixels).total) > self._worth:
            self.pixels, self._worth = pixels, worth


def judge(pixels: Pixels) -> Score:
    """A picture's score as a poster."""
    small = _small(pixels)
    grey: Grey = small @ LUMA
    mean = float(grey.mean())
    return Score(
        exposure=min(_between(mean, BLACK, DARK), _between(mean, WHITE, BRIGHT)),
        contrast=_saturating(float(grey.std()), CONTRAST),
        sharpness=_saturating(_laplacian(grey), SHARP),
        colour=_saturating(_colourfulness(small), COLOURFUL),
        variety=_between(_flatness(small), ALL_FLAT, FLAT),
    )


def _between(value: float, zero_at: float, one_at: float) -> float:
    """From 0 at `zero_at` to 1 at `one_at`; at least a hundredth, so that products still differ."""
    return min(max((value - zero_at) / (one_at - zero_at), 0.01), 1.0)


def _saturating(value: float, half: float) -> float:
    """From 0 to 1, 0.5 at `half`: further increases count ever less."""
    return value / (value + half)


def _small(pixels: Pixels) -> npt.NDArray[np.float32]:
    """The picture scaled down to `SCORED_PIXELS`, by the means of square blocks."""
    step = max(1, -(-max(pixels.shape[:2]) // SCORED_PIXELS))
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
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    return float(np.hypot(red_green.std(), yellow_blue.std()) + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _flatness(small: npt.NDArray[np.float32]) -> float:
    """The part of the picture in its commonest colour."""
    levels = (small * (LEVELS / 256)).astype(np.int64)
    colours = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    return float(np.bincount(colours.ravel()).max()) / colours.size
