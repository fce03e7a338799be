"""Small MP4 files, written from a description: the samples are known before the file exists."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, groupby, pairwise

UPRIGHT = (1, 0, 0, 1)
_SILENCE = bytes.fromhex("21100460 8c1c")  # a frame of stereo
_AVCC = bytes.fromhex(  # of 64x48 High, with two B-frames
    "0164000affe100176764000aacd9447a1000000300100000030320f122596001000668ebe3cb22c0fdf8f800"
)


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit list. `delay`: an empty edit of so many movie ticks; `media_time`: where the one edit behind it begins.

    `duration`: movie ticks of that edit; None for all that there is.
    """

    delay: int | None = None
    media_time: int = 0
    duration: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Track:
    """What a track holds, and in which of the format's ways it is written.

    All columns but `chunks` have one entry a sample. `chunks`: how many samples each chunk holds. `composition` None:
    no `ctts`; `sync` None: no `stss`. `size_form`: stsz, uniform (all sizes are the same), or the bits of a stz2.
    `more_entries`: sample entries behind the first, whole; `described`: by which of them (from 1) each chunk is.
    """

    kind: str = "vide"
    entry: str = "avc1"
    timescale: int = 600
    sizes: tuple[int, ...] = ()
    durations: tuple[int, ...] = ()
    composition: tuple[int, ...] | None = None
    sync: tuple[bool, ...] | None = None
    chunks: tuple[int, ...] = ()
    size_form: str = "stsz"
    wide_offsets: bool = False  # co64
    version: int = 0  # of tkhd and mdhd
    composition_version: int = 0
    edit: Edit | None = None
    matrix: tuple[int, int, int, int] = UPRIGHT
    handler: bytes = b"maker\0"  # what the track's handler is called
    more_entries: tuple[bytes, ...] = ()
    described: tuple[int, ...] = ()
    merge_runs: bool = True  # one stsc entry for chunks of the same length, or one each


@dataclass(frozen=True, slots=True)
class Movie:
    """A file: its tracks, and how its boxes are written. `wide`: kinds of boxes with 64-bit sizes."""

    tracks: tuple[Track, ...]
    timescale: int = 1000
    version: int = 0  # of mvhd
    moov_first: bool = True
    extras: bool = False  # free and udta boxes in many places
    wide: frozenset[bytes] = frozenset()
    gap: int = 0  # unused bytes before each chunk
    open_ended: bool = False  # the last box has size 0: "to the end of the file"


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of the index. Ticks of the track, on the presentation's timeline."""

    offset: int
    size: int
    dts: int
    pts: int
    duration: int
    key: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The bytes of a movie, and what each track must be read back as (whatever an edit list hides included)."""

    data: bytes
    moov: bytes
    samples: tuple[tuple[Sample, ...], ...]


def write(movie: Movie) -> Written:
    """The file that a description describes."""
    ftyp = box(b"ftyp", b"isom" + struct.pack(">I", 512) + b"isomiso2avc1mp41")
    layout, media = _interleave(movie)
    head = box(b"free", b"\x17" * 9) if movie.extras else b""
    wide_mdat = b"mdat" in movie.wide
    mdat_header = 16 if wide_mdat else 8
    moov_size = len(_moov(movie, layout, 0))
    before = len(ftyp) + len(head) + (moov_size if movie.moov_first else 0)
    moov = _moov(movie, layout, before + mdat_header)
    mdat = box(b"mdat", media, wide=wide_mdat)
    if movie.open_ended:
        if movie.moov_first:
            mdat = bytes(4) + mdat[4:] if not wide_mdat else mdat
        elif b"moov" not in movie.wide:
            moov = bytes(4) + moov[4:]
    data = ftyp + head + (moov + mdat if movie.moov_first else mdat + moov)
    samples = tuple(
        tuple(_samples(track, [base + before + mdat_header for base in bases], movie.timescale))
        for track, bases in zip(movie.tracks, layout, strict=True)
    )
    return Written(data, moov, samples)


def box(kind: bytes, payload: bytes, *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(payload) + 16) + payload
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def full(kind: bytes, payload: bytes, *, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + payload)


def table(kind: bytes, form: str, rows: list[tuple[int, ...]], *, version: int = 0) -> bytes:
    packed = b"".join(struct.pack(">" + form, *row) for row in rows)
    return full(kind, struct.pack(">I", len(rows)) + packed, version=version)


def shift_of(edit: Edit | None, *, timescale: int, movie_timescale: int) -> int:
    """Ticks by which an edit list moves a track (ISO/IEC 14496-12 section 8.6.6)."""
    return 0 if edit is None else delay_of(edit, timescale=timescale, movie_timescale=movie_timescale) - edit.media_time


def delay_of(edit: Edit, *, timescale: int, movie_timescale: int) -> int:
    """Ticks of the track, to the nearest, of a delay that is given in ticks of the movie."""
    return math.floor(Fraction((edit.delay or 0) * timescale, movie_timescale) + Fraction(1, 2))


def sync_or_all(track: Track) -> tuple[bool, ...]:
    return (True,) * len(track.sizes) if track.sync is None else track.sync


def _samples(track: Track, chunk_starts: list[int], movie_timescale: int) -> Iterator[Sample]:
    shift = shift_of(track.edit, timescale=track.timescale, movie_timescale=movie_timescale)
    composition = track.composition or (0,) * len(track.sizes)
    keys = sync_or_all(track)
    early = max(0, *(-offset for offset in composition)) if composition else 0  # no sample is decoded after it is shown
    times, lasting = decode_times(track)
    number = 0
    for start, count in zip(chunk_starts, track.chunks, strict=True):
        at = start
        for _ in range(count):
            time = times[number] + shift
            yield Sample(
                at, track.sizes[number], time - early, time + composition[number], lasting[number], keys[number]
            )
            at, number = at + track.sizes[number], number + 1


def _interleave(movie: Movie) -> tuple[list[list[int]], bytes]:
    """(where each chunk of each track begins within the media, the media): a chunk of each track in turn."""
    layout: list[list[int]] = [[] for _ in movie.tracks]
    taken = [0] * len(movie.tracks)
    media = bytearray()
    for turn in range(max((len(track.chunks) for track in movie.tracks), default=0)):
        for number, track in enumerate(movie.tracks):
            if turn >= len(track.chunks):
                continue
            media += b"\xee" * movie.gap
            layout[number].append(len(media))
            first = taken[number]
            taken[number] += track.chunks[turn]
            keys = sync_or_all(track)
            media += b"".join(_content(track, track.sizes[n], keys[n]) for n in range(first, taken[number]))
    return layout, bytes(media)


def _content(track: Track, size: int, key: bool) -> bytes:
    """A sample's bytes. libavformat looks into H.264 for key frames, so the first bytes of a slice stand there.

    AAC is silence, which decodes.
    """
    if track.entry == "mp4a" and size >= len(_SILENCE):
        return _SILENCE + bytes(size - len(_SILENCE))
    if track.entry != "avc1" or size < 8:
        return bytes(size)
    slice_start = b"\x65\x88\x84" if key else b"\x41\x9a\x20"  # IDR; P
    return struct.pack(">I", size - 4) + slice_start + b"\xa5" * (size - 7)


def _moov(movie: Movie, layout: list[list[int]], base: int) -> bytes:
    longest = max((sum(t.durations) * movie.timescale // t.timescale for t in movie.tracks), default=0)
    times = _times(movie.version, longest)
    mvhd = full(
        b"mvhd",
        times[0] + struct.pack(">I", movie.timescale) + times[1] + struct.pack(">IH10x", 1 << 16, 1 << 8)
        + _matrix(UPRIGHT) + bytes(24) + struct.pack(">I", len(movie.tracks) + 1),
        version=movie.version,
    )  # fmt: skip
    inner = mvhd
    for number, track in enumerate(movie.tracks):
        if movie.extras:
            inner += box(b"free", b"stsz" * 5)
        inner += _trak(movie, number, track, [start + base for start in layout[number]])
    if movie.extras:
        inner += box(b"udta", box(b"\xa9too", b"\x00\x04\x00\x00maker") + bytes(4))
    return box(b"moov", inner, wide=b"moov" in movie.wide)


def _times(version: int, duration: int) -> tuple[bytes, bytes]:
    """Creation and modification time, and the duration: of 4 or 8 bytes."""
    return (bytes(16), struct.pack(">Q", duration)) if version else (bytes(8), struct.pack(">I", duration))


def _matrix(matrix: tuple[int, int, int, int]) -> bytes:
    a, b, c, d = (value << 16 for value in matrix)
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


def _trak(movie: Movie, number: int, track: Track, starts: list[int]) -> bytes:
    duration = sum(track.durations)
    behind = max(map(sum, zip(*decode_times(track), strict=True)), default=0)
    shown = behind + max(track.composition or (0,)) + 1  # an edit this long hides nothing
    in_movie = -(-max(shown, duration) * movie.timescale // track.timescale)
    times = _times(track.version, in_movie)
    tkhd = full(
        b"tkhd",
        times[0] + struct.pack(">II", number + 1, 0) + times[1] + bytes(16) + _matrix(track.matrix)
        + struct.pack(">II", 64 << 16, 48 << 16),
        version=track.version,
        flags=3,
    )  # fmt: skip
    times = _times(track.version, duration)
    mdhd = full(
        b"mdhd",
        times[0] + struct.pack(">I", track.timescale) + times[1] + struct.pack(">HH", 0x55C4, 0),
        version=track.version,
    )
    hdlr = full(b"hdlr", struct.pack(">4s4s12x", bytes(4), track.kind.encode()) + track.handler)
    head = full(b"vmhd", bytes(8), flags=1) if track.kind == "vide" else full(b"smhd", bytes(4))
    dinf = box(b"dinf", full(b"dref", struct.pack(">I", 1) + full(b"url ", b"", flags=1)))
    stbl = box(b"stbl", _tables(track, starts), wide=b"stbl" in movie.wide)
    minf = box(b"minf", head + dinf + stbl, wide=b"minf" in movie.wide)
    mdia = box(b"mdia", mdhd + hdlr + minf, wide=b"mdia" in movie.wide)
    edts = _edts(track.edit, in_movie) if track.edit else b""
    extra = box(b"free", b"") + box(b"udta", box(b"name", b"a track")) if movie.extras else b""
    return box(b"trak", tkhd + edts + extra + mdia, wide=b"trak" in movie.wide)


def _edts(edit: Edit, duration: int) -> bytes:
    form = "QqHH" if edit.version else "IiHH"
    rows: list[tuple[int, ...]] = []
    if edit.delay is not None:
        rows.append((edit.delay, -1, 1, 0))
    rows.append((duration if edit.duration is None else edit.duration, edit.media_time, 1, 0))
    return box(b"edts", table(b"elst", form, rows, version=edit.version))


def _tables(track: Track, starts: list[int]) -> bytes:
    entries = (sample_entry(track.entry), *track.more_entries)
    out = [full(b"stsd", struct.pack(">I", len(entries)) + b"".join(entries))]
    runs = [(len(list(same)), delta) for delta, same in groupby(track.durations)]
    out.append(table(b"stts", "II", list(runs)))
    if track.composition is not None:
        runs = [(len(list(same)), offset) for offset, same in groupby(track.composition)]
        out.append(table(b"ctts", "Ii", list(runs), version=track.composition_version))
    if track.sync is not None:
        out.append(table(b"stss", "I", [(n,) for n, key in enumerate(track.sync, 1) if key]))
    out.append(table(b"stsc", "III", list(_stsc(track))))
    out.append(_sizes(track))
    kind, form = (b"co64", "Q") if track.wide_offsets else (b"stco", "I")
    out.append(table(kind, form, [(start,) for start in starts]))
    return b"".join(out)


def _stsc(track: Track) -> Iterator[tuple[int, int, int]]:
    before = None
    each = track.described or (1,) * len(track.chunks)
    for number, (count, described) in enumerate(zip(track.chunks, each, strict=True), 1):
        if (count, described) != before or not track.merge_runs:
            yield number, count, described
        before = count, described


def _sizes(track: Track) -> bytes:
    count = len(track.sizes)
    if track.size_form == "uniform":
        return full(b"stsz", struct.pack(">II", track.sizes[0] if count else 0, count))
    if track.size_form == "stsz":
        return full(b"stsz", struct.pack(f">II{count}I", 0, count, *track.sizes))
    bits = int(track.size_form)
    if bits == 4:
        padded = [*track.sizes, 0]
        packed = bytes(padded[n] << 4 | padded[n + 1] for n in range(0, count, 2))
    else:
        packed = struct.pack(f">{count}{'B' if bits == 8 else 'H'}", *track.sizes)
    return full(b"stz2", struct.pack(">II", bits, count) + packed)


def sample_entry(kind: str) -> bytes:
    """`avc1`, `mp4a` and `sowt` (16 bits, stereo) as libavformat wants them; anything else bare."""
    if kind == "avc1":
        picture = struct.pack(">6xH16xHHIIIH32xHh", 1, 64, 48, 72 << 16, 72 << 16, 0, 1, 24, -1)
        return box(b"avc1", picture + box(b"avcC", _AVCC))
    if kind == "mp4a":
        sound = struct.pack(">6xH8xHHIHH", 1, 2, 16, 0, 48000, 0)
        return box(b"mp4a", sound + full(b"esds", _esds(b"\x11\x90")))
    if kind == "sowt":
        return box(b"sowt", struct.pack(">6xH8xHHIHH", 1, 2, 16, 0, 48000, 0))
    return box(kind.encode(), struct.pack(">6xH", 1) + bytes(8))


def _esds(audio_specific_config: bytes) -> bytes:
    specific = bytes([5, len(audio_specific_config)]) + audio_specific_config
    config = bytes([0x40, 0x15]) + bytes(11) + specific
    stream = struct.pack(">HB", 1, 0) + bytes([4, len(config)]) + config + b"\x06\x01\x02"
    return bytes([3, len(stream)]) + stream


def even_chunks(total: int, length: int) -> tuple[int, ...]:
    """`total` samples in chunks of `length`, and one of what is left."""
    edges = [*range(0, total, length), total]
    return tuple(b - a for a, b in pairwise(edges))


def composition_times(track: Track) -> list[int]:
    """When each sample is shown, in the track's own ticks."""
    composition = track.composition or (0,) * len(track.sizes)
    return [start + offset for start, offset in zip(decode_times(track)[0], composition, strict=True)]


def decode_times(track: Track) -> tuple[list[int], list[int]]:
    """When each sample is decoded, and how long it lasts: at least a tick of the track, but for the last."""
    starts = list(accumulate(track.durations, initial=0))[:-1]
    times = list(accumulate(starts, lambda before, start: max(before + 1, start)))
    moved = [time != start for time, start in zip(times, starts, strict=True)]
    steps = (b - a for a, b in pairwise(times))
    near = (a or b for a, b in pairwise(moved))
    lasting = [s if n else d for s, n, d in zip(steps, near, track.durations[:-1], strict=True)]
    return times, [*lasting, *track.durations[-1:]]
