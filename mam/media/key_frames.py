"""Chooses the frames of a film for still pictures: key frames, or other frames where a film has few.

Pure: it only reads the index.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from mam.hls.storyboard import Board
from mam.mp4.samples import Samples
from mam.mp4.tables import Ints

EDGE = Fraction(1, 20)  # This part of a film at either end is logos and credits.
EDGED_SECONDS = 8  # A shorter film has neither.
MOST_OF_GROUP = 300  # At most this many frames of a group of pictures are decoded.
BUDGET = 7.0  # A storyboard may take this many seconds of one core.
# Decoding and scaling a key frame of H.264 takes about this long, on one core of 2024.
BYTE_SECONDS, PIXEL_SECONDS = 76e-9, 2e-9


def seen_keys(samples: Samples, start: Fraction) -> Ints:
    """The shown key frames in the order of their times. `start`: the start of the presentation in seconds.

    Where an edit list hides all of them, the last one before the presentation; empty without key frames.
    """
    keys = np.flatnonzero(samples.key)
    if samples.joins and samples.shown is not None and (samples.key & samples.shown).any():
        keys = np.flatnonzero(samples.key & samples.shown)  # the hidden frames of a part have times of another part
    keys = keys[np.argsort(samples.pts[keys], kind="stable")]
    begin = start * samples.timescale
    hidden = int(np.searchsorted(samples.pts[keys], float(begin), side="left"))
    return keys[min(hidden, max(len(keys) - 1, 0)) :]


def tile_frames(samples: Samples, board: Board, start: Fraction, *, pixels: int) -> list[int]:
    """The key frame for each tile: the last one up to its moment, else the first.

    `pixels`: those of a frame. Where decoding all of them would take too long, neighbours share a frame.
    """
    keys = seen_keys(samples, start)
    moments = _moments(samples, board, start)
    places = np.searchsorted(samples.pts[keys], [math.ceil(moment) for moment in moments], side="right") - 1
    places = np.maximum(places, 0)
    distinct = np.unique(places)
    seconds = _cost(samples.size[keys[distinct]], pixels)
    kept = distinct[:: max(1, math.ceil(seconds / BUDGET))]
    return [int(key) for key in keys[kept[np.searchsorted(kept, places, side="right") - 1]]]


def all_tile_frames(samples: Samples, board: Board, start: Fraction, *, pixels: int) -> list[int] | None:
    """The frame at each tile's moment, key frame or not, where all frames can be decoded in time.

    None where key frames suffice, and where decoding everything takes too long. A short film may have a single key
    frame, and a dark one.
    """
    moments = _moments(samples, board, start)
    keys = seen_keys(samples, start)
    places = np.searchsorted(samples.pts[keys], [math.ceil(moment) for moment in moments], side="right")
    if len(np.unique(places)) == len(moments) or not len(keys) or samples.joins or _cost(samples.size, pixels) > BUDGET:
        return None
    shown = np.argsort(samples.pts, kind="stable")
    shown = shown[shown >= int(keys.min())]  # frames before the first key frame are not decoded
    places = np.searchsorted(samples.pts[shown], [math.ceil(moment) for moment in moments], side="right") - 1
    return [int(number) for number in shown[np.maximum(places, 0)]]


def _moments(samples: Samples, board: Board, start: Fraction) -> list[Fraction]:
    """The moment of each tile, in ticks of the track."""
    return [(start + board.start(number)) * samples.timescale for number in range(len(board))]


def _cost(sizes: Ints, pixels: int) -> float:
    """Seconds of one core for decoding frames of these sizes in bytes, of `pixels` each."""
    return float(sizes.sum()) * BYTE_SECONDS + len(sizes) * pixels * PIXEL_SECONDS


def candidates(samples: Samples, start: Fraction, duration: Fraction, *, most: int, turn: int = 0) -> list[int]:
    """At most `most` key frames, evenly spread over the film without its ends. `turn`: each turn gives others."""
    keys = seen_keys(samples, start)
    edge = duration * EDGE if duration > EDGED_SECONDS else Fraction(0)
    low, high = (float((start + offset) * samples.timescale) for offset in (edge, duration - edge))
    inner = keys[(samples.pts[keys] >= low) & (samples.pts[keys] <= high)]
    inner = inner if len(inner) else keys
    if len(inner) <= most:
        return [int(key) for key in inner] if not turn else []
    shift = (0.5, 0.0, 0.25, 0.75)[turn % 4]  # each turn falls between the previous ones
    places = ((np.arange(most) + shift) * len(inner) / most).astype(np.int64)
    return [int(key) for key in inner[np.unique(places)]]


def longest_group(samples: Samples, start: Fraction) -> range:
    """The longest group of pictures, from its key frame on, up to MOST_OF_GROUP samples."""
    keys = np.sort(seen_keys(samples, start))
    ends = np.append(keys[1:], len(samples))
    longest = int(np.argmax(ends - keys))
    return range(int(keys[longest]), int(min(ends[longest], keys[longest] + MOST_OF_GROUP)))
