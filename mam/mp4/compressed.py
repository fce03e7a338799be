"""The `moov` box of QuickTime files that keep theirs compressed (`cmov`; QuickTime File Format, "Compressed Movie")."""

from __future__ import annotations

import zlib

from mam.errors import TooLarge
from mam.mp4.boxes import InvalidIndex, boxes, header
from mam.mp4.tables import unpack

MAX_EXPANDED = 64 << 20  # bytes: a two-hour film has 8 MB
MAX_RATIO = 100  # tables shrink to a fifth, at best to a thirtieth; zlib could make a thousand of one


def expanded(moov: bytes) -> bytes:
    """The `moov` box itself, or the one that it holds compressed.

    Raises InvalidIndex for another method than zlib and for damage, TooLarge for what would become very large.
    """
    outer = header(moov, 0, len(moov))
    inner = boxes(moov, outer[1], len(moov)) if outer else iter(())
    first = next(inner, None)
    if first is None or first.kind != b"cmov":
        return moov
    found = {box.kind: box for box in boxes(moov, first.payload, first.end)}
    if b"dcom" not in found or b"cmvd" not in found:
        raise InvalidIndex("The compressed index lacks its method or its data.")
    (method,) = unpack(">4s", moov, found[b"dcom"], 0)
    (size,) = unpack(">I", moov, found[b"cmvd"], 0)
    if method != b"zlib":
        raise InvalidIndex(f"The index is compressed in a way that is not known here ({method.decode('latin-1')}).")
    data = moov[found[b"cmvd"].payload + 4 : found[b"cmvd"].end]
    if size > MAX_EXPANDED or size > MAX_RATIO * len(data):
        raise TooLarge(f"The file's compressed index claims {size} bytes, made of {len(data)}.")
    return _inflated(data, size)


def _inflated(data: bytes, size: int) -> bytes:
    try:
        moov = zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise InvalidIndex(f"The compressed index is damaged: {error}") from error
    found = header(moov, 0, len(moov))
    if len(moov) != size or found is None or found[0] != b"moov" or found[2] != size:
        raise InvalidIndex("The compressed index does not hold what it claims.")
    return moov
