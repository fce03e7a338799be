"""The compressed index of QuickTime: read like any other, and within bounds."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import MamError, TooLarge
from mam.mp4.boxes import InvalidIndex
from mam.mp4.compressed import MAX_EXPANDED, expanded
from tests.unit.films import opened
from tests.unit.mp4.movies import Movie, Track, box, even_chunks, write

TRACK = Track(timescale=1000, sizes=(30,) * 50, durations=(40,) * 50, chunks=even_chunks(50, 10))


def compressed(moov: bytes, *, size: int | None = None, method: bytes = b"zlib") -> bytes:
    data = zlib.compress(moov)
    claimed = len(moov) if size is None else size
    cmvd = box(b"cmvd", struct.pack(">I", claimed) + data)
    return box(b"moov", box(b"cmov", box(b"dcom", method) + cmvd))


@pytest.mark.parametrize("track", [TRACK, Track(kind="soun", entry="mp4a", timescale=48000, sizes=(20,) * 9,
                                                durations=(1024,) * 9, chunks=even_chunks(9, 2))])  # fmt: skip
def test_a_compressed_index_is_read_as_the_one_that_it_holds(track: Track) -> None:
    written = write(Movie((track,), moov_first=False))
    media = opened(written.data.replace(written.moov, compressed(written.moov)))
    plain = opened(written.data)
    assert media.samples(0).offset.tolist() == plain.samples(0).offset.tolist()
    assert media.headers == plain.headers


def test_an_index_that_is_not_compressed_is_itself() -> None:
    moov = write(Movie((TRACK,))).moov
    assert expanded(moov) is moov


@pytest.mark.parametrize("claimed", [MAX_EXPANDED + 1, 0xFFFFFFFF, 40 << 20])
def test_a_bomb_is_refused_before_it_is_unpacked(claimed: int) -> None:
    bomb = compressed(b"\0" * (40 << 20), size=claimed)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            expanded(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_what_holds_more_than_it_claims_is_not_unpacked_further() -> None:
    moov = write(Movie((TRACK,))).moov
    with pytest.raises(InvalidIndex):
        expanded(compressed(moov + b"\0" * (8 << 20), size=len(moov)))


def test_another_method_is_named() -> None:
    with pytest.raises(InvalidIndex, match="adec"):
        expanded(compressed(write(Movie((TRACK,))).moov, method=b"adec"))


@given(st.data())
def test_damage_gives_errors_of_ours(data: st.DataObject) -> None:
    whole = bytearray(compressed(write(Movie((TRACK,))).moov))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MamError):
        assert expanded(bytes(whole))
