"""What the container alone says of a picture: colours, crops, turns. It reaches what is made, or is told of."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import NotRemuxable
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, Recipe
from mam.media.apertures import crop_of
from mam.media.colours import Colours, differ
from mam.media.encode import ChunkEncoder
from mam.media.orientation import ORIENTATIONS, unmet, upright
from mam.media.planning import make_plan, read_index
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from tests.mutants.tree import Node, join, parse
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of
from tests.unit.mp4.clips import clip
from tests.unit.mp4.movies import Movie, Track, box, even_chunks, write

UNIT = 1 << 16
HD = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -vf scale=1280:720 -g 5"
SD = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 5"
TEN_BIT = "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le -x265-params log-level=none"


def with_box(data: bytes, added: bytes, instead: bytes = b"") -> bytes:
    """A file whose picture's sample entry has another box."""
    nodes = parse(data)
    stsd = next(node for node in nodes if node.kind == b"moov").tracks()[0].find(b"stsd")
    entry = stsd.content[8:]
    if instead:
        at = entry.find(instead) - 4
        (size,) = struct.unpack_from(">I", entry, at) if at > 0 else (0,)
        entry = entry[:at] + entry[at + size :] if at > 0 else entry
    entry = struct.pack(">I", len(entry) + len(added)) + entry[4:] + added
    stsd.content = stsd.content[:8] + entry
    return join(nodes)


def colr(kind: bytes, primaries: int, transfer: int, matrix: int, *, full: bool = False) -> bytes:
    return box(b"colr", kind + struct.pack(">3H", primaries, transfer, matrix) + bytes([full << 7]) * (kind == b"nclx"))


def planned(data: bytes, recipe: Recipe) -> tuple[MediaSource, Plan]:
    media = opened(data)
    read_index(media, recipe)
    return media, make_plan(media, source_of(data), recipe, video="film", revision="0" * 12, stored=False)


def first_picture(data: bytes, recipe: Recipe) -> av.VideoFrame:
    """What a player decodes of what is made."""
    media, plan = planned(data, recipe)
    if plan.encodes:
        made = dict(ChunkEncoder(media, plan).segments(plan.chunks()[0]))[0]
    else:
        made = Remuxer(media, plan).segment(0)
    rendition = plan.renditions[0]
    head = bytes(made[plan.init(rendition)]) if plan.has_init(rendition) else b""
    with av.open(io.BytesIO(head + bytes(made[plan.file(rendition, 0)]))) as container:
        frame: av.VideoFrame = next(container.decode(video=0))
        return frame


# colours


@pytest.mark.parametrize("kind", [b"nclx", b"nclc"])
@pytest.mark.parametrize(("primaries", "transfer", "matrix"), [(6, 6, 6), (5, 1, 5), (1, 1, 6), (9, 14, 9)])
def test_colours_that_the_container_alone_says_are_said_by_what_is_encoded(
    kind: bytes, primaries: int, transfer: int, matrix: int
) -> None:
    data = with_box(clip(HD), colr(kind, primaries, transfer, matrix), b"colr")
    frame = first_picture(data, recipe_of(Profile.AUTO))
    assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (primaries, transfer, matrix)


def test_a_copy_that_would_lose_them_is_none() -> None:
    data = with_box(clip(HD), colr(b"nclx", 6, 6, 6), b"colr")
    with pytest.raises(NotRemuxable, match="colours"):
        planned(data, recipe_of(Profile.SOURCE))
    _, plan = planned(data, recipe_of(Profile.AUTO))
    assert plan.video_track and plan.video_track.action == "encode"


def test_fragments_say_what_the_container_said() -> None:
    data = with_box(clip(HD), colr(b"nclx", 6, 6, 6), b"colr")
    media, plan = planned(data, recipe_of(Profile.SOURCE, Format.FMP4))
    made = Remuxer(media, plan).segment(0)
    assert colr(b"nclx", 6, 6, 6)[4:] in bytes(made[plan.init(plan.renditions[0])])


@pytest.mark.parametrize("words", [(6, 6, 6), (5, 6, 5), (1, 1, 6)])
def test_words_that_say_the_usual_are_copied(words: tuple[int, int, int]) -> None:
    """Standard definition that does not say so is taken for BT.601 by every player."""
    _, plan = planned(with_box(clip(SD), colr(b"nclx", *words), b"colr"), recipe_of(Profile.AUTO))
    assert plan.video_track and plan.video_track.action == "copy"


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize(("primaries", "matrix"), [(9, 9), (2, 2), (9, 2), (12, 9), (1, 1)])
def test_hdr_that_the_container_alone_says_is_tone_mapped(transfer: int, primaries: int, matrix: int) -> None:
    """What is not said of it takes the usual values."""
    data = with_box(clip(TEN_BIT), colr(b"nclc", primaries, transfer, matrix), b"colr")
    frame = first_picture(data, recipe_of(Profile.AUTO))
    assert (frame.color_trc, frame.colorspace, frame.format.name) == (1, 1, "yuv420p")


SAID = st.builds(Colours, *(st.sampled_from((1, 2, 5, 6, 9, 16, 18)),) * 3, st.sampled_from((None, False, True)))


@given(SAID, st.integers(16, 4000), st.integers(16, 2200))
def test_complete_colours_say_everything_and_what_was_said_stays(said: Colours, width: int, height: int) -> None:
    complete = said.completed(width, height)
    assert 2 not in (complete.primaries, complete.transfer, complete.matrix) and complete.full_range is not None
    assert said.over(complete) == complete
    assert not differ(complete, complete)


# crops


def clap(width: int, height: int, x: int, y: int, stored: tuple[int, int]) -> bytes:
    """A clean aperture with its upper left corner at (x, y)."""
    right, below = 2 * x + width - stored[0], 2 * y + height - stored[1]
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, right, 2, below, 2))


@given(width=st.integers(45, 180), height=st.integers(25, 100), at=st.tuples(st.integers(0, 180), st.integers(0, 100)))
def test_a_clean_aperture_is_the_rectangle_that_it_says(width: int, height: int, at: tuple[int, int]) -> None:
    x, y = min(at[0], 180 - width), min(at[1], 100 - height)
    track = opened(with_box(clip(SD), clap(width, height, x, y, (180, 100)))).tracks[0]
    crop = crop_of(track, 180, 100)
    if (width, height) == (180, 100):
        assert crop is None
    else:
        assert crop
        assert (crop.width, crop.height, crop.x, crop.y) == (width, height, x, y)


@pytest.mark.parametrize(
    "recipe", [recipe_of(Profile.AUTO), recipe_of(Profile.AUTO, Format.FMP4), recipe_of(Profile.H264)]
)
def test_what_the_container_cuts_off_is_not_shown(recipe: Recipe) -> None:
    data = clip(f"{SD} -vf drawbox=x=100:w=80:h=100:color=red:t=fill,drawbox=w=100:h=100:color=green:t=fill")
    whole, cut = (first_picture(each, recipe) for each in (data, with_box(data, clap(100, 100, 0, 0, (180, 100)))))
    assert (whole.width, cut.width, cut.height) == (180, 100, 100)
    assert _is_green(cut.to_ndarray(format="rgb24")[:, -4:])


def _is_green(pixels: np.ndarray) -> bool:
    red, green, _ = pixels.reshape(-1, 3).mean(0)
    return bool(green > 2 * red)


@pytest.mark.parametrize("wrong", [(0, 0, 0, 0), (500, 500, 0, 0), (10, 10, 0, 0), (180, 100, 0, 0)])
def test_an_aperture_that_cannot_be_meant_is_none(wrong: tuple[int, int, int, int]) -> None:
    track = opened(with_box(clip(SD), clap(*wrong, (180, 100)))).tracks[0]
    assert crop_of(track, 180, 100) is None


def test_lines_that_only_the_codecs_blocks_have_are_cut_off() -> None:
    """1080 of 1088: here 100 of 112."""
    data = clip("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -vf scale=176:112,setsar=1 -g 5")

    def shorter(trak: Node) -> None:
        stsd, tkhd = trak.find(b"stsd"), trak.find(b"tkhd")
        stsd.content = stsd.content[:40] + struct.pack(">HH", 176, 100) + stsd.content[44:]
        tkhd.content = tkhd.content[:-4] + struct.pack(">I", 100 << 16)

    nodes = parse(data)
    shorter(next(node for node in nodes if node.kind == b"moov").tracks()[0])
    frame = first_picture(join(nodes), recipe_of(Profile.AUTO))
    assert (frame.width, frame.height) == (176, 100)


# turns


QUARTERS = st.sampled_from(sorted(ORIENTATIONS))
SCALES = st.floats(0.01, 30)


@given(QUARTERS, SCALES, SCALES)
def test_scaling_makes_no_difference_to_a_turn(quarter: tuple[int, int, int, int], across: float, down: float) -> None:
    a, b, c, d = quarter
    scaled = [round(UNIT * value) for value in (a * across, b * across, c * down, d * down)]
    assert upright(scaled) == ORIENTATIONS[quarter]
    assert unmet(scaled) == ""


def product(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, int, int, int]:
    (a, b, c, d), (e, f, g, h) = one, other
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


@pytest.mark.parametrize("track", sorted(ORIENTATIONS))
@pytest.mark.parametrize("movie", sorted(ORIENTATIONS))
def test_the_tracks_matrix_and_the_movies_count_together(
    track: tuple[int, int, int, int], movie: tuple[int, int, int, int]
) -> None:
    written = write(Movie((Track(sizes=(30,) * 5, durations=(40,) * 5, chunks=even_chunks(5, 5), matrix=track),)))

    def turn(moov: Node) -> None:
        mvhd = moov.find(b"mvhd")
        a, b, c, d = (value << 16 for value in movie)
        mvhd.content = mvhd.content[:36] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + mvhd.content[72:]

    header = opened(_changed(written.data, turn)).tracks[0].header
    assert upright(header.matrix) == ORIENTATIONS[product(track, movie)]


def _changed(data: bytes, change: Callable[[Node], None]) -> bytes:
    nodes = parse(data)
    change(next(node for node in nodes if node.kind == b"moov"))
    return join(nodes)


@pytest.mark.parametrize("degrees", [5, 10, 30, 45, 80, 100, 200])
def test_a_turn_that_has_no_equivalent_is_told_of(degrees: int) -> None:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = [round(UNIT * value) for value in (cos, sin, -sin, cos)]
    data = clip(SD)

    def turn(moov: Node) -> None:
        tkhd = moov.tracks()[0].find(b"tkhd")
        a, b, c, d = matrix
        tkhd.content = tkhd.content[:40] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + tkhd.content[76:]

    _, plan = planned(_changed(data, turn), recipe_of(Profile.AUTO))
    assert ["display matrix" in note for note in plan.notes] == [True]
    assert upright(matrix)[0] == round(degrees / 90) * 90 % 360 or degrees == 45
