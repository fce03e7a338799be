"""Writes fragments from a description, and says what must be read back."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from mam.mp4.fragments import Defaults
from tests.unit.mp4.movies import Movie, Track, box, full, write

TRACK_IDS = (1, 2)
NO_SYNC = 0x00010000
COLUMNS = ("duration", "size", "flags", "composition")  # in the order of a trun's table; flags 0x100 and up
FLAGS = {name: 0x100 << number for number, name in enumerate(COLUMNS)}


@dataclass(frozen=True, slots=True)
class Sample:
    size: int
    duration: int
    flags: int
    composition: int


@dataclass(frozen=True, slots=True)
class Run:
    """`listed`: the columns of its table; for the others defaults hold. `gap`: bytes before its media, or None for a
    run that does not say where its media is."""

    samples: tuple[Sample, ...]
    listed: frozenset[str] = frozenset(COLUMNS)
    first_flags: int | None = None
    gap: int | None = 0
    version: int = 1


@dataclass(frozen=True, slots=True)
class Traf:
    """`base`: what its runs' offsets count from: 'moof', 'offset' (it says), or 'before' (the traf before it).

    `defaults`: what the header gives; None for each that it does not.
    """

    track_id: int
    runs: tuple[Run, ...]
    time: int | None = 0
    time_version: int = 1
    base: str = "moof"
    described: bool = False  # has a sample description index, which is `description`
    description: int = 1
    empty: bool = False  # the track has nothing here
    defaults: tuple[int | None, int | None, int | None] = (None, None, None)  # duration, size, flags


@dataclass(frozen=True, slots=True)
class Row:
    """A sample that must be read back."""

    offset: int
    size: int
    duration: int
    composition: int
    flags: int


def moof(trafs: tuple[Traf, ...], position: int, trex: dict[int, Defaults]) -> tuple[bytes, bytes, list[list[Row]]]:
    """(moof, mdat, the rows of each traf) of a fragment at byte `position`."""
    head, _, _ = _written(trafs, position, 0, trex)  # to know how long it is
    return _written(trafs, position, len(head), trex)


def _written(
    trafs: tuple[Traf, ...], position: int, length: int, trex: dict[int, Defaults]
) -> tuple[bytes, bytes, list[list[Row]]]:
    media = bytearray()
    first = position + length + 8  # of the media
    inner, rows = full(b"mfhd", struct.pack(">I", 1)), []
    behind = position
    for traf in trafs:
        base = {"moof": position, "offset": first + 3, "before": behind}[traf.base]
        behind = base
        default = _effective(traf, trex)
        runs, mine = b"", []
        for run in traf.runs:
            at = behind
            if run.gap is not None:
                media += b"\xee" * run.gap
                at = first + len(media)
            samples = tuple(_with_defaults(run, n, default) for n in range(len(run.samples)))
            runs += _trun(run, at - base)
            for sample in samples:
                mine.append(Row(at, sample.size, sample.duration, sample.composition, sample.flags))
                at += sample.size
            media += bytes(max(0, at - first - len(media)))
            behind = at
        rows.append(mine)
        inner += box(b"traf", _tfhd(traf, base) + _tfdt(traf) + box(b"free", b"") + runs)
    return box(b"moof", inner), box(b"mdat", bytes(media)), rows


def _effective(traf: Traf, trex: dict[int, Defaults]) -> Defaults:
    mine = trex.get(traf.track_id, Defaults())
    names = ("duration", "size", "flags")
    return replace(mine, **{n: v for n, v in zip(names, traf.defaults, strict=True) if v is not None})


def _with_defaults(run: Run, number: int, default: Defaults) -> Sample:
    sample = run.samples[number]
    flags = sample.flags if "flags" in run.listed else default.flags
    return Sample(
        size=sample.size if "size" in run.listed else default.size,
        duration=sample.duration if "duration" in run.listed else default.duration,
        composition=sample.composition if "composition" in run.listed else 0,
        flags=run.first_flags if run.first_flags is not None and not number else flags,
    )


def _tfhd(traf: Traf, base: int) -> bytes:
    flags = (0x020000 if traf.base == "moof" else 0) | (0x010000 if traf.empty else 0)
    payload = struct.pack(">I", traf.track_id)
    if traf.base == "offset":
        flags, payload = flags | 1, payload + struct.pack(">Q", base)
    if traf.described:
        flags, payload = flags | 2, payload + struct.pack(">I", traf.description)
    for bit, value in zip((0x8, 0x10, 0x20), traf.defaults, strict=True):
        if value is not None:
            flags, payload = flags | bit, payload + struct.pack(">I", value)
    return full(b"tfhd", payload, flags=flags)


def _tfdt(traf: Traf) -> bytes:
    if traf.time is None:
        return b""
    form = ">Q" if traf.time_version else ">I"
    return full(b"tfdt", struct.pack(form, traf.time), version=traf.time_version)


def _trun(run: Run, offset: int) -> bytes:
    flags, payload = sum(FLAGS[name] for name in run.listed), struct.pack(">I", len(run.samples))
    if run.gap is not None:
        flags, payload = flags | 1, payload + struct.pack(">i", offset)
    if run.first_flags is not None:
        flags, payload = flags | 4, payload + struct.pack(">I", run.first_flags)
    for sample in run.samples:
        for name in COLUMNS:
            if name in run.listed:
                payload += struct.pack(">I", getattr(sample, name) & 0xFFFFFFFF)
    return full(b"trun", payload, version=run.version, flags=flags)


def movie(trex: dict[int, Defaults], track: Track | None = None) -> bytes:
    """`ftyp` and the `moov` of a video track without samples of its own, or of `track`; and its `mvex`."""
    written = write(Movie((track or Track(timescale=1000),), moov_first=True))
    head = written.data[: written.data.index(written.moov)]
    extends = b"".join(
        full(b"trex", struct.pack(">5I", number, 1, default.duration, default.size, default.flags))
        for number, default in trex.items()
    )
    inner = written.moov[8:] + box(b"mvex", extends)
    media = written.data[len(head) + len(written.moov) :] if track else b""
    return head + box(b"moov", inner) + media


WORDS = st.integers(0, 0xFFFFFFFF)
SAMPLES = st.builds(
    Sample,
    size=st.integers(1, 50),
    duration=st.integers(1, 5000),
    flags=WORDS,
    composition=st.integers(-5000, 5000),
)
RUNS = st.builds(
    Run,
    samples=st.lists(SAMPLES, max_size=5).map(tuple),
    listed=st.frozensets(st.sampled_from(COLUMNS)),
    first_flags=st.none() | WORDS,
    gap=st.none() | st.integers(0, 9),
    version=st.integers(0, 1),
)
TRAFS = st.builds(
    Traf,
    track_id=st.sampled_from(TRACK_IDS),
    runs=st.lists(RUNS, max_size=3).map(tuple),
    time=st.none() | st.integers(0, 1 << 31),
    time_version=st.integers(0, 1),
    base=st.sampled_from(("moof", "offset", "before")),
    described=st.booleans(),
    defaults=st.tuples(st.none() | st.integers(1, 5000), st.none() | st.integers(1, 50), st.none() | WORDS),
)
DEFAULTS = st.builds(Defaults, duration=st.integers(1, 5000), size=st.integers(1, 50), flags=WORDS)
TREX = st.fixed_dictionaries(dict.fromkeys(TRACK_IDS, DEFAULTS))
