"""Segments of fragmented MP4: made alone and in any order, together they are the source, frame for frame."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import DamagedMedia, NotRemuxable
from mam.hls.plan import Chunk
from mam.hls.recipe import Format, Profile
from mam.hls.timeline import cut_at
from mam.media.chunk_windows import edges_by_time, segment_edges
from mam.media.encode import ChunkEncoder
from mam.media.fmp4 import FragmentMuxer, init_segment, length_prefixed
from mam.media.packets import ORIGIN, Packet, Run, read_packets
from mam.media.planning import make_plan
from mam.media.source import MediaSource, MediaTrack
from mam.mp4.tables import Ints
from mam.naming import INIT
from tests.media import (
    AAC,
    FILM,
    NTSC,
    QUICKTIME,
    VIDEO_ONLY,
    VP9,
    WITH_AC3,
    WITH_OPUS,
    MediaFolder,
    Recipe,
    complaints,
    frames,
    picture_hashes,
)
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of
from tests.unit.mp4.test_writing import read

KINDS = ("video", "audio")
SEGMENT_SECONDS = 3

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8")
_SOUND = ("-f", "lavfi", "-i", "sine=d=8:r=48000")
_X265 = ("-preset", "ultrafast", "-x265-params", "log-level=error:keyint=50:bframes=2:open-gop=0")
_SVT = ("-preset", "12", "-g", "50", "-svtav1-params", "log-level=0")
_UNEVEN = (
    "settb=1/12800,select='if(lt(t,4),not(mod(n,2)),1)',setpts='PTS+mod(N,4)*60'"  # no two frames in a row as long
)
HEVC = Recipe(
    "hevc.mp4", (*_PICTURE, *_SOUND, "-c:v", "libx265", *_X265, "-pix_fmt", "yuv420p", "-tag:v", "hev1", *AAC)
)
AV1 = Recipe("av1.mp4", (*_PICTURE, *_SOUND, "-c:v", "libsvtav1", *_SVT, *AAC))
UNEVEN = Recipe(
    "uneven.mp4",
    (*_PICTURE, "-vf", _UNEVEN, "-fps_mode", "passthrough", "-enc_time_base", "1/12800",
     "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-sc_threshold", "0"),
)  # fmt: skip
WITH_EAC3 = Recipe("eac3.mp4", ("-c:v", "copy", "-c:a", "eac3"), of=FILM)
WITH_MP3 = Recipe("mp3.mp4", ("-c:v", "copy", "-c:a", "libmp3lame"), of=FILM)
WITH_FLAC = Recipe("flac.mp4", ("-c:v", "copy", "-c:a", "flac", "-strict", "-2"), of=FILM)
ENTRIES = {
    FILM: ("avc1", "mp4a"),
    NTSC: ("avc1", "mp4a"),
    QUICKTIME: ("avc1", "mp4a"),
    UNEVEN: ("avc1",),
    VIDEO_ONLY: ("avc1",),
    HEVC: ("hvc1", "mp4a"),
    AV1: ("av01", "mp4a"),
    WITH_AC3: ("avc1", "ac-3"),
    WITH_EAC3: ("avc1", "ec-3"),
    WITH_MP3: ("avc1", "mp4a"),
    WITH_OPUS: ("avc1", "Opus"),
    WITH_FLAC: ("avc1", "fLaC"),
}


@dataclass(frozen=True)
class Cut:
    """A source that is cut where its key frames are."""

    path: Path

    @cached_property
    def media(self) -> MediaSource:
        return opened(self.path.read_bytes())

    @cached_property
    def tracks(self) -> list[MediaTrack]:
        return list(self.media.tracks)

    @cached_property
    def edges(self) -> dict[int, Ints]:
        """By track: the first sample of each segment."""
        main = self.media.samples(self.tracks[0].number)
        points = sorted(main.pts[main.key].tolist())
        timeline = cut_at(points, timescale=main.timescale, start=main.start, end=main.end, target=SEGMENT_SECONDS)
        return {
            track.number: (segment_edges if track.is_video else edges_by_time)(
                self.media.samples(track.number), timeline
            )
            for track in self.tracks
        }

    @property
    def numbers(self) -> range:
        return range(len(self.edges[self.tracks[0].number]) - 1)

    @property
    def templates(self) -> dict[int, Any]:
        return {track.number: track.template for track in self.tracks}

    @property
    def scales(self) -> dict[int, int]:
        return {track.number: self.media.samples(track.number).timescale for track in self.tracks}

    @cached_property
    def init(self) -> bytes:
        first = {track.number: next(self.packets(track, 0, 1)) for track in self.tracks}
        return init_segment(self.templates, self.scales, first)

    def packets(self, track: MediaTrack, first: int, last: int) -> Iterator[Packet]:
        durations = self.media.samples(track.number).duration[first:last].tolist()
        read = read_packets(self.media, [Run(track, first, last)])
        for (_, packet), duration in zip(read, durations, strict=True):
            packet.duration = duration
            yield packet

    def segment(self, number: int) -> bytes:
        muxer = FragmentMuxer(self.templates, self.scales, number)
        for track in self.tracks:
            for packet in self.packets(track, *self.edges[track.number][number : number + 2].tolist()):
                muxer.mux(track.number, packet)
        return bytes(muxer.finish())


@pytest.fixture(params=ENTRIES, ids=lambda recipe: recipe.name)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    found: Recipe = request.param
    return found


@pytest.fixture
def cut(media: MediaFolder, recipe: Recipe) -> Cut:
    return Cut(media.path(recipe))


def test_the_segments_together_are_the_source_frame_for_frame_to_the_tick(cut: Cut) -> None:
    made = {number: cut.segment(number) for number in reversed(cut.numbers)}
    assert len(made) > 1
    whole = cut.init + b"".join(made[number] for number in cut.numbers)
    for kind in KINDS:
        expected = [(f.pts + ORIGIN, f.dts + ORIGIN, f.is_key, f.payload) for f in frames(cut.path, kind)]
        assert expected == [(f.pts, f.dts, f.is_key, f.payload) for f in frames(whole, kind)]


def test_a_segment_decodes_alone(cut: Cut) -> None:
    for number in cut.numbers:
        with av.open(io.BytesIO(cut.init + cut.segment(number))) as container:
            shown = sum(1 for _ in container.decode(video=0))
        first, last = cut.edges[cut.tracks[0].number][number : number + 2]
        assert shown == last - first


def test_each_fragment_begins_where_the_one_before_it_ends(cut: Cut) -> None:
    segments = [read(cut.segment(number)) for number in cut.numbers]
    assert [sequence for sequence, _ in segments] == [number + 1 for number in cut.numbers]
    for (_, before), (_, behind) in pairwise(segments):
        ends = [run.decode_time + sum(sample.duration for sample in run.samples) for run in before]
        assert [run.decode_time for run in behind] == ends[: len(behind)]


def test_the_playlist_plays_without_a_complaint(cut: Cut, tmp_path: Path, recipe: Recipe) -> None:
    playlist = publish(tmp_path, cut.init, [cut.segment(number) for number in cut.numbers])
    assert picture_hashes(playlist) == picture_hashes(cut.path)
    if recipe is not UNEVEN:  # ffmpeg's null muxer counts frames at an average rate, of the source too
        assert complaints(playlist) == ""


def test_the_header_says_what_the_tracks_are(cut: Cut, recipe: Recipe) -> None:
    with av.open(io.BytesIO(cut.init + cut.segment(0))) as container:
        assert tuple(stream.codec_context.codec_tag.rstrip("\0") for stream in container.streams) == ENTRIES[recipe]
        assert [stream.time_base for stream in container.streams] == [Fraction(1, n) for n in cut.scales.values()]


def test_whoever_makes_the_header_makes_the_same_bytes(cut: Cut) -> None:
    assert cut.init == Cut(cut.path).init


def test_packets_may_count_time_in_other_ticks(media: MediaFolder) -> None:
    cut = Cut(media.path(UNEVEN))
    (track,) = cut.tracks
    muxer = FragmentMuxer(cut.templates, cut.scales, 1)
    for packet in cut.packets(track, *cut.edges[track.number][1:3].tolist()):
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts, packet.dts, packet.duration = 7 * packet.pts + 3, 7 * packet.dts - 3, 7 * (packet.duration or 0)
        packet.time_base = packet.time_base / 7
        muxer.mux(track.number, packet)
    assert muxer.finish() == cut.segment(1)


def publish(folder: Path, init: bytes, segments: list[bytes]) -> Path:
    """A media playlist with EXT-X-MAP."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:9", '#EXT-X-MAP:URI="init.mp4"']
    (folder / "init.mp4").write_bytes(init)
    for number, data in enumerate(segments):
        (folder / f"{number}.m4s").write_bytes(data)
        lines += ["#EXTINF:3,", f"{number}.m4s"]
    playlist = folder / "index.m3u8"
    playlist.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return playlist


# what cannot be made


def test_a_codec_that_is_only_described_by_its_pictures_is_refused(media: MediaFolder) -> None:
    with pytest.raises(NotRemuxable):
        _ = Cut(media.path(VP9)).init


def test_dolby_needs_a_packet_to_be_described(media: MediaFolder) -> None:
    cut = Cut(media.path(WITH_AC3))
    with pytest.raises(NotRemuxable):
        init_segment(cut.templates, cut.scales)


@pytest.mark.parametrize("times", [(-1, 40), (80, 40)], ids=["before zero", "falling"])
def test_decode_times_that_cannot_be_are_refused(media: MediaFolder, times: tuple[int, int]) -> None:
    cut = Cut(media.path(VIDEO_ONLY))
    muxer = FragmentMuxer(cut.templates, cut.scales, 0)
    for packet, time in zip(cut.packets(cut.tracks[0], 0, 2), times, strict=True):
        packet.dts = time
        muxer.mux(cut.tracks[0].number, packet)
    with pytest.raises(DamagedMedia):
        muxer.finish()


# what ffmpeg encodes

UNITS = st.lists(
    st.tuples(st.sampled_from((b"\x65", b"\x41", b"\x06", b"\x67", b"\x68")), st.binary(max_size=9)).map(
        lambda parts: parts[0] + parts[1].replace(b"\0", b"\1") + b"\x80"
    ),
    max_size=6,
)


@given(UNITS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_start_codes_become_lengths_and_parameter_sets_go(units: list[bytes], long: list[bool]) -> None:
    annex_b = b"".join(bytes(2 + four) + b"\1" + unit for unit, four in zip(units, long, strict=False))
    kept = [unit for unit in units if unit[0] not in (0x67, 0x68)]
    assert length_prefixed(annex_b) == b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)


@dataclass
class Encoded:
    """What an encode by chunks makes: the headers that came with the first segments, and the segments."""

    inits: set[bytes]
    segments: dict[int, bytes]


def encoded(media: MediaSource, chunks: list[Chunk]) -> Encoded:
    plan = make_plan(media, source_of(b""), RECIPE, video="v", revision="0" * 12, stored=False)
    found = Encoded(set(), {})
    for chunk in chunks:
        for number, made in ChunkEncoder(media, plan).segments(chunk):
            files = {name: bytes(data) for name, data in made.items()}
            assert list(files) == plan.files(number)
            found.inits |= {files[name] for name in files if name.endswith(INIT)}
            found.segments[number] = files[plan.file(plan.renditions[0], number)]
    return found


RECIPE = recipe_of(Profile.H264, Format.FMP4, segment_seconds=2)


@pytest.mark.parametrize("recipe", [WITH_OPUS, UNEVEN], ids=lambda recipe: recipe.name)
def test_all_encoders_of_a_video_write_the_same_header(media: MediaFolder, recipe: Recipe, tmp_path: Path) -> None:
    """Also where the sizes of packets, the frame rate and what comes first differ from chunk to chunk."""
    source = opened(media.bytes(recipe))
    plan = make_plan(source, source_of(b""), RECIPE, video="v", revision="0" * 12, stored=False)
    total = len(plan.timeline)

    whole = encoded(source, [Chunk(0, total)])
    alone = encoded(source, [Chunk(number, number + 1) for number in reversed(range(total))])

    (init,) = whole.inits | alone.inits
    playlist = publish(tmp_path, init, [alone.segments[number] for number in range(total)])
    assert len(picture_hashes(playlist)) == sum(plan.frames)
    if recipe is not UNEVEN:
        assert complaints(playlist) == ""
