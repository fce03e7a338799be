"""Edit lists of several parts: the samples of each part, and their presentation times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mam.errors import TooLarge
from mam.mp4.edits import Stretch
from mam.mp4.tables import MAX_SAMPLES, Flags, Ints


@dataclass(frozen=True, slots=True)
class Spliced:
    """The samples of all parts, part after part.

    `number`: the sample's number in the track. `shift`: ticks that are added to its times. `shown`: False where it is
    only decoded for others. `joins`: the starts of further parts.
    """

    number: Ints
    shift: Ints
    shown: Flags
    joins: tuple[int, ...]


def splice(pts: Ints, duration: Ints, key: Flags, stretches: list[Stretch], *, video: bool) -> Spliced:
    """The samples of an edit list, from samples with these times (ticks of the media) in decode order.

    A video part begins with the key frame that it needs; a part between two pictures shows the previous one. An audio
    sample belongs to the part of its middle. Raises TooLarge where parts show more than a track may have.
    """
    pieces = [piece for piece in (_pictures if video else _sounds)(pts, duration, key, stretches) if len(piece[0])]
    if sum(len(number) for number, _, _ in pieces) > MAX_SAMPLES:
        raise TooLarge(f"The edit list shows more than {MAX_SAMPLES} samples of a track.")
    if not pieces:
        none = np.zeros(0, np.int64)
        return Spliced(none, none, np.zeros(0, np.bool_), ())
    number, shift, shown = (np.concatenate(column) for column in zip(*pieces, strict=True))
    lengths = np.cumsum([len(piece[0]) for piece in pieces])
    return Spliced(number, shift, shown, tuple(lengths[:-1].tolist()))


Piece = tuple[Ints, Ints, Flags]  # Number, shift, shown.


def _pictures(pts: Ints, _: Ints, key: Flags, stretches: list[Stretch]) -> list[Piece]:
    order = np.argsort(pts, kind="stable")
    times, keys = pts[order], np.flatnonzero(key)
    keys = keys[np.argsort(pts[keys], kind="stable")]
    if not len(keys):
        return []
    return [_picture_part(pts, order, times, keys, stretch) for stretch in stretches]


def _picture_part(pts: Ints, order: Ints, times: Ints, keys: Ints, stretch: Stretch) -> Piece:
    low = int(np.searchsorted(times, stretch.media))
    high = len(times) if stretch.end is None else int(np.searchsorted(times, stretch.media_end))
    frozen = low >= high
    if frozen:
        low, high = max(low - 1, 0), max(low, 1)
    needed = order[low:high]
    start = max(int(np.searchsorted(pts[keys], times[low], side="right")) - 1, 0)
    first = min(int(keys[start]), int(needed.min()))
    number = np.arange(first, int(needed.max()) + 1, dtype=np.int64)
    shown = np.zeros(len(number), np.bool_)
    shown[needed - first] = True
    shift = stretch.begin - (int(times[low]) if frozen else stretch.media)
    return number, np.full(len(number), shift, np.int64), shown


def _sounds(pts: Ints, duration: Ints, _: Flags, stretches: list[Stretch]) -> list[Piece]:
    middle = pts + duration // 2
    pieces = []
    for stretch in stretches:
        low = int(np.searchsorted(middle, stretch.media))
        high = len(pts) if stretch.end is None else int(np.searchsorted(middle, stretch.media_end))
        number = np.arange(low, max(low, high), dtype=np.int64)
        shift = np.full(len(number), stretch.begin - stretch.media, np.int64)
        pieces.append((number, shift, np.ones(len(number), np.bool_)))
    return pieces
