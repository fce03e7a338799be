"""Rungs beside a copied picture: the same frames at the same times, whoever encodes which segment."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest

from mam.hls.plan import Chunk, Plan, VideoTrack
from mam.hls.recipe import Format, Profile
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from mam.rung_table import Rung
from tests.media import MediaFolder, Recipe
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of

TABLE = (Rung(120, 300_000), Rung(80, 100_000))
SECONDS = 13
H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -crf 20 -sc_threshold 0"
TICK = Fraction(1, 90_000)


def film(name: str, rate: str, *, video: str = "", filters: str = "", sound: float = SECONDS, more: str = "") -> Recipe:
    """Noise, which takes more bits than the rungs may have."""
    picture = f"testsrc2=s=320x180:r={rate}:d={SECONDS},noise=alls=40:allf=t{filters}"
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


def planned(path_data: bytes) -> tuple[MediaSource, Plan]:
    media, recipe = opened(path_data), recipe_of(Profile.LADDER, Format.FMP4, rungs=TABLE, segment_seconds=3)
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
    base = plan.of_groups("")
    copier = Remuxer(source, base)
    copied = {number: copier.segment(number) for number in range(len(plan.timeline))}
    init = bytes(copied[0][base.init(main)])
    above = {number: shown(init + bytes(files[base.file(main, number)]))[0] for number, files in copied.items()}
    for rung in rungs:
        group = plan.of_groups(rung.group)
        below = dict(encoded(source, group))
        for number, times in above.items():
            assert len(below[number]) == len(times) == plan.frames[number]
            assert all(abs(here - there) < TICK for here, there in zip(below[number], times, strict=True)), number


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


@pytest.mark.parametrize("recipe", ENCODED, ids=lambda recipe: recipe.name)
def test_where_the_picture_cannot_be_copied_all_rungs_have_the_same_frames(media: MediaFolder, recipe: Recipe) -> None:
    source, plan = planned(media.path(recipe).read_bytes())
    pictures = [rendition for rendition in plan.renditions if rendition.video]
    assert {rendition.video.action for rendition in pictures if rendition.video} == {"encode"}
    assert len(pictures) > 1
    times = []
    for rendition in pictures:
        if rendition.group:
            times.append(sorted(encoded(source, plan.of_groups(rendition.group))))
        else:
            base = plan.of_groups("")
            files = dict(ChunkEncoder(source, base).segments(Chunk(0, len(plan.timeline))))
            init = bytes(files[0][base.init(rendition)])
            times.append([(n, shown(init + bytes(part[base.file(rendition, n)]))[0]) for n, part in files.items()])
    assert all(other == times[0] for other in times)


def test_a_rung_says_which_colours_it_has(media: MediaFolder) -> None:
    """Players take small untagged pictures for others than large ones."""
    _, plan = planned(media.path(FILMS[0]).read_bytes())
    rungs = [r.video for r in plan.renditions if r.group and r.video]
    assert rungs
    for rung in rungs:
        assert isinstance(rung, VideoTrack)
        assert "setparams=colorspace=smpte170m" in " ".join(rung.filters)
