"""The limit of a token on the height of pictures (`max_height`): what is refused, and how that is said."""

from __future__ import annotations

from mam.errors import MamError
from mam.hls.heights import UNKNOWN, Sides, fits


class TooHigh(MamError):
    status, code, title = 403, "too_high", "The token does not permit such a high picture"
    hint = "Play the playlist without ?rendition=: it lists the pictures that the token permits."


ASK_FOR_LADDER = "Request the playlist with ?profile=ladder: a ladder has lower pictures too."
ASK_FOR_MORE = "Ask the operator of the page for a token with a larger max_height: no picture of the video is lower."
TELL_SIZES = "The tree of another tool needs a multivariant playlist with RESOLUTION on its variants."


def check(sides: Sides, rendition: str, most: int, *, is_ladder: bool) -> None:
    """Raises TooHigh where a rendition exceeds the limit, or, without the name of one, where all pictures do.

    `most`: the longest shorter side in pixels.
    """
    lowest = min(sides.values(), default=0)
    side = sides.get(rendition, 0) if rendition else lowest
    if fits(side, most):
        return
    if fits(lowest, most):
        raise too_high(side, most)
    hint = TELL_SIZES if lowest == UNKNOWN else ASK_FOR_MORE if is_ladder else ASK_FOR_LADDER
    raise too_high(side, most, hint=hint)


def too_high(side: int, most: int, *, hint: str | None = None) -> TooHigh:
    """The refusal of a picture that exceeds the limit. `side`: its shorter side, UNKNOWN where it is not told."""
    found = "How high the picture is, is not told" if side == UNKNOWN else f"The picture is {side} pixels high"
    return TooHigh(f"{found}; the token permits {most}.", hint=hint)
