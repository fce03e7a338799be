"""Stores samples as bytes, for indexes that were expensive to build."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from mam.mp4.boxes import InvalidIndex
from mam.mp4.samples import Samples


def dump(tracks: dict[int, Samples]) -> bytes:
    """Samples by track number as bytes (npz)."""
    arrays = {}
    for number, samples in tracks.items():
        arrays[f"{number}/timescale"] = np.array(samples.timescale)
        for name in ("offset", "size", "dts", "pts", "duration", "key"):
            arrays[f"{number}/{name}"] = getattr(samples, name)
        if samples.shown is not None:
            arrays[f"{number}/shown"] = samples.shown
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def load(data: bytes) -> dict[int, Samples]:
    """Reads what `dump` wrote. Raises InvalidIndex for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            numbers = sorted({int(name.partition("/")[0]) for name in arrays.files})
            return {number: _stored(arrays, number) for number in numbers}
    except Exception as error:
        raise InvalidIndex(f"The stored index cannot be read: {error}") from error


def _stored(arrays: Any, number: int) -> Samples:
    """One track of a stored index. Raises ValueError for invalid columns."""
    timescale = int(arrays[f"{number}/timescale"])
    offset, size, dts, pts, duration = numbers = [
        arrays[f"{number}/{name}"] for name in ("offset", "size", "dts", "pts", "duration")
    ]
    key = arrays[f"{number}/key"]
    shown = arrays[f"{number}/shown"] if f"{number}/shown" in arrays.files else None
    if shown is not None and (shown.dtype != np.bool_ or shown.shape != key.shape):
        raise ValueError("not columns of samples")
    if timescale <= 0 or key.dtype != np.bool_ or any(c.dtype != np.int64 or c.shape != (len(key),) for c in numbers):
        raise ValueError("not columns of samples")
    return Samples(timescale, offset, size, dts, pts, duration, key, shown)
