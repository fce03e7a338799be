"""JPEGs of still pictures: single ones, and the sheets of a storyboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np

from mam.errors import DamagedMedia
from mam.hls.storyboard import COLUMNS, ROWS, Board
from mam.media.stills import Pixels

QUALITY = 3  # The JPEG quality in ffmpeg's scale: 2 is best, 31 worst.


def sheets(board: Board, wanted: Sequence[int], frames: Iterator[tuple[int, Pixels]]) -> Iterator[bytes]:
    """The storyboard's sheets as JPEG. `wanted`: each tile's frame; `frames`: the decodable ones.

    A missing frame is replaced by the previous one, the first by the next one. Raises DamagedMedia when none can be
    decoded.
    """
    images = _filled(wanted, frames)
    for number in range(board.sheets):
        width, height = board.size(number)
        sheet = np.zeros((height, width, 3), np.uint8)
        first = number * COLUMNS * ROWS
        for tile_number in range(first, min(first + COLUMNS * ROWS, len(board))):
            tile = board.tile(tile_number)
            sheet[tile.y : tile.y + board.height, tile.x : tile.x + board.width] = next(images)
        yield jpeg(sheet)


def _filled(wanted: Sequence[int], frames: Iterator[tuple[int, Pixels]]) -> Iterator[Pixels]:
    """An image for each of the wanted frames, which may repeat in a row."""
    places = {number: place for place, number in enumerate(dict.fromkeys(wanted))}
    current, following = None, next(frames, None)
    if following is None:
        raise DamagedMedia("No key frame of the video can be decoded.")
    for number in wanted:
        while following and places[following[0]] <= places[number]:
            current, following = following, next(frames, None)
        image = current or following
        assert image
        yield image[1]


def jpeg(pixels: Pixels) -> bytes:
    """A picture as JPEG (BT.601, full range, as in JFIF)."""
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame = frame.reformat(format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
    return b"".join(bytes(packet) for image in (frame, None) for packet in encoder.encode(image))
