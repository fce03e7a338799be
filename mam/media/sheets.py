"""Still pictures as JPEG: single ones, and a storyboard's sheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np

from mam.errors import DamagedMedia
from mam.hls.storyboard import COLUMNS, ROWS, Board
from mam.media.stills import Pixels

QUALITY = 3  # of JPEG, as ffmpeg counts: 2 is best, 31 worst


def sheets(board: Board, wanted: Sequence[int], frames: Iterator[tuple[int, Pixels]]) -> Iterator[bytes]:
    """The storyboard's sheets as JPEG. `wanted`: each tile's frame; `frames`: those of them that could be decoded.

    A frame that is missing is replaced by the one before it, and the first by the one behind. Raises DamagedMedia when
    there is none at all.
    """
    images = _filled(wanted, frames)
    for number in range(board.sheets):
        width, height = board.size(number)
        sheet = np.zeros((height, width, 3), np.uint8)
        first = number * COLUMNS * ROWS
        for at in range(first, min(first + COLUMNS * ROWS, len(board))):
            tile = board.tile(at)
            sheet[tile.y : tile.y + board.height, tile.x : tile.x + board.width] = next(images)
        yield jpeg(sheet)


def _filled(wanted: Sequence[int], frames: Iterator[tuple[int, Pixels]]) -> Iterator[Pixels]:
    """An image for each of the wanted frames, which may be named several times in a row."""
    places = {number: place for place, number in enumerate(dict.fromkeys(wanted))}
    shown, coming = None, next(frames, None)
    if coming is None:
        raise DamagedMedia("No key frame of the video can be decoded.")
    for number in wanted:
        while coming and places[coming[0]] <= places[number]:
            shown, coming = coming, next(frames, None)
        image = shown or coming
        assert image
        yield image[1]


def jpeg(pixels: Pixels) -> bytes:
    """A picture as JPEG (BT.601, full range, as JFIF has it)."""
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame = frame.reformat(format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
    return b"".join(bytes(packet) for image in (frame, None) for packet in encoder.encode(image))
