"""Compressed `moov` boxes of QuickTime files (`cmov`; QuickTime File Format, "Compressed Movie")."""

from __future__ import annotations

import zlib

from mam.errors import TooLarge
from mam.mp4.boxes import InvalidIndex, boxes, header
from mam.mp4.tables import unpack

MAX_EXPANDED = 64 << 20  # A larger index is refused: a two-hour film has 8 MB.
MAX_RATIO = 100  # A higher ratio is refused: tables shrink to a fifth, at best to a thirtieth; zlib allows a thousand.


def expanded(moov: bytes) -> bytes:
    """The `moov` box, or the one that it contains in compressed form.

    Raises InvalidIndex for another method than zlib and for damage, TooLarge for a very large result.
    """
    outer = header(moov, 0, len(moov))
    inner = boxes(moov, outer[1], len(moov)) if outer else iter(())
    first = next(inner, None)
    if first is None or first.kind != b"cmov":
        return moov
    children = {box.kind: box for box in boxes(moov, first.payload, first.end)}
    if b"dcom" not in children or b"cmvd" not in children:
        raise InvalidIndex("The compressed index lacks its method or its data.")
    (method,) = unpack(">4s", moov, children[b"dcom"], 0)
    (size,) = unpack(">I", moov, children[b"cmvd"], 0)
    if method != b"zlib":
        raise InvalidIndex(f"The index is compressed in a way that is not known here ({method.decode('latin-1')}).")
    data = moov[children[b"cmvd"].payload + 4 : children[b"cmvd"].end]
    if size > MAX_EXPANDED or size > MAX_RATIO * len(data):
        raise TooLarge(f"The file's compressed index claims {size} bytes, made of {len(data)}.")
    return _inflated(data, size)


def _inflated(data: bytes, size: int) -> bytes:
    try:
        moov = zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise InvalidIndex(f"The compressed index is damaged: {error}") from error
    box = header(moov, 0, len(moov))
    if len(moov) != size or box is None or box[0] != b"moov" or box[2] != size:
        raise InvalidIndex("The compressed index does not hold what it claims.")
    return moov
