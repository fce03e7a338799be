"""What is decided about a source: which tracks, copied or encoded and why, and where each segment begins."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mam.errors import MamError, NotAVideo, NotRemuxable, TooLarge, UnsupportedCodec
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile, Recipe
from mam.media import audio as sounds
from mam.media import video as pictures
from mam.media.chunk_windows import segment_edges, shown_frames
from mam.media.first_frame import picture_filters, read_first_frame
from mam.media.levels import h264_level
from mam.media.orientation import ORIENTATIONS
from mam.media.planning import choose_picture, make_plan, read_index
from mam.media.source import MediaSource, demux
from mam.media.video import orientation
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of
from tests.unit.mp4.clips import clip
from tests.unit.mp4.movies import Edit, Movie, Track, box, even_chunks, write
from tests.unit.mp4.strategies import movies, playable

COPY, ENCODE, AUTO = recipe_of(Profile.SOURCE), recipe_of(Profile.H264), recipe_of(Profile.AUTO)
UPRIGHT = (1, 0, 0, 1)


def frames(
    seconds: int | Fraction, *, gop: int = 25, edit: Edit | None = None, matrix: tuple[int, int, int, int] = UPRIGHT
) -> Track:
    """25 pictures a second."""
    total = int(seconds * 25)
    return Track(
        sizes=(20,) * total, durations=(40,) * total, timescale=1000, chunks=even_chunks(total, 10), edit=edit,
        sync=tuple(n % gop == 0 for n in range(total)), matrix=matrix,
    )  # fmt: skip


def sound(seconds: int, *, edit: Edit | None = None) -> Track:
    """AAC frames of 1024 samples at 48 kHz."""
    total = -(-seconds * 48000 // 1024)
    return Track(
        kind="soun", entry="mp4a", sizes=(20,) * total, durations=(1024,) * total, timescale=48000,
        chunks=even_chunks(total, 10), edit=edit,
    )  # fmt: skip


def media_of(*tracks: Track) -> MediaSource:
    return opened(write(Movie(tracks)).data)


def plan_of(media: MediaSource, recipe: Recipe) -> Plan:
    return make_plan(media, source_of(b""), recipe, video="film", revision="0123456789ab", stored=False)


def boundaries(plan: Plan) -> list[Fraction]:
    return [plan.timeline.time(number) for number in range(len(plan.timeline) + 1)]


# which tracks


def test_the_first_of_each_kind_is_chosen() -> None:
    media = media_of(sound(1), frames(1), sound(1), frames(1))
    picture, heard = choose_picture(media), sounds.choose_sounds(media.tracks, COPY)
    assert (picture and picture.number, heard[0].number) == (1, 0)


def test_a_source_may_lack_either() -> None:
    assert choose_picture(media_of(sound(1))) is None
    assert sounds.choose_sounds(media_of(frames(1)).tracks, COPY) == []


def test_other_tracks_do_not_count() -> None:
    text = replace(frames(1), kind="text", entry="tx3g")
    assert [track.number for track in media_of(text, frames(1), sound(1)).tracks] == [1, 2]


def recoded(*tracks: Track, old: bytes, new: bytes) -> MediaSource:
    """A file whose last track of a kind is in another codec."""
    head, _, tail = write(Movie(tracks, moov_first=False)).data.rpartition(old)
    return opened(head + new + tail.replace(b"esds", b"free"))  # it has the last word on what the codec is


@pytest.mark.parametrize("recipe", [COPY, AUTO, ENCODE], ids=lambda recipe: recipe.profile)
@pytest.mark.parametrize(
    ("entry", "reason"),
    [(b"apac", "its codec (apac) is not known here"), (b"ms\0\x42", "G723_1 is not decoded here")],
)
def test_a_second_sound_that_nobody_can_decode_is_left_out(recipe: Recipe, entry: bytes, reason: str) -> None:
    """As telephones write: plain AAC, and the same for their own player."""
    plan = plan_of(recoded(frames(2), sound(2), sound(9), old=b"mp4a", new=entry), recipe)
    assert [track.track for track in plan.audio_tracks] == [1]
    assert plan.timeline.end < 3
    assert (plan.streams[2].action, plan.streams[2].reason) == ("leave", reason)


def test_a_second_picture_in_an_unknown_codec_is_left_out() -> None:
    plan = plan_of(recoded(frames(2), frames(2), old=b"avc1", new=b"braw"), COPY)
    assert (plan.video_track and plan.video_track.track, plan.streams[1].action) == (0, "leave")


@pytest.mark.parametrize(("old", "new"), [(b"avc1", b"braw"), (b"mp4a", b"mhm1")])
def test_a_film_of_which_only_half_is_in_a_known_codec_is_refused_by_name(old: bytes, new: bytes) -> None:
    with pytest.raises(UnsupportedCodec, match=new.decode()):
        recoded(frames(2), sound(2), old=old, new=new)


@pytest.mark.parametrize("language", ["", "de"])
def test_the_only_sound_must_be_decoded(language: str) -> None:
    media = recoded(frames(2), sound(2), old=b"mp4a", new=b"ms\0\x42")
    with pytest.raises(UnsupportedCodec, match="G723_1"):
        plan_of(media, recipe_of(Profile.AUTO, audio_language=language))


# tracks of which nothing comes

TEXT = replace(frames(1), kind="text", entry="tx3g", sync=None)
EMPTY = replace(TEXT, sizes=(), durations=(), chunks=())
NO_SOUND = replace(sound(1), sizes=(), durations=(), chunks=())


def read_plan(media: MediaSource, recipe: Recipe) -> Plan:
    read_index(media, recipe)
    return plan_of(media, recipe)


@pytest.mark.parametrize("recipe", [COPY, AUTO, ENCODE], ids=lambda recipe: recipe.profile)
@pytest.mark.parametrize("side", [EMPTY, NO_SOUND], ids=["text", "sound"])
def test_a_side_track_that_is_empty_is_left_out(side: Track, recipe: Recipe) -> None:
    plan = read_plan(media_of(frames(2), sound(2), side), recipe)
    assert [track.track for track in plan.tracks] == [0, 1]
    assert (plan.streams[2].action, plan.streams[2].reason) == ("leave", "it is empty")


def test_another_track_stands_in_for_an_empty_one() -> None:
    media = media_of(NO_SOUND, sound(2), replace(frames(1), sizes=(), durations=(), chunks=(), sync=None), frames(2))
    assert [track.track for track in read_plan(media, replace(COPY, audio_language="en")).tracks] == [3, 1]


def test_where_all_tracks_are_empty_there_is_no_video() -> None:
    with pytest.raises(NotAVideo):
        read_plan(media_of(NO_SOUND, EMPTY), COPY)


def test_a_fragmented_film_whose_sound_never_comes_is_silent() -> None:
    data = film(Film(movflags="frag_keyframe+empty_moov+default_base_moof"))
    head, *fragments = data.split(b"moof")
    silent = b"moof".join([head, *(b"free".join(fragment.rsplit(b"traf", 1)) for fragment in fragments)])
    media = opened(silent)
    plan = read_plan(media, COPY)
    assert ([track.track for track in plan.tracks], plan.streams[1].reason) == ([0], "it is empty")
    assert sorted(demux(opened(silent), [0, 1])) == [0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"stco", struct.pack(">III", 0, 25, 0x7FFFFFFF)),  # points beyond the file
        (b"elst", struct.pack(">II", 0, 3) + struct.pack(">IiI", 500, -1, 1 << 16) * 3),  # more than is understood
    ],
    ids=["beyond the file", "three edits"],
)
def test_a_text_that_cannot_be_read_is_left_out_and_the_source_is_not_read_whole(
    old: bytes, new: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("mam.media.planning.demux")
    text = replace(TEXT, chunks=(1,) * 25, edit=Edit(delay=1))
    head, _, tail = write(Movie((frames(2), text), moov_first=False)).data.rpartition(old)
    if old == b"elst":  # of two entries: the third takes the place of what stands behind it
        data = _grown(head + old + new + tail[4 + 4 + 24 :], at=len(head), by=12)
    else:
        data = head + old + new + tail[len(new) :]
    plan = read_plan(opened(data), COPY)
    assert [rendition.name for rendition in plan.renditions] == ["source"]
    assert plan.streams[1].reason


def _grown(data: bytes, *, at: int, by: int) -> bytes:
    """The boxes that hold the one whose kind stands at `at`, and itself, `by` bytes larger."""
    for kind in (data[at : at + 4], b"edts", b"trak", b"moov"):
        where = data.rindex(kind, 0, at + 4) - 4
        (size,) = struct.unpack_from(">I", data, where)
        data = data[:where] + struct.pack(">I", size + by) + data[where + 4 :]
    return data


# copied or not


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (Film(video="libvpx-vp9"), "VP9"),
        (Film(video="mpeg4"), "MPEG4"),
        (Film(pixels="yuv444p"), "High 4:4:4"),
        (Film(pixels="yuv422p"), "High 4:2:2"),
        (Film(audio="libopus"), "OPUS"),
        (Film(audio="flac"), "FLAC"),
    ],
    ids=str,
)
def test_what_players_do_not_take_is_not_remuxable_and_the_reason_is_said(what: Film, reason: str) -> None:
    with pytest.raises(NotRemuxable, match=reason):
        plan_of(opened(film(what)), COPY)


@pytest.mark.parametrize(
    "what", [Film(), Film(b_frames=0), Film(video=None), Film(audio=None), Film(audio="ac3")], ids=str
)
def test_what_players_take_is_copied(what: Film) -> None:
    plan = plan_of(opened(film(what)), COPY)
    assert {"copy"} == {track.action for track in plan.tracks}
    assert not plan.encodes
    assert [rendition.name for rendition in plan.renditions] == ["source"]


def test_a_rotated_picture_is_not_remuxable() -> None:
    with pytest.raises(NotRemuxable, match="rotated"):
        plan_of(media_of(frames(2, matrix=(0, 1, -1, 0))), COPY)


@pytest.mark.parametrize(
    ("what", "action"),
    [
        (Film(), "copy"),
        (Film(sample_rate=44100), "copy"),
        (Film(layout="mono"), "copy"),
        (Film(layout="5.1"), "encode"),
        (Film(sample_rate=96000), "encode"),
        (Film(audio="libopus"), "encode"),
        (Film(audio="ac3"), "encode"),
    ],
    ids=str,
)
def test_audio_is_encoded_only_where_it_is_not_plain_aac(what: Film, action: str) -> None:
    plan = plan_of(opened(film(what)), ENCODE)
    (audio,) = plan.audio_tracks
    assert action == audio.action
    if action == "encode":
        assert audio.sample_rate in sounds.OUTPUT_RATES
        assert (2, ENCODE.audio_bitrate) == (audio.channels, audio.bitrate)


def test_video_is_encoded_when_that_was_asked_for() -> None:
    track = plan_of(opened(film(Film())), ENCODE).video_track
    assert track
    assert (track.action, track.codec, track.preset, track.crf, track.level) == (
        "encode",
        "h264",
        "veryfast",
        23,
        "3.0",
    )


def test_a_video_without_key_frames_is_not_remuxable_or_one_segment() -> None:
    track = replace(frames(20), sync=(False,) * 500)
    try:
        plan = plan_of(media_of(track), COPY)
    except MamError:
        return
    assert len(plan.timeline) == 1


# pictures


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_every_quarter_turn_and_mirror_has_filters_that_undo_it(matrix: tuple[int, int, int, int]) -> None:
    """The filters map each corner of the stored picture to where the matrix shows it."""
    (track,) = media_of(frames(1, matrix=matrix)).tracks
    stored = np.arange(6).reshape(2, 3)
    assert _shown(stored, matrix).tolist() == _filtered(stored, orientation(track)).tolist()


def _shown(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Where the display matrix puts each pixel: (x', y') = (a x + c y, b x + d y), moved into the positive quarter."""
    a, b, c, d = matrix
    places = {(a * x + c * y, b * x + d * y): picture[y, x] for y in range(2) for x in range(3)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    out = np.zeros(picture.shape if a else picture.shape[::-1], picture.dtype)
    for (x, y), value in places.items():
        out[y - top, x - left] = value
    return out


def _filtered(picture: np.ndarray, filters: tuple[str, ...]) -> np.ndarray:
    """What libavfilter's filters of these names do."""
    steps = {
        "hflip": np.fliplr,
        "vflip": np.flipud,
        "transpose=dir=clock": lambda p: np.rot90(p, -1),
        "transpose=dir=cclock": lambda p: np.rot90(p, 1),
        "transpose=dir=cclock_flip": lambda p: p.T,
        "transpose=dir=clock_flip": lambda p: np.rot90(p.T, 2),
    }
    for name in filters:
        picture = steps[name](picture)
    return picture


@pytest.mark.parametrize("matrix", [(2, 0, 0, 2), (1, 1, -1, 1), (0, 0, 0, 0)])
def test_matrices_that_are_no_quarter_turns_change_nothing(matrix: tuple[int, int, int, int]) -> None:
    (track,) = media_of(frames(1, matrix=matrix)).tracks
    assert orientation(track) == ()


@pytest.mark.parametrize(
    ("aspect", "size"),
    [((1, 1), (64, 48)), ((4, 3), (84, 48)), ((3, 4), (64, 64)), ((12, 11), (68, 48)), ((1000, 1), (64, 48)),
     ((0, 0), (64, 48))],
)  # fmt: skip
def test_pictures_become_square_and_even(aspect: tuple[int, int], size: tuple[int, int]) -> None:
    media = opened(_with_aspect(frames(1), *aspect))
    filters, width, height = picture_filters(read_first_frame(media, media.tracks[0]), ())
    assert size == (width, height)
    assert (f"scale=w={width}:h={height}:out_range=limited", "setsar=sar=1", "format=pix_fmts=yuv420p") == filters


def test_a_shape_of_pixels_that_only_the_container_states_is_not_copied_but_encoded() -> None:
    """Segments would show it with square pixels."""
    media = opened(_with_aspect(frames(2), 4, 3))
    with pytest.raises(NotRemuxable, match=r"\(4:3\) stands in the container"):
        plan_of(media, COPY)
    with pytest.raises(NotRemuxable, match="container"):
        plan_of(media, replace(COPY, format=Format.FMP4))
    video = plan_of(media, AUTO).video_track
    assert video and (video.action, video.width, video.height) == ("encode", 84, 48)


@pytest.mark.parametrize("aspect", [(1, 1), (0, 0), (1000, 1), (136, 135), (53, 54)])
def test_square_pixels_and_what_is_nearly_so_are_copied(aspect: tuple[int, int]) -> None:
    """The codec states none, which means the same."""
    video = plan_of(opened(_with_aspect(frames(2), *aspect)), AUTO).video_track
    assert video and video.action == "copy"


@pytest.mark.parametrize(("aspect", "action"), [((4, 3), "copy"), ((64, 48), "copy"), ((1, 1), "encode")])
def test_a_shape_that_codec_and_container_agree_on_is_copied(aspect: tuple[int, int], action: str) -> None:
    data = clip("-c:v libx264 -pix_fmt yuv420p -bsf:v h264_metadata=sample_aspect_ratio=4/3 -aspect 16:9 -g 12")
    at = data.index(b"pasp") + 4
    video = plan_of(opened(data[:at] + struct.pack(">II", *aspect) + data[at + 8 :]), AUTO).video_track
    assert video and video.action == action


def test_a_turned_picture_is_scaled_first_and_has_its_sides_swapped() -> None:
    media = opened(_with_aspect(frames(1, matrix=(0, 1, -1, 0)), 4, 3))
    filters, width, height = picture_filters(read_first_frame(media, media.tracks[0]), orientation(media.tracks[0]))
    assert (width, height) == (48, 84)
    assert filters == (
        "scale=w=84:h=48:out_range=limited",
        "setsar=sar=1",
        "transpose=dir=clock",
        "format=pix_fmts=yuv420p",
    )


def _with_aspect(track: Track, across: int, down: int) -> bytes:
    """A file whose sample entry has a `pasp` box; the boxes around it grow."""
    data = write(Movie((track,), moov_first=False)).data
    at = data.rindex(b"avcC") - 4
    pasp = box(b"pasp", struct.pack(">II", across, down))
    data = data[:at] + pasp + data[at:]
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        where = data.rindex(kind, 0, at) - 4
        data = (
            data[:where] + struct.pack(">I", struct.unpack_from(">I", data, where)[0] + len(pasp)) + data[where + 4 :]
        )
    return data


@pytest.mark.parametrize(
    ("width", "height", "rate", "level"),
    [
        (64, 48, 25, "3.0"),
        (720, 576, 25, "3.0"),
        (720, 576, 26, "3.1"),
        (1280, 720, 30, "3.1"),
        (1280, 720, 60, "4.0"),
        (1920, 1080, 30, "4.0"),
        (1920, 1080, 60, "4.2"),
        (3840, 2160, 30, "5.1"),
        (3840, 2160, 60, "5.2"),
        (7680, 4320, 60, "6.2"),
        (8192, 4320, 1000, "6.2"),
    ],
)
def test_the_level_is_the_lowest_that_allows_the_picture(width: int, height: int, rate: float, level: str) -> None:
    assert level == h264_level(width, height, rate)


def test_frames_too_far_apart_are_refused() -> None:
    track = replace(frames(1), durations=(3601 * 1000, *(40,) * 24))
    with pytest.raises(TooLarge):
        plan_of(media_of(track), COPY)


def test_a_film_that_is_too_long_is_refused() -> None:
    with pytest.raises(TooLarge):
        make_plan(media_of(frames(3)), source_of(b""), COPY, video="f", revision="0", stored=False, max_duration=2)


# segments


def test_copied_segments_begin_with_key_frames() -> None:
    plan = plan_of(media_of(frames(30, gop=100)), COPY)  # a key frame every 4 s, a wish every 6 s
    assert boundaries(plan) == [0, 8, 12, 20, 24, 30]
    assert plan.frames == (200, 100, 200, 100, 150)


def test_encoded_segments_begin_where_they_were_wished_for_the_first_ones_earlier() -> None:
    plan = plan_of(media_of(frames(30, gop=1000)), ENCODE)
    assert boundaries(plan) == [0, 2, 4, 8, 14, 20, 26, 30]
    assert plan.frames == (50, 50, 100, 150, 150, 150, 100)


@pytest.mark.parametrize("recipe", [COPY, ENCODE], ids=["copy", "encode"])
def test_a_film_that_begins_between_key_frames_is_shown_from_the_first_and_heard_from_the_start(recipe: Recipe) -> None:
    cut = replace(frames(30), sync=tuple(n % 25 == 10 for n in range(750)))
    media = media_of(cut, sound(30))
    plan = plan_of(media, recipe)
    assert (plan.timeline.start, media.samples(0).start, sum(plan.frames)) == (Fraction(0), Fraction(2, 5), 740)
    alone = plan_of(media_of(cut), recipe)
    assert (alone.timeline.start, sum(alone.frames)) == (Fraction(2, 5), 740)


def test_audio_alone_is_cut_at_any_of_its_frames() -> None:
    plan = plan_of(media_of(sound(20)), COPY)
    frame = Fraction(1024, 48000)
    assert len(plan.timeline) == 4
    assert all(0 <= time - wish < frame for time, wish in zip(boundaries(plan)[1:-1], (6, 12, 18), strict=True))
    assert plan.frames == ()


@pytest.mark.parametrize("more", [1, 12, 24], ids=lambda more: f"{more} frames")
def test_a_ladder_does_not_end_with_a_segment_that_its_sound_does_not_reach(more: int) -> None:
    """The sound has a rendition of its own, and would be encoded for the sake of a moment of silence."""
    ladder = recipe_of(Profile.LADDER, Format.FMP4)
    plan = plan_of(media_of(frames(Fraction(12 * 25 + more, 25)), sound(12)), ladder)
    assert [track.action for track in plan.audio_tracks] == ["copy"]
    assert boundaries(plan) == [0, 6, 12 + Fraction(more, 25)]


def test_audio_that_starts_late_moves_nothing() -> None:
    plan = plan_of(media_of(frames(10), sound(8, edit=Edit(delay=2000))), COPY)
    assert boundaries(plan)[:2] == [0, 6]


def test_audio_that_starts_early_is_heard_before_the_first_picture() -> None:
    plan = plan_of(media_of(frames(10, edit=Edit(delay=2000)), sound(12)), COPY)
    assert plan.timeline.start == 0
    assert sum(plan.frames) == 250


def test_audio_that_starts_hardly_earlier_moves_nothing() -> None:
    plan = plan_of(media_of(frames(10, edit=Edit(delay=50)), sound(10)), COPY)
    assert Fraction(1, 20) == plan.timeline.start


def test_audio_that_ends_late_is_heard_to_its_end_in_segments_of_the_usual_length() -> None:
    plan = plan_of(media_of(frames(10), sound(40)), COPY)
    assert 40 <= plan.timeline.end < Fraction(401, 10)
    assert all(b - a <= 12 for a, b in pairwise(boundaries(plan)))
    assert sum(plan.frames) == 250


def test_audio_that_ends_hardly_later_makes_the_last_segment_as_much_longer() -> None:
    media = media_of(frames(10), sound(10))
    assert plan_of(media, COPY).timeline.end == Fraction(10_006, 1000)  # rounded outwards: it ends at 10.0053 s
    assert sum(plan_of(media, COPY).frames) == 250


@pytest.mark.parametrize("recipe", [COPY, ENCODE], ids=["copy", "encode"])
def test_a_shown_part_begins_at_zero(recipe: Recipe) -> None:
    """The edit list hides two seconds, which begin with a key frame."""
    plan = plan_of(media_of(frames(20, edit=Edit(media_time=2000))), recipe)
    assert boundaries(plan)[:: len(plan.timeline)] == [0, 18]


def test_pictures_that_an_edit_hides_are_not_encoded_and_not_copied_either() -> None:
    media = media_of(frames(20, gop=100, edit=Edit(media_time=2000)))
    encoded = plan_of(media, ENCODE)
    assert (float(encoded.timeline.start), sum(encoded.frames)) == (0, 450)
    with pytest.raises(NotRemuxable, match="edit list hides 2"):
        plan_of(media, COPY)


def test_a_picture_or_two_that_an_edit_hides_are_copied_all_the_same() -> None:
    plan = plan_of(media_of(frames(20, gop=100, edit=Edit(media_time=80))), COPY)
    assert (float(plan.timeline.start), sum(plan.frames)) == (-0.08, 500)


def hides_little(media: MediaSource) -> bool:
    """Whether an edit list does not stand in the way of a copy."""
    return all(media.samples(track.number).start >= -pictures.HIDDEN for track in media.tracks)


@given(movies(of=playable(), max_tracks=2), st.sampled_from((COPY, ENCODE)), st.integers(1, 4))
def test_every_frame_of_a_copied_video_lies_in_one_segment(movie: Movie, recipe: Recipe, seconds: int) -> None:
    media = opened(write(movie).data)
    assume(hides_little(media))
    plan = plan_of(media, replace(recipe, segment_seconds=seconds))

    if plan.video_track is None:
        assert plan.frames == ()
        return
    samples = media.samples(plan.video_track.track)
    shown = shown_frames(samples, plan.video_track, plan.timeline)
    assert len(plan.timeline) == len(plan.frames)
    assert (len(samples) if recipe is COPY else len(shown)) == sum(plan.frames)
    assert all(count >= 0 for count in plan.frames)


@pytest.mark.parametrize("early", range(0, 512, 37))
def test_a_picture_shorter_than_a_step_of_its_grid_is_one_frame(early: int) -> None:
    """An edit list may hide most of the only picture."""
    track = Track(
        timescale=90_000, sizes=(20, 20), durations=(512, 512), composition=(0, 0), chunks=(2,),
        edit=Edit(media_time=512 + early),
    )  # fmt: skip
    media = opened(write(Movie((track,), timescale=90_000)).data)
    plan = plan_of(media, ENCODE)
    assert plan.video_track is not None
    assert sum(plan.frames) == len(shown_frames(media.samples(0), plan.video_track, plan.timeline)) == 1


@given(movies(of=playable(), max_tracks=2), st.integers(1, 4))
def test_every_copied_segment_behind_the_first_opens_with_the_key_frame_at_its_boundary(
    movie: Movie, seconds: int
) -> None:
    media = opened(write(movie).data)
    assume(hides_little(media))
    plan = plan_of(media, replace(COPY, segment_seconds=seconds))
    if plan.video_track is None:
        return
    samples = media.samples(plan.video_track.track)
    edges = segment_edges(samples, plan.timeline)[1:-1]
    opening = edges[edges < len(samples)]  # behind the last picture there may be segments of audio alone
    assert samples.key[opening].all()
    assert list(plan.timeline.boundaries[1 : len(opening) + 1]) == samples.pts[opening].tolist()


@given(movies(of=playable(), max_tracks=2))
def test_the_same_source_is_planned_the_same_each_time(movie: Movie) -> None:
    data = write(movie).data
    assume(hides_little(opened(data)))
    assert plan_of(opened(data), COPY) == plan_of(opened(data), COPY)


# several sounds, silence


@pytest.mark.parametrize(
    ("heard", "actions"),
    [
        ([sound(60)], ["copy"]),
        ([sound(55)], ["copy"]),  # it ends a little early
        ([sound(40)], ["encode"]),
        ([sound(60, edit=Edit(delay=100, media_time=0))], ["copy"]),  # a tenth of a second late
        ([sound(60, edit=Edit(delay=2000, media_time=0))], ["encode"]),
        ([sound(60), sound(60)], ["copy", "copy"]),
        ([sound(60), sound(50)], ["copy", "encode"]),  # a rendition has something in every segment
    ],
    ids=["whole", "shorter", "much shorter", "hardly late", "late", "two", "one of two shorter"],
)
def test_silence_is_put_where_players_would_miss_the_sound(heard: list[Track], actions: list[str]) -> None:
    plan = plan_of(media_of(frames(60), *heard), AUTO)
    assert actions == [track.action for track in plan.audio_tracks]
    assert plan.video_track and plan.video_track.action == "copy"
    assert len(plan.renditions) == (1 if len(heard) == 1 else 1 + len(heard))


def test_open_groups_of_pictures_are_not_cut_apart() -> None:
    """Behind every second key frame a picture follows that is shown before it."""
    composition = [80] * 500
    for key in range(25, 500, 50):
        composition[key], composition[key + 1] = 160, 40  # shown at 6.4 frames, and the next before it
    track = replace(frames(20, gop=25), composition=tuple(composition))
    plan = plan_of(media_of(track), replace(COPY, segment_seconds=1))
    assert [float(t) for t in boundaries(plan)[1:-1]] == [n * 2 + 0.08 for n in range(1, 10)]


def test_frames_of_a_variable_rate_are_put_on_a_grid_that_loses_none_of_the_fastest() -> None:
    track = replace(frames(20), durations=tuple([100] * 120 + [33] * 380))
    video = plan_of(media_of(track), ENCODE).video_track
    assert video and video.grid == (30, 1)


def test_rates_above_sixty_are_halved() -> None:
    track = replace(frames(20), timescale=12_000, durations=(100,) * 500)
    plan = plan_of(media_of(track), ENCODE)
    assert plan.video_track and plan.video_track.grid == (60, 1)
    assert sum(plan.frames) == 250


# sound that players do not take


@pytest.mark.parametrize("recipe", [AUTO, ENCODE, replace(AUTO, format=Format.FMP4)])
def test_aac_of_960_samples_a_frame_is_encoded(recipe: Recipe) -> None:
    data = write(Movie((sound(2),))).data.replace(b"\x05\x02\x11\x90", b"\x05\x02\x11\x94")
    plan = plan_of(opened(data), recipe)
    assert [(track.action, "960" in track.reason) for track in plan.audio_tracks] == [("encode", True)]


def test_aac_of_960_samples_a_frame_is_copied_where_that_can_be_said() -> None:
    media = opened(write(Movie((sound(2),))).data.replace(b"\x05\x02\x11\x90", b"\x05\x02\x11\x94"))
    with pytest.raises(NotRemuxable, match="960"):
        plan_of(media, COPY)
    assert plan_of(media, replace(COPY, format=Format.FMP4)).audio_tracks[0].action == "copy"
