"""PCM that is counted by the frame is read in runs: the same bytes at the same times, in far fewer packets."""

from __future__ import annotations

import io
import struct
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import TruncatedMedia
from mam.hls.recipe import Profile
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan
from mam.mp4 import index, pcm
from mam.mp4.boxes import InvalidIndex, leaves
from tests.media import ffmpeg
from tests.recipes import recipe_of
from tests.unit.films import demuxed, opened, source_of
from tests.unit.mp4.movies import Edit, Movie, Track, box, even_chunks, full, write
from tests.unit.mp4.rows import rows_of

CODECS = (
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32be", "pcm_f32le", "pcm_f64be", "pcm_u8", "pcm_s8",
    "pcm_mulaw", "pcm_alaw",
)  # fmt: skip


def of(count: int, chunks: tuple[int, ...], *, edit: Edit | None = None, delta: int = 1) -> Movie:
    return Movie(
        (
            Track(
                kind="soun", entry="sowt", timescale=48000, sizes=(4,) * count, durations=(delta,) * count,
                size_form="uniform", chunks=chunks, edit=edit,
            ),
        ),
        timescale=48000,
    )  # fmt: skip


@cache
def recorded(arguments: str, name: str = "a.mov") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        ffmpeg("-f", "lavfi", *arguments.split(), str(path))
        return path.read_bytes()


@pytest.mark.parametrize("layout", ["mono", "stereo", "quad"])
@pytest.mark.parametrize("codec", CODECS)
def test_pcm_is_read_as_libavformat_reads_it(codec: str, layout: str) -> None:
    data = recorded(f"-i aevalsrc=sin(900*t):s=44100:d=1.3 -af aformat=channel_layouts={layout} -c:a {codec}")
    rows = rows_of(opened(data).samples(0))
    assert demuxed(data) == {0: rows}
    assert len(rows) < 200


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24be", "pcm_f32le"])
def test_pcm_in_mp4_is_read_as_libavformat_reads_it(codec: str) -> None:
    data = recorded(f"-i aevalsrc=sin(900*t):s=44100:d=1.3 -c:a {codec}", "a.mp4")
    assert demuxed(data) == {0: rows_of(opened(data).samples(0))}


def test_a_size_of_one_byte_is_none_and_the_description_counts() -> None:
    """As QuickTime wrote it."""
    data = recorded("-i aevalsrc=sin(900*t)|0:s=44100:d=1 -c:a pcm_s16le")
    at = data.rindex(b"stsz") + 8
    assert data[at : at + 4] == b"\0\0\0\4"
    old = data[:at] + b"\0\0\0\1" + data[at + 4 :]
    assert rows_of(opened(data).samples(0)) == rows_of(opened(old).samples(0)) == demuxed(old)[0]


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_quicktimes_own_codecs_are_counted_by_the_frame_too(layout: str) -> None:
    """As QuickTime wrote IMA: 64 frames are a packet, and the tables speak of frames of a byte."""
    data = recorded(f"-i aevalsrc=sin(900*t):s=48000:d=1 -af aformat=channel_layouts={layout} -c:a adpcm_ima_qt")
    packets = opened(data).samples(0)

    old = bytearray(data)
    stsz, stts, stsc = (data.rindex(kind) + 8 for kind in (b"stsz", b"stts", b"stsc"))
    (count,) = struct.unpack_from(">I", old, stsz + 4)
    struct.pack_into(">II", old, stsz, 1, count * 64)
    struct.pack_into(">II", old, stts + 4, count * 64, 1)
    for at in range(struct.unpack_from(">I", old, stsc)[0]):
        (each,) = struct.unpack_from(">I", old, stsc + 8 + 12 * at)
        struct.pack_into(">I", old, stsc + 8 + 12 * at, each * 64)
    entry = data.index(b"ima4", data.rindex(b"stsd")) - 4 + 36
    struct.pack_into(">4I", old, entry, 64, 34, 34 * (2 if layout == "stereo" else 1), 2)
    samples = opened(bytes(old)).samples(0)

    assert demuxed(bytes(old)) == {0: rows_of(samples)}
    assert (int(packets.size.sum()), packets.end) == (int(samples.size.sum()), samples.end)


def test_hours_of_pcm_need_no_demuxer() -> None:
    data = recorded("-i anullsrc=r=192000:cl=mono:d=22 -c:a pcm_u8")
    samples = opened(data).samples(0)
    assert int(samples.duration.sum()) == 22 * 192_000 > 4_000_000
    assert len(samples) < 5000


@given(st.lists(st.integers(1, 2500), min_size=1, max_size=5), st.integers(1, 3))
def test_runs_hold_every_frame_once_and_cross_no_chunk(chunks: list[int], delta: int) -> None:
    written = write(of(sum(chunks), tuple(chunks), delta=delta))
    samples = index.read_samples(written.moov, 0, len(written.data))
    frames = [
        (offset + 4 * n, dts + delta * n)
        for offset, size, dts, _, duration, _ in rows_of(samples)
        for n in range(size // 4)
        if duration == delta * (size // 4)
    ]
    assert [(sample.offset, sample.dts) for sample in written.samples[0]] == frames
    assert samples.size.max() <= 4 * pcm.RUN
    assert len(samples) == sum(-(-chunk // pcm.RUN) for chunk in chunks)


@pytest.mark.parametrize(("shown", "end"), [(1, 1), (1024, 1024), (1500, 1500), (2999, 2999), (9000, 3000)])
def test_what_an_edit_hides_at_the_end_is_cut_to_the_frame(shown: int, end: int) -> None:
    written = write(of(3000, (1300, 1700), edit=Edit(delay=50, media_time=0, duration=shown)))
    samples = index.read_samples(written.moov, 0, len(written.data))
    assert (int(samples.pts[0]), int((samples.pts + samples.duration).max())) == (50, 50 + end)
    assert int(samples.size.sum()) == 4 * end


def test_the_start_of_an_edit_stays_where_it_is() -> None:
    written = write(of(48_000, even_chunks(48_000, 700), edit=Edit(media_time=20_000)))
    samples = index.read_samples(written.moov, 0, len(written.data))
    at = int(np.flatnonzero((samples.pts <= 0) & (samples.pts + samples.duration > 0))[0])
    assert int(samples.offset[at]) - 4 * int(samples.pts[at]) == written.samples[0][20_000].offset
    assert samples.end == Fraction(28, 48)


def test_frames_that_the_object_has_no_room_for_are_truncated_media() -> None:
    written = write(of(3000, (3000,)))
    with pytest.raises(TruncatedMedia):
        index.read_samples(written.moov, 0, 11_999)
    with pytest.raises(TruncatedMedia):
        index.read_samples(written.moov, 0, len(written.data) - 1)


def test_chunks_that_hold_too_few_frames_are_damaged() -> None:
    moov = write(of(3000, (3000,))).moov.replace(struct.pack(">3I", 1, 3000, 1), struct.pack(">3I", 1, 2999, 1))
    with pytest.raises(InvalidIndex):
        index.read_samples(moov, 0, 1 << 20)


def test_packets_of_pcm_are_left_as_they_are() -> None:
    """Some count a thousand frames as one sample."""
    track = Track(kind="soun", entry="sowt", timescale=48000, sizes=(4096,) * 9, durations=(1024,) * 9,
                  size_form="uniform", chunks=(4, 5))  # fmt: skip
    assert len(index.read_samples(write(Movie((track,))).moov, 0, 1 << 20)) == 9


SOUND = struct.pack(">6xHH6xHHHHI", 1, 0, 3, 16, 0, 0, 48000 << 16)
MODERN = struct.pack(">6xHH6xHHHHIIdIIIIII", 1, 2, 3, 16, 0xFFFE, 0, 1 << 16, 72, 48e3, 5, 0x7F000000, 24, 12, 15, 1)


@pytest.mark.parametrize(
    ("kind", "content", "size"),
    [
        (b"sowt", SOUND, 6),
        (b"in24", SOUND, 9),
        (b"ulaw", SOUND, 3),
        (b"fl64", SOUND, 24),
        (b"lpcm", MODERN, 15),
        (b"lpcm", MODERN[:40], None),
        (b"sowt", SOUND[:20], None),
        (b"ipcm", SOUND + full(b"pcmC", b"\1\x20"), 12),
        (b"ipcm", SOUND, None),
        (b"ipcm", SOUND + b"\0\0\0\xffpcmC", None),
        (b"mp4a", SOUND, None),
        (b"ima4", SOUND, None),
        (b"twos", SOUND[:16] + b"\0\0" + SOUND[18:], None),  # no channels
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) and len(value) == 4 else "",
)
def test_a_frame_is_as_large_as_the_sample_entry_says(kind: bytes, content: bytes, size: int | None) -> None:
    assert pcm.frame_size(box(kind, content)) == size


def described(kind: bytes, *, version: int, together: int, size: int, channels: int = 1) -> bytes:
    """A sample entry of compressed sound as QuickTime writes it."""
    if version == 2:
        return box(kind, struct.pack(">6xHH6xHHHHIIdIIIIII", 1, 2, 3, 16, 0xFFFE, 0, 1 << 16, 72, 44100.0, channels,
                                     0x7F000000, 0, 0, size, together))  # fmt: skip
    fields = struct.pack(">6xHH6xHHhHI", 1, version, channels, 16, -1, 0, 44100 << 16)
    return box(kind, fields + (struct.pack(">4I", together, size // channels, size, 2) if version else b""))


@given(
    version=st.sampled_from((1, 2)),
    together=st.integers(2, 9000),
    size=st.integers(2, 9000),
    packets=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    uniform=st.sampled_from((1, 2, 4)),
)
def test_compressed_sound_that_counts_its_frames_is_read_by_the_packet(
    version: int, together: int, size: int, packets: list[int], uniform: int
) -> None:
    """MS ADPCM, QDM2 and whatever else says how many frames a packet has: each chunk holds whole packets."""
    entry = described(b"ms\0\x02", version=version, together=together, size=size)
    frames = sum(packets) * together
    tables = (
        full(b"stsd", struct.pack(">I", 1) + entry)
        + full(b"stts", struct.pack(">3I", 1, frames, 1))
        + full(b"stsz", struct.pack(">2I", uniform, frames))
        + full(b"stsc", struct.pack(">I", len(packets))
               + b"".join(struct.pack(">3I", n, count * together, 1) for n, count in enumerate(packets, 1)))
        + full(b"stco", struct.pack(">I", len(packets))
               + b"".join(struct.pack(">I", 1000 + size * sum(packets[:n])) for n in range(len(packets))))
    )  # fmt: skip
    found = leaves(tables, 0, len(tables))
    packed = pcm.find_packed(tables, found, 10_000_000)
    assert packed == pcm.Packed(frames, 1, size, together)
    runs = pcm.read_runs(tables, found, packed, end=None)
    assert int(runs.duration.sum()) == frames
    assert int(runs.size.sum()) == sum(packets) * size
    assert (runs.offset[0], int((runs.offset + runs.size)[-1])) == (1000, 1000 + sum(packets) * size)
    if together >= pcm.LARGE:  # one packet at a time: such decoders take no two
        assert set(runs.size.tolist()) == {size}


@pytest.mark.parametrize(("kind", "together", "size"), [(b"ima4", 64, 34), (b"MAC3", 6, 2), (b"MAC6", 6, 1)])
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("channels", [1, 2])
def test_quicktimes_codecs_have_one_packing_whatever_is_said_of_it(
    kind: bytes, together: int, size: int, version: int, channels: int
) -> None:
    entry = described(kind, version=version, together=0, size=0, channels=channels)
    assert pcm.packet(entry) == (size * channels, together)


@pytest.mark.parametrize("together", [0, 1, 1 << 20])
def test_packets_that_cannot_be_are_none(together: int) -> None:
    assert pcm.packet(described(b"ms\0\x02", version=1, together=together, size=512)) is None
    assert pcm.packet(described(b"ms\0\x02", version=0, together=1012, size=512)) is None


@pytest.mark.parametrize(("codec", "kind"), [("mace3", b"MAC3"), ("mace6", b"MAC6"), ("adpcm_ima_qt", b"ima4")])
def test_sound_of_old_quicktime_is_encoded(codec: str, kind: bytes) -> None:
    """Whatever the bytes are, they are sound to these decoders."""
    together = {b"MAC3": 6, b"MAC6": 6, b"ima4": 64}[kind]
    count = 22_050 // together * together
    track = Track(kind="soun", entry="sowt", timescale=22_050, sizes=(1,) * count, durations=(1,) * count,
                  size_form="uniform", chunks=(count,))  # fmt: skip
    movie = write(Movie((track,), moov_first=False))
    entry = described(kind, version=0, together=0, size=0).replace(struct.pack(">I", 44100 << 16),
                                                                   struct.pack(">I", 22050 << 16))  # fmt: skip
    data = movie.data.replace(box(b"sowt", struct.pack(">6xH8xHHIHH", 1, 2, 16, 0, 48000, 0)), entry)
    media = opened(data)
    assert media.tracks[0].codec == codec
    plan = make_plan(media, source_of(data), recipe_of(Profile.AUTO), video="film", revision="0" * 12, stored=False)
    ((_, made),) = ChunkEncoder(media, plan).segments(plan.chunks()[0])
    with av.open(io.BytesIO(bytes(next(iter(made.values()))))) as container:
        heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert 0.9 < heard < 1.2
