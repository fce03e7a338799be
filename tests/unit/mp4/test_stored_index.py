"""An index that was stored is read back as it was, and what is no stored index is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mam.mp4 import index, stored_index
from mam.mp4.boxes import InvalidIndex
from mam.mp4.samples import Samples
from tests.unit.mp4.movies import Movie, write
from tests.unit.mp4.rows import rows_of
from tests.unit.mp4.strategies import movies

I64 = st.integers(-(1 << 62), 1 << 62)
COLUMNS = ("offset", "size", "dts", "pts", "duration", "key")
FIVE = np.arange(5, dtype=np.int64)
STORED = stored_index.dump({1: Samples(600, FIVE, FIVE, FIVE, FIVE, FIVE, np.ones(5, np.bool_))})


@given(movies())
def test_the_samples_of_all_tracks_are_read_back(movie: Movie) -> None:
    written = write(movie)
    tracks = {n: index.read_samples(written.moov, n, len(written.data)) for n in range(len(movie.tracks))}

    loaded = stored_index.load(stored_index.dump(tracks))

    assert {n: (s.timescale, rows_of(s)) for n, s in tracks.items()} == {
        n: (s.timescale, rows_of(s)) for n, s in loaded.items()
    }
    assert all(s.key.dtype == np.bool_ and s.pts.dtype == np.int64 for s in loaded.values())


@given(st.integers(1, (1 << 31) - 1), st.lists(st.tuples(I64, I64, I64, I64, I64, st.booleans()), max_size=20))
def test_any_numbers_are_read_back(timescale: int, rows: list[tuple[int, int, int, int, int, bool]]) -> None:
    offset, size, dts, pts, duration = (np.array([row[n] for row in rows], np.int64) for n in range(5))
    samples = Samples(timescale, offset, size, dts, pts, duration, np.array([row[5] for row in rows], np.bool_))
    assert rows == rows_of(stored_index.load(stored_index.dump({7: samples}))[7])


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy(array: object, *, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array(array, dtype=object if pickled else None), allow_pickle=pickled)
    return out.getvalue()


def npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **{name.replace("_", "/"): np.array(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return out.getvalue()


ROW = {f"0_{name}": [1] for name in COLUMNS}


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"no index",
        b"\x93NUMPY",
        npy([1, 2]),
        npy([{}], pickled=True),
        zipped(**{"0/timescale": b"no array"}),
        zipped(**{"0/timescale.npy": npy([{}], pickled=True)}),
        npz(**ROW),
        npz(x_timescale=1),
        npz(**{**ROW, "0_timescale": [1, 2]}),
        npz(**{**ROW, "0_timescale": "x"}),
        npz(**{**ROW, "0_timescale": 600, "0_size": [1, 2]}),
        npz(**{**ROW, "0_timescale": 600, "0_size": [1.5]}),
        npz(**{**ROW, "0_timescale": 600, "0_size": [[1]]}),
        npz(**{**ROW, "0_timescale": 0}),
        STORED[:-30],
        STORED[:100],
    ],
    ids=lambda garbage: f"{garbage[:9]!r} {len(garbage)}",
)
def test_what_is_no_stored_index_is_refused(garbage: bytes) -> None:
    with pytest.raises(InvalidIndex):
        stored_index.load(garbage)


@settings(max_examples=settings().max_examples * 5)
@given(st.integers(0, len(STORED) - 1), st.integers(0, 255))
def test_a_damaged_stored_index_is_refused_or_read(at: int, value: int) -> None:
    try:
        loaded = stored_index.load(STORED[:at] + bytes([value]) + STORED[at + 1 :])
    except InvalidIndex:
        return
    assert all(len(getattr(samples, name)) == len(samples) for samples in loaded.values() for name in COLUMNS)
