"""Which frames of a film are shown as still pictures: key frames where they do, others where a film has few.

Pure: it reads the index alone.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from mam.hls.storyboard import Board
from mam.mp4.samples import Samples
from mam.mp4.tables import Ints

EDGE = Fraction(1, 20)  # of a film, at either end: logos and credits
EDGED_SECONDS = 8  # a shorter one has neither
MOST_OF_GROUP = 300  # frames
BUDGET = 7.0  # seconds of one core that a storyboard may take
# To decode a key frame of H.264 and make it small takes about so long, on one core of 2024.
BYTE_SECONDS, PIXEL_SECONDS = 76e-9, 2e-9


def seen_keys(samples: Samples, start: Fraction) -> Ints:
    """The key frames that are shown, in the order of their times. `start`: seconds at which the presentation begins.

    Where an edit list hides all of them, the last one before the presentation; none where there is no key frame.
    """
    keys = np.flatnonzero(samples.key)
    if samples.joins and samples.shown is not None and (samples.key & samples.shown).any():
        keys = np.flatnonzero(samples.key & samples.shown)  # what a part hides lies in another part's time
    keys = keys[np.argsort(samples.pts[keys], kind="stable")]
    begin = start * samples.timescale
    hidden = int(np.searchsorted(samples.pts[keys], float(begin), side="left"))
    return keys[min(hidden, max(len(keys) - 1, 0)) :]


def tile_frames(samples: Samples, board: Board, start: Fraction, *, pixels: int) -> list[int]:
    """For each tile the key frame that it shows: the last one up to its moment, else the first.

    `pixels`: of each. Where decoding all of them would take too long, neighbours share one.
    """
    keys = seen_keys(samples, start)
    moments = _moments(samples, board, start)
    places = np.searchsorted(samples.pts[keys], [math.ceil(moment) for moment in moments], side="right") - 1
    places = np.maximum(places, 0)
    different = np.unique(places)
    seconds = _cost(samples.size[keys[different]], pixels)
    kept = different[:: max(1, math.ceil(seconds / BUDGET))]
    return [int(key) for key in keys[kept[np.searchsorted(kept, places, side="right") - 1]]]


def all_tile_frames(samples: Samples, board: Board, start: Fraction, *, pixels: int) -> list[int] | None:
    """For each tile the frame at its moment, a key frame or not, where all of them can be decoded in time.

    None where key frames alone do as well, and where decoding everything takes too long: a short film may have one key
    frame, and that in the dark.
    """
    moments = _moments(samples, board, start)
    keys = seen_keys(samples, start)
    places = np.searchsorted(samples.pts[keys], [math.ceil(moment) for moment in moments], side="right")
    if len(np.unique(places)) == len(moments) or not len(keys) or samples.joins or _cost(samples.size, pixels) > BUDGET:
        return None
    shown = np.argsort(samples.pts, kind="stable")
    shown = shown[shown >= int(keys.min())]  # what comes before the first key frame is not decoded
    places = np.searchsorted(samples.pts[shown], [math.ceil(moment) for moment in moments], side="right") - 1
    return [int(number) for number in shown[np.maximum(places, 0)]]


def _moments(samples: Samples, board: Board, start: Fraction) -> list[Fraction]:
    """The moment of each tile, in ticks of the track."""
    return [(start + board.start(number)) * samples.timescale for number in range(len(board))]


def _cost(sizes: Ints, pixels: int) -> float:
    """Seconds of one core that it takes to decode frames of so many bytes, and pixels each."""
    return float(sizes.sum()) * BYTE_SECONDS + len(sizes) * pixels * PIXEL_SECONDS


def candidates(samples: Samples, start: Fraction, duration: Fraction, *, most: int, turn: int = 0) -> list[int]:
    """At most `most` key frames, evenly spread over the film but for its ends. `turn`: another one gives others."""
    keys = seen_keys(samples, start)
    edge = duration * EDGE if duration > EDGED_SECONDS else Fraction(0)
    low, high = (float((start + at) * samples.timescale) for at in (edge, duration - edge))
    inner = keys[(samples.pts[keys] >= low) & (samples.pts[keys] <= high)]
    inner = inner if len(inner) else keys
    if len(inner) <= most:
        return [int(key) for key in inner] if not turn else []
    shift = (0.5, 0.0, 0.25, 0.75)[turn % 4]  # each turn looks between those before
    places = ((np.arange(most) + shift) * len(inner) / most).astype(np.int64)
    return [int(key) for key in inner[np.unique(places)]]


def longest_group(samples: Samples, start: Fraction) -> range:
    """The longest group of pictures, from its key frame on: as many samples as are decoded in a second or two."""
    keys = np.sort(seen_keys(samples, start))
    ends = np.append(keys[1:], len(samples))
    at = int(np.argmax(ends - keys))
    return range(int(keys[at]), int(min(ends[at], keys[at] + MOST_OF_GROUP)))
