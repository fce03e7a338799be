"""Rungs beside a copied picture: its frames at the same times, whoever encodes which segment.

Rungs of few bits have each second frame of every segment of a fast picture.
"""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise, product

import av
import pytest

from mam.hls.plan import Chunk, Plan
from mam.hls.recipe import Format, Profile
from mam.hls.renditions import VideoTrack
from mam.media.chunk_windows import shown_frames
from mam.media.commands import REORDER
from mam.media.encode import ChunkEncoder
from mam.media.packets import ORIGIN
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from mam.rung_table import Rung
from tests.media import MediaFolder, Recipe
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of

TABLE = (Rung(120, 300_000), Rung(80, 100_000))
MIXED = (Rung(120, 2_000_000), Rung(80, 100_000))  # Of a fast picture the first has all frames, the second half.
SECONDS = 11  # more than key frames of a copied picture may lie apart
H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -crf 20 -sc_threshold 0"
TICK = Fraction(1, 90_000)


def film(name: str, rate: str, *, video: str = "", filters: str = "", sound: float = SECONDS, more: str = "") -> Recipe:
    """Noise, which takes more bits than the rungs may have."""
    picture = f"testsrc2=s=224x126:r={rate}:d={SECONDS},noise=alls=24:allf=t{filters}"
    inputs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=d={sound}")
    return Recipe(f"rung-{name}.mp4", (*inputs, *H264.split(), *(video or "-bf 0 -g 50").split(), *more.split(),
                                       *["-c:a", "aac", "-movflags", "+faststart"]))  # fmt: skip


FILMS = [
    film("25", "25"),
    film("24000", "24000/1001", video="-bf 2 -g 48"),
    film("30000", "30000/1001", video="-bf 3 -g 60"),
    film("50", "50", video="-bf 2 -g 100"),
    film("60000", "60000/1001", video="-bf 2 -g 120"),
    film("deep", "25", video="-bf 8 -b_strategy 0 -g 50"),
    film("60", "60", video="-bf 0 -g 60"),
    film("odd", "50", video="-bf 2 -g 151"),
    film("odd-60000", "60000/1001", video="-bf 3 -g 61"),
    film("vfr-60", "60", filters=",select='mod(n,17)*(gt(n,100)+mod(n,5))'", more="-fps_mode vfr", video="-bf 2 -g 47"),
    film("120", "120", video="-bf 2 -g 121"),
    film("short-groups", "25", video="-bf 2 -g 7"),
    film("vfr", "50", filters=",select='not(mod(n,3))+lt(mod(n,100),30)'", more="-fps_mode vfr", video="-bf 2 -g 40"),
    film("hidden-pictures", "25", video="-bf 2 -g 50", more="-output_ts_offset -0.07 -avoid_negative_ts disabled"),
    film("coarse-clock", "25", more="-video_track_timescale 600", video="-bf 2 -g 50"),
    film("long-sound", "25", sound=SECONDS + 5),
    film("short-sound", "25", sound=SECONDS - 5),
    film("tall", "25", filters=",transpose"),
    film("oblong-pixels", "25", filters=",setsar=4/3"),
    film("tagged", "25", more="-colorspace bt470bg -color_primaries bt470bg -color_trc gamma28"),
]  # fmt: skip


FAST = [recipe for recipe in FILMS if recipe.name.removeprefix("rung-").removesuffix(".mp4") in (
    "60000", "odd", "vfr-60", "120",
)]  # fmt: skip


def planned(path_data: bytes, table: tuple[Rung, ...] = TABLE) -> tuple[MediaSource, Plan]:
    media, recipe = opened(path_data), recipe_of(Profile.LADDER, Format.FMP4, rungs=table, segment_seconds=4)
    read_index(media, recipe)
    return media, make_plan(media, source_of(path_data), recipe, video="film", revision="0" * 12, stored=False)


def shown(data: bytes) -> tuple[list[Fraction], tuple[int, int]]:
    with av.open(io.BytesIO(data)) as container:
        times = [Fraction(frame.pts) * frame.time_base for frame in container.decode(video=0)]
        return times, (container.streams.video[0].codec_context.width, container.streams.video[0].codec_context.height)


@pytest.mark.parametrize("recipe", FILMS, ids=lambda recipe: recipe.name)
def test_a_rung_has_the_frames_of_the_copied_picture_in_every_segment(media: MediaFolder, recipe: Recipe) -> None:
    source, plan = planned(media.path(recipe).read_bytes())
    main, *rungs = [rendition for rendition in plan.renditions if rendition.video]
    assert main.video and main.video.action == "copy"
    assert [rung.name for rung in rungs] == ["v120", "v80"]
    assert [stream.action for stream in plan.streams if stream.kind == "video"] == ["copy"]
    above = copied(source, plan)
    every = 1 if main.video.frame_rate < 31 else 4 if main.video.frame_rate > 100 else 2
    assert [len(times) for times in above] == list(plan.frames)
    for rung in rungs:
        assert rung.video
        assert (rung.video.every, rung.video.frame_rate) == (every, main.video.frame_rate / every)
        below = dict(encoded(source, plan.of_groups(rung.group)))
        assert [len(below[number]) for number in range(len(above))] == list(plan.frames_of(rung.video))
        for number, times in enumerate(above):
            assert are_close(below[number], times[::every]), number


def copied(source: MediaSource, plan: Plan) -> list[list[Fraction]]:
    """The times of the frames of each segment of the copied picture."""
    base = plan.of_groups("")
    main, copier = base.renditions[0], Remuxer(source, base)
    files = [copier.segment(number) for number in range(len(plan.timeline))]
    init = bytes(files[0][base.init(main)])
    return [shown(init + bytes(part[base.file(main, number)]))[0] for number, part in enumerate(files)]


def are_close(here: list[Fraction], there: list[Fraction]) -> bool:
    return len(here) == len(there) and all(abs(one - other) < TICK for one, other in zip(here, there, strict=True))


@pytest.mark.parametrize("recipe", [FILMS[1], FILMS[7], FILMS[8]], ids=lambda recipe: recipe.name)
def test_rungs_of_one_decode_are_those_of_a_decode_for_each(media: MediaFolder, recipe: Recipe) -> None:
    source, plan = planned(media.path(recipe).read_bytes())
    both = plan.of_groups(*(group for group in plan.groups if group))
    inits = {g: ChunkEncoder(source, plan.of_groups(g)).initialization() for g in both.groups}
    chunk = Chunk(1, 3)  # with a pre-roll, which differs from the frames of segment 1
    together = ChunkEncoder(source, both, initialization={**inits["v120"], **inits["v80"]})
    found = dict(together.segments(chunk))
    for group, init in inits.items():
        apart = dict(ChunkEncoder(source, plan.of_groups(group), initialization=init).segments(chunk))
        for number, files in apart.items():
            assert {name: bytes(found[number][name]) for name in files} == {n: bytes(d) for n, d in files.items()}


def encoded(source: MediaSource, group: Plan) -> list[tuple[int, list[Fraction]]]:
    """The times of the frames of each segment of a rung. Every segment is encoded by itself, the last one first."""
    (rung,) = group.renditions
    assert rung.video
    init = ChunkEncoder(source, group).initialization()
    encoder = ChunkEncoder(source, group, initialization=init)
    found = []
    for number in reversed(range(len(group.timeline))):
        ((_, files),) = encoder.segments(Chunk(number, number + 1))
        times, size = shown(bytes(init[group.init(rung)]) + bytes(files[group.file(rung, number)]))
        assert size == (rung.video.width, rung.video.height)
        found.append((number, times))
    return found


ENCODED = [
    film("hevc", "25", video="-c:v libx265 -x265-params log-level=none -bf 2 -g 50"),
    film("open", "25", video="-bf 2 -g 50 -x264-params open-gop=1"),
    film("long-groups", "25", video="-bf 2 -g 1000"),
    film("444", "25", video="-bf 2 -g 50 -profile:v high444 -pix_fmt yuv444p"),
]


FAST_ENCODED = [
    film("hevc-60000", "60000/1001", video="-c:v libx265 -x265-params log-level=none -bf 2 -g 60"),
    film("mpeg4-60000", "60000/1001", video="-c:v mpeg4 -q:v 2 -bf 2 -g 60"),
    film("mpeg4-50", "50", video="-c:v mpeg4 -q:v 2 -bf 0 -g 60", more="-output_ts_offset 0.013"),
    film("open-vfr-60", "60", filters=",select='mod(n,17)*(gt(n,100)+mod(n,5))'",
         video="-bf 2 -g 50 -x264-params open-gop=1", more="-fps_mode vfr"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "table"),
    [*product(ENCODED, [TABLE]), *product(FAST_ENCODED, [TABLE, MIXED])],
    ids=lambda value: value.name if isinstance(value, Recipe) else "mixed" if value is MIXED else "slow",
)
def test_where_the_picture_cannot_be_copied_all_rungs_have_frames_of_the_source(
    media: MediaFolder, recipe: Recipe, table: tuple[Rung, ...]
) -> None:
    source, plan = planned(media.path(recipe).read_bytes(), table)
    pictures = [rendition for rendition in plan.renditions if rendition.video]
    assert {rendition.video.action for rendition in pictures if rendition.video} == {"encode"}
    assert len(pictures) > 1
    halved = [rendition.video.every == 2 for rendition in pictures if rendition.video]
    assert any(halved) == (recipe in FAST_ENCODED)
    assert all(halved) == (recipe in FAST_ENCODED and table is TABLE)
    video = plan.encoded_video_tracks[0]
    frames = shown_frames(source.samples(video.track), video, plan.timeline).tolist()
    for rendition in pictures:
        assert rendition.video
        if rendition.group:
            made = sorted(encoded(source, plan.of_groups(rendition.group)))
        else:
            base = plan.of_groups("")
            made = [(n, times) for n, times in decoded(ChunkEncoder(source, base), base)[rendition.name].items()]
        for (number, times), (begin, end) in zip(made, pairwise(plan.timeline.boundaries), strict=True):
            whole = [Fraction(tick, plan.timeline.timescale) + ORIGIN for tick in frames if begin <= tick < end]
            assert len(whole) == plan.frames[number]
            assert are_close(times, whole[:: rendition.video.every]), (rendition.name, number)


def decoded(encoder: ChunkEncoder, plan: Plan) -> dict[str, dict[int, list[Fraction]]]:
    """The times of the frames of all segments, made as one chunk, by the names of the pictures."""
    files = dict(encoder.segments(Chunk(0, len(plan.timeline))))
    inits = {r.name: bytes(files[0][plan.init(r)]) for r in plan.renditions if r.video}
    return {
        name: {
            number: shown(init + bytes(part[plan.file(plan.named(name), number)]))[0] for number, part in files.items()
        }
        for name, init in inits.items()
    }


@pytest.mark.parametrize("recipe", FAST, ids=lambda recipe: recipe.name)
def test_rungs_of_different_frame_rates_are_made_by_one_encoder(media: MediaFolder, recipe: Recipe) -> None:
    """In a chunk; each segment has the frames and the decode times of one that is made alone."""
    source, plan = planned(media.path(recipe).read_bytes(), MIXED)
    both = plan.of_groups("v120", "v80")
    more, fewer = both.encoded_video_tracks
    assert more.every < fewer.every
    together = dict(ChunkEncoder(source, both).segments(Chunk(0, len(plan.timeline))))
    for rung in both.renditions:
        group = plan.of_groups(rung.group)
        first = {name: data for name, data in together[0].items() if name == group.init(rung)}
        assert first == ChunkEncoder(source, group).initialization()
        init = bytes(first[group.init(rung)])
        encoder = ChunkEncoder(source, group, initialization=first)
        shown: list[int] = []
        decoded_at: list[int] = []
        for number in range(len(plan.timeline)):
            ((_, alone),) = encoder.segments(Chunk(number, number + 1))
            here, there = (init + bytes(files[group.file(rung, number)]) for files in (together[number], alone))
            assert stamps(here) == stamps(there)
            shown += sorted(pts for pts, _, _ in stamps(here))
            decoded_at += [dts for _, dts, _ in stamps(here)]
        assert decoded_at[REORDER:] == shown[:-REORDER]


def stamps(data: bytes) -> list[tuple[int, int, int]]:
    """(presentation time, decode time, duration) of each packet."""
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return [(packet.pts or 0, packet.dts or 0, packet.duration or 0) for packet in packets]


def test_a_rung_says_which_colours_it_has(media: MediaFolder) -> None:
    """Players take small untagged pictures for others than large ones."""
    _, plan = planned(media.path(FILMS[0]).read_bytes())
    rungs = [r.video for r in plan.renditions if r.group and r.video]
    assert rungs
    for rung in rungs:
        assert isinstance(rung, VideoTrack)
        assert "setparams=colorspace=smpte170m" in " ".join(rung.filters)
