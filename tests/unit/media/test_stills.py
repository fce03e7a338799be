"""Still pictures: which key frames they are made of, and what becomes of frames that cannot be decoded."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import DamagedMedia
from mam.hls.storyboard import board
from mam.media import key_frames, poster_score, sheets, stills
from mam.media.colours import Colours
from mam.media.ffmpeg_process import executable
from mam.media.first_frame import FirstFrame, still_filters
from mam.media.stills import Pixels, Running
from mam.mp4.samples import Samples
from tests.unit.films import Film, film, opened

RATE = 25


def samples_of(keys: list[int], count: int, *, begin: int = 0, size: int = 1000) -> Samples:
    """Frames at 25 a second, the first shown at frame `begin`, with key frames at those numbers."""
    at = np.arange(count, dtype=np.int64)
    key = np.zeros(count, np.bool_)
    key[keys] = True
    sizes = np.full(count, size, np.int64)
    return Samples(RATE, at * size, sizes, at + begin, at + begin, np.ones(count, np.int64), key)


@st.composite
def films(draw: st.DrawFn) -> Samples:
    count = draw(st.integers(1, 20_000))
    keys = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=60, unique=True))
    return samples_of(sorted(keys), count, begin=draw(st.integers(-500, 500)))


def planned(samples: Samples) -> tuple[list[int], Fraction, int]:
    start = max(samples.start, Fraction(0))
    made = board(max(samples.end - start, Fraction(1, RATE)), 160, 90)
    return key_frames.tile_frames(samples, made, start, pixels=320 * 180), start, made.step


@given(films())
def test_a_tile_shows_the_last_key_frame_up_to_its_moment_else_the_first_that_is_seen(samples: Samples) -> None:
    tiles, start, step = planned(samples)
    keys = [int(number) for number in key_frames.seen_keys(samples, start)]
    for number, frame in enumerate(tiles):
        moment = (start + number * step) * RATE
        before = [key for key in keys if samples.pts[key] <= moment]
        assert frame == (before[-1] if before else keys[0])


@given(films())
def test_frames_come_in_order_and_no_more_of_them_than_tiles(samples: Samples) -> None:
    tiles, _, _ = planned(samples)
    assert tiles == sorted(tiles)
    assert samples.key[tiles].all()


def test_what_an_edit_list_hides_is_not_shown() -> None:
    samples = samples_of([0, 50, 100], 150, begin=-60)
    assert list(key_frames.seen_keys(samples, Fraction(0))) == [100]
    assert list(key_frames.seen_keys(samples_of([0], 150, begin=-60), Fraction(0))) == [0], "there is no other"


def test_neighbours_share_a_frame_where_decoding_all_would_take_too_long() -> None:
    """Two hours with key frames of a megabyte every two seconds."""
    samples = samples_of(list(range(0, 180_000, 50)), 180_000, size=1_000_000)
    made = board(samples.end, 160, 90)
    tiles = key_frames.tile_frames(samples, made, Fraction(0), pixels=1920 * 1080)
    different = set(tiles)
    seconds = sum(int(samples.size[frame]) for frame in different) * key_frames.BYTE_SECONDS
    assert (len(made), len(tiles)) == (720, 720)
    assert 50 < len(different) <= 100
    assert seconds <= key_frames.BUDGET
    assert tiles == sorted(tiles)


@given(films(), st.integers(1, 12), st.integers(0, 3))
def test_candidates_are_key_frames_and_few(samples: Samples, most: int, turn: int) -> None:
    start = max(samples.start, Fraction(0))
    found = key_frames.candidates(samples, start, samples.end - start, most=most, turn=turn)
    assert found == sorted(set(found))
    assert len(found) <= most
    assert samples.key[found].all()
    assert found or turn


def test_candidates_leave_out_both_ends_of_a_film() -> None:
    samples = samples_of(list(range(0, 25_000, 25)), 25_000)  # 1000 s
    for turn in range(3):
        seconds = samples.pts[key_frames.candidates(samples, Fraction(0), Fraction(1000), most=10, turn=turn)] / RATE
        assert seconds.min() >= 50
        assert seconds.max() <= 950
        assert len(seconds) == 10


def test_the_command_gets_one_kind_of_media_through_a_pipe_and_no_names() -> None:
    picture = stills.Picture(("scale=w=160:h=90", "format=pix_fmts=rgb24"), 160, 90, quick=True)
    assert stills.stills_command(picture, codec="av1", container="nut") == [
        executable(),
        "-f", "nut",
        "-codec_whitelist", "libdav1d,av1",
        "-copyts",
        "-export_side_data", "+enhancements",
        "-flags2", "+fast",
        "-format_whitelist", "nut",
        "-max_pixels", "35389440",
        "-max_streams", "33",
        "-noautorotate",
        "-protocol_whitelist", "pipe",
        "-skip_frame", "nokey",
        "-skip_loop_filter", "all",
        "-threads", "1",
        "-i", "pipe:0",
        "-filter_complex", "[0:v]scale=h=90:w=160[s0];[s0]format=pix_fmts=rgb24[s1]",
        "-map", "[s1]",
        "-f", "nut",
        "-c:v", "rawvideo",
        "-flush_packets", "1",
        "-fps_mode", "passthrough",
        "-map_metadata", "-1",
        "-threads", "1",
        "pipe:1",
        "-hide_banner", "-nostats",
        "-loglevel", "error",
        "-max_alloc", "1073741824",
        "-filter_complex_threads", "1",
        "-max_error_rate", "1",
    ]  # fmt: skip


def look(width: int, height: int, aspect: Fraction = Fraction(1), **more: object) -> FirstFrame:
    known = FirstFrame(width, height, aspect, "yuv420p", full_range=False, primaries=2, transfer=2, field_order=None)
    return replace(known, **more)  # type: ignore[arg-type]


@given(st.integers(1, 9000), st.integers(1, 9000), st.fractions(Fraction(1, 4), 4, max_denominator=64))
def test_a_picture_is_small_even_and_never_enlarged(width: int, height: int, aspect: Fraction) -> None:
    _, across, down = still_filters(look(width, height, aspect), (), longest=160)
    assert across % 2 == down % 2 == 0
    assert min(across, down) >= 2
    assert max(across, down) <= 160
    assert across <= max(2, int(width * max(float(aspect), 1.0)) + 1)


def test_a_picture_is_made_small_before_anything_dear_is_done_with_it() -> None:
    hdr = look(3840, 2160, transfer=16, coded=Colours(9, 16, 9))
    filters, width, height = still_filters(hdr, ("transpose=dir=clock",), longest=160)
    assert (width, height) == (90, 160)
    assert filters[0].startswith("scale=w=160:h=90")
    assert filters[1].startswith("zscale=transferin=smpte2084")
    assert filters[-2:] == ("format=pix_fmts=rgb24", "transpose=dir=clock")


def grey_of(pixels: Pixels) -> float:
    return float(pixels.mean())


def test_frames_are_decoded_alone_and_in_order() -> None:
    """Each frame of these films is a little brighter than the one before."""
    media = opened(film(Film(audio=None, seconds=2, gop=10)))
    track = media.tracks[0]
    picture = stills.picture_of(media, track, longest=160, quick=True)
    keys = [int(number) for number in key_frames.seen_keys(media.samples(0), Fraction(0))]
    found = list(stills.decode(media, track, keys, picture, Running()))
    assert [number for number, _ in found] == keys == [0, 10, 20, 30, 40]
    assert [grey_of(pixels) for _, pixels in found] == pytest.approx([5 * key for key in keys], abs=3)


def test_a_frame_that_cannot_be_decoded_is_left_out_and_its_tiles_show_the_one_before() -> None:
    media = opened(damaged(film(Film(audio=None, seconds=10, gop=25)), 50))
    track, samples = media.tracks[0], media.samples(0)
    picture = stills.picture_of(media, track, longest=160, quick=True)
    made = board(samples.end, picture.width, picture.height)
    tiles = key_frames.tile_frames(samples, made, Fraction(0), pixels=64 * 48)
    frames = list(stills.decode(media, track, list(dict.fromkeys(tiles)), picture, Running()))
    assert tiles == [0, 50, 100, 150, 200]
    assert [number for number, _ in frames] == [0, 100, 150, 200]
    assert len(list(sheets.sheets(made, tiles, iter(frames)))) == 1


def damaged(data: bytes, *numbers: int) -> bytes:
    """A film whose frames of those numbers hold nothing that makes sense."""
    samples, broken = opened(data).samples(0), bytearray(data)
    for number in numbers:
        at, size = int(samples.offset[number]), int(samples.size[number])
        broken[at : at + size] = b"\xff" * size
    return bytes(broken)


def test_a_film_of_which_nothing_can_be_decoded_has_no_pictures() -> None:
    data = film(Film(audio=None, seconds=2, gop=25))
    media = opened(damaged(data, *range(50)))
    track = media.tracks[0]
    picture = stills.picture_of(media, track, longest=160, quick=True)
    made = board(media.samples(0).end, picture.width, picture.height)
    with pytest.raises(DamagedMedia):
        list(sheets.sheets(made, [0], stills.decode(media, track, [0, 25], picture, Running())))


def test_a_missing_first_frame_is_replaced_by_the_one_behind_it() -> None:
    made = board(Fraction(6), 2, 2)
    white = np.full((2, 2, 3), 255, np.uint8)
    assert len(list(sheets.sheets(made, [0, 7, 7], iter([(7, white)])))) == 1


def test_a_group_is_decoded_with_what_depends_on_its_key_frame() -> None:
    media = opened(film(Film(audio=None, seconds=2, gop=100)))
    track = media.tracks[0]
    picture = stills.picture_of(media, track, longest=160, quick=False)
    group = key_frames.longest_group(media.samples(0), Fraction(0))
    shades = [grey_of(p) for p in stills.decode_group(media, track, group, picture, most=10, running=Running())]
    assert len(shades) == 10
    assert shades == sorted(shades)
    assert shades[-1] > shades[0] + 150


def test_any_frame_is_found_where_everything_is_decoded() -> None:
    media = opened(film(Film(audio=None, seconds=2, gop=100)))
    track = media.tracks[0]
    picture = stills.picture_of(media, track, longest=160, quick=True)
    order = np.argsort(media.samples(0).pts)  # samples are numbered as they are decoded
    wanted = [int(order[frame]) for frame in (0, 10, 20, 30)]
    found = list(stills.decode_all(media, track, wanted, picture, Running()))
    assert [number for number, _ in found] == wanted
    assert [grey_of(pixels) for _, pixels in found] == pytest.approx([0, 50, 100, 150], abs=4)


def test_a_short_film_with_few_key_frames_shows_what_is_seen_at_each_moment() -> None:
    samples = samples_of([0], 30 * RATE)
    made = board(samples.end, 160, 90)
    assert len(set(key_frames.tile_frames(samples, made, Fraction(0), pixels=320 * 180))) == 1
    tiles = key_frames.all_tile_frames(samples, made, Fraction(0), pixels=320 * 180)
    assert tiles == [number * made.step * RATE for number in range(len(made))]


def test_everything_is_decoded_only_where_that_helps_and_does_not_take_long() -> None:
    dense, long = samples_of(list(range(0, 30 * RATE, RATE)), 30 * RATE), samples_of([0], 7200 * RATE)
    for samples in (dense, long):
        made = board(samples.end, 160, 90)
        assert key_frames.all_tile_frames(samples, made, Fraction(0), pixels=1920 * 1080) is None


def test_jpeg_keeps_colours() -> None:
    from dev.contacts import pixels_of

    wanted = np.zeros((16, 48, 3), np.uint8)
    for at, colour in enumerate(((200, 30, 30), (30, 200, 30), (30, 30, 200))):
        wanted[:, 16 * at : 16 * at + 16] = colour
    found = pixels_of(sheets.jpeg(wanted))
    assert found.shape == wanted.shape
    for at in range(3):
        inner = slice(16 * at + 4, 16 * at + 12)
        assert np.abs(found[4:12, inner].astype(int) - wanted[4:12, inner]).max() < 12


# which one is the poster

NOISE = np.random.default_rng(1)


def scene(shade: float = 120, contrast: float = 45) -> Pixels:
    """Something with edges, light and dark, in colour."""
    y, x = np.mgrid[0:180, 0:320]
    waves = np.stack([np.sin(x / 9 + c) + np.sin(y / (7 + c)) + np.sign(np.sin(x * y / 900 + c)) for c in range(3)], -1)
    return np.clip(shade + waves * contrast / 1.5 + NOISE.normal(0, 3, waves.shape), 0, 255).astype(np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    small = pixels[: 180 // 20 * 20].reshape(9, 20, 16, 20, 3).mean((1, 3))
    smooth = np.repeat(np.repeat(small, 20, 0), 20, 1).astype(np.float64)
    for _ in range(12):
        smooth = (smooth + np.roll(smooth, 2, 0) + np.roll(smooth, -2, 0) + np.roll(smooth, 2, 1)) / 4
    return smooth.astype(np.uint8)


def title_card() -> Pixels:
    card = np.full((180, 320, 3), 20, np.uint8)
    card[80:100:4, 100:220:3] = 250
    return card


WORSE = {
    "black": np.full((180, 320, 3), 3, np.uint8),
    "white": np.full((180, 320, 3), 252, np.uint8),
    "flat": np.full((180, 320, 3), 120, np.uint8),
    "dim": scene(14, 6),
    "blurred": blurred(scene()),
    "a title card": title_card(),
    "a white title card": 255 - title_card(),
}


@pytest.mark.parametrize("what", WORSE)
def test_a_poster_shows_something(what: str) -> None:
    assert poster_score.judge(scene()).total > poster_score.GOOD > poster_score.judge(WORSE[what]).total


@given(st.integers(1, 2000), st.integers(1, 40))
def test_a_picture_of_any_shape_has_a_worth(width: int, height: int) -> None:
    assert 0 <= poster_score.judge(np.full((height, width, 3), 90, np.uint8)).total <= 1
