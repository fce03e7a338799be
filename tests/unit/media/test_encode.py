"""Encoding by chunks: what goes through ffmpeg for each, so that they join without a seam."""

from __future__ import annotations

import io
import re
import signal
import subprocess
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import DamagedMedia, EncoderFailed
from mam.hls.plan import Chunk, Plan
from mam.hls.recipe import Format, Profile
from mam.hls.renditions import AudioTrack
from mam.hls.timeline import Timeline
from mam.media.chunk_windows import (
    AAC_FRAME,
    AUDIO_PREROLL,
    VIDEO_PREROLL,
    Window,
    audio_window,
    each_of,
    video_window,
)
from mam.media.commands import encode_command, filtering, forced_key_frames
from mam.media.encode import ChunkEncoder
from mam.media.ffmpeg_io import write_nut
from mam.media.ffmpeg_process import Encoder, executable
from mam.media.muxing import SegmentFiles
from mam.media.packets import ORIGIN, Run, read_packets
from mam.media.planning import make_plan
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of
from tests.unit.media.test_planning import frames, media_of, sound
from tests.unit.mp4.clips import clip
from tests.unit.mp4.movies import Track

LENGTHS = st.integers(1, 60)
RATES = st.sampled_from((44100, 48000))


def planned(*tracks: Track, seconds: int = 6) -> tuple[MediaSource, Plan]:
    media = media_of(*tracks)
    recipe = recipe_of(Profile.H264, segment_seconds=seconds)
    return media, make_plan(media, source_of(b""), recipe, video="film", revision="0" * 12, stored=False)


def test_the_command_for_video_alone() -> None:
    media, plan = planned(frames(60))
    chunk = Chunk(3, 6)  # 8 to 26 s of the film, which begins at 10 s for ffmpeg
    assert plan.video_track
    window = video_window(media.samples(0), plan, plan.video_track, chunk)
    forced = forced_key_frames(np.sort(media.samples(0).pts), plan, chunk)

    argv = encode_command([(plan.video_track, window, forced)], [], codecs=["h264"], container="nut", threads=2)

    assert argv == [
        executable(),
        "-f", "nut",
        "-codec_whitelist", "h264",
        "-copyts",
        "-export_side_data", "+enhancements",
        "-format_whitelist", "nut",
        "-max_pixels", "35389440",
        "-max_streams", "33",
        "-protocol_whitelist", "pipe",
        "-threads", "2",
        "-i", "pipe:0",
        "-filter_complex",
        ("[0:v]trim=end=35.980000:start=16.980000[s0];[s0]scale=h=48:out_range=limited:w=64[s1];"
        "[s1]setsar=sar=1[s2];[s2]format=pix_fmts=yuv420p[s3]"),
        "-map", "[s3]",
        "-f", "nut",
        "-bf", "2",
        "-c:v", "libx264",
        "-crf", "23",
        "-enc_time_base:v", "1/1000",
        "-flush_packets", "1",
        "-force_key_frames", "17.980000,23.980000,29.980000",
        "-forced-idr", "1",
        "-fps_mode", "passthrough",
        "-g", "9999",
        "-level:v", "3.0",
        "-map_chapters", "-1",
        "-map_metadata", "-1",
        "-max_interleave_delta", "0",
        "-preset", "veryfast",
        "-profile:v", "high",
        "-sc_threshold", "0",
        "-threads", "2",
        "-x264-params", "open-gop=0:stitchable=1",
        "pipe:1",
        "-hide_banner", "-nostats", "-loglevel", "error", "-max_alloc", "1073741824", "-filter_complex_threads", "2",
    ]  # fmt: skip


def test_the_command_for_video_and_audio() -> None:
    media = opened(film(Film(audio="ac3", seconds=4)))
    recipe = recipe_of(Profile.H264, segment_seconds=2, preset="fast", crf=20, audio_bitrate=96_000)
    plan = make_plan(media, source_of(b""), recipe, video="film", revision="0" * 12, stored=False)
    chunk = Chunk(1, 2)  # 2 to 4 s, the last: audio is encoded to its own end
    assert plan.video_track
    (audio,) = plan.audio_tracks
    picture = video_window(media.samples(0), plan, plan.video_track, chunk)
    forced = forced_key_frames(np.sort(media.samples(0).pts), plan, chunk)
    heard = audio_window(media.samples(1), plan, audio, chunk)

    argv = encode_command(
        [(plan.video_track, picture, forced)], [(audio, heard)], codecs=["h264", "ac3"], container="nut", threads=1
    )

    first_pts = 10 * 48000 + (94 - AUDIO_PREROLL) * AAC_FRAME  # frame 94 is the first behind 2 s
    end_pts = 10 * 48000 + (188 + AUDIO_PREROLL) * AAC_FRAME
    assert argv == [
        executable(),
        "-f", "nut",
        "-codec_whitelist", "h264,ac3",
        "-copyts",
        "-export_side_data", "+enhancements",
        "-format_whitelist", "nut",
        "-max_pixels", "35389440",
        "-max_streams", "33",
        "-protocol_whitelist", "pipe",
        "-threads", "1",
        "-i", "pipe:0",
        "-filter_complex",
        ("[0:v]trim=end=13.980000:start=10.980000[s0];[s0]scale=h=48:out_range=limited:w=64[s1];"
        "[s1]setsar=sar=1[s2];[s2]format=pix_fmts=yuv420p[s3];"
        "[0:a:0]aformat=channel_layouts=stereo:sample_rates=48000[s4];"
        f"[s4]aresample=async=1:first_pts={first_pts}[s5];[s5]atrim=end_pts={end_pts}[s6]"),
        "-map", "[s3]",
        "-map", "[s6]",
        "-f", "nut",
        "-ac:a:0", "2",
        "-ar:a:0", "48000",
        "-b:a:0", "96000",
        "-bf", "2",
        "-c:a", "aac",
        "-c:v", "libx264",
        "-crf", "20",
        "-enc_time_base:v", "1/12800",
        "-flush_packets", "1",
        "-force_key_frames", "11.980000",
        "-forced-idr", "1",
        "-fps_mode", "passthrough",
        "-g", "9999",
        "-level:v", "3.0",
        "-map_chapters", "-1",
        "-map_metadata", "-1",
        "-max_interleave_delta", "0",
        "-preset", "fast",
        "-profile:v", "high",
        "-sc_threshold", "0",
        "-threads", "1",
        "-x264-params", "open-gop=0:stitchable=1",
        "pipe:1",
        "-hide_banner", "-nostats", "-loglevel", "error", "-max_alloc", "1073741824", "-filter_complex_threads", "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("hflip", "hflip", {}),
        ("setsar=sar=1", "setsar", {"sar": "1"}),
        ("scale=w=640:h=360:out_range=limited", "scale", {"w": "640", "h": "360", "out_range": "limited"}),
    ],
)
def test_filters_are_taken_apart_into_name_and_arguments(text: str, name: str, arguments: dict[str, str]) -> None:
    assert (name, arguments) == filtering(text)


# windows


@given(LENGTHS, st.integers(1, 200), st.integers(1, 6))
def test_the_video_windows_of_all_chunks_tile_the_timeline(length: int, gop: int, seconds: int) -> None:
    media, plan = planned(frames(length, gop=gop), seconds=seconds)
    assert plan.video_track
    windows = [video_window(media.samples(0), plan, plan.video_track, chunk) for chunk in plan.chunks()]
    _tile(windows)
    assert (plan.timeline.boundaries[0], plan.timeline.boundaries[-1]) == (windows[0].keep_from, windows[-1].keep_to)


@given(LENGTHS, st.integers(1, 200), st.integers(1, 6))
def test_what_goes_in_begins_with_a_key_frame_and_has_all_that_is_kept_and_its_pre_roll(
    length: int, gop: int, seconds: int
) -> None:
    media, plan = planned(frames(length, gop=gop), seconds=seconds)
    samples = media.samples(0)
    assert plan.video_track
    for chunk in plan.chunks():
        window = video_window(samples, plan, plan.video_track, chunk)
        start = max(plan.timeline.time(chunk.first) - VIDEO_PREROLL, plan.timeline.start)
        needed = np.flatnonzero((samples.pts >= int(start * 1000)) & (samples.pts < window.keep_to))

        assert samples.key[window.first]
        assert window.first <= needed.min()
        assert needed.max() < window.last
        assert samples.pts[window.first] <= int(start * 1000)
        assert start - Fraction(40, 1000) < window.begin < start
        assert not samples.key[window.first + 1 : int(needed.min())].any()  # no more than is needed


def encoded_sound(rate: int) -> AudioTrack:
    return AudioTrack(track=1, codec="aac", action="encode", reason="", sample_rate=rate, channels=2)


def _tile(windows: list[Window]) -> None:
    assert all(window.keep_from < window.keep_to for window in windows)
    assert all(before.keep_to == after.keep_from for before, after in pairwise(windows))


@given(st.integers(20, 70), RATES, st.integers(1, 6))
def test_the_audio_windows_of_all_chunks_tile_the_grid_of_aac_frames(length: int, rate: int, seconds: int) -> None:
    media, plan = planned(frames(length), sound(length), seconds=seconds)
    samples = media.samples(1)
    track = encoded_sound(rate)
    windows = [audio_window(samples, plan, track, chunk) for chunk in plan.chunks()]

    _tile(windows)
    assert all(tick % AAC_FRAME == 0 for window in windows for tick in (window.keep_from, window.keep_to))
    assert windows[0].keep_from == 0
    end = max(samples.end, plan.timeline.end)
    assert end <= Fraction(windows[-1].keep_to, rate) < end + Fraction(AAC_FRAME, rate)


@given(st.integers(20, 70), RATES)
def test_audio_is_encoded_some_frames_before_and_behind_what_is_kept(length: int, rate: int) -> None:
    media, plan = planned(frames(length), sound(length))
    samples = media.samples(1)
    for chunk in plan.chunks():
        window = audio_window(samples, plan, encoded_sound(rate), chunk)
        roll = AUDIO_PREROLL * AAC_FRAME
        assert [window.keep_from - roll, window.keep_to + roll] == [window.begin * rate, window.end * rate]
        begin, end = float(window.begin * 48000), float(window.end * 48000)
        heard = np.flatnonzero((samples.pts + samples.duration > begin) & (samples.pts < end))
        assert window.first <= heard.min()
        assert heard.max() < window.last


@given(LENGTHS, st.integers(1, 6))
def test_forced_key_frames_lie_between_the_frame_before_and_the_one_that_opens_the_segment(
    length: int, seconds: int
) -> None:
    media, plan = planned(frames(max(length, 4)), seconds=seconds)
    shown = np.sort(media.samples(0).pts)
    for chunk in plan.chunks():
        times = [Fraction(text) - ORIGIN for text in forced_key_frames(shown, plan, chunk).split(",")]
        assert len(chunk) == len(times)
        for number, time in zip(chunk, times, strict=True):
            opening = plan.timeline.boundaries[number]
            before = shown[shown < opening]
            assert time * 1000 < opening
            assert not len(before) or time * 1000 > int(before[-1])


@given(st.sets(st.integers(0, 300), min_size=1), st.sets(st.integers(1, 299)), st.integers(1, 4))
def test_each_segment_shows_its_first_frame_and_then_every_nth(times: set[int], cuts: set[int], every: int) -> None:
    shown, timeline = np.array(sorted(times)), Timeline(timescale=1000, boundaries=(0, *sorted(cuts), 301))
    kept = each_of(shown, every, timeline).tolist()
    segments = [[tick for tick in sorted(times) if a <= tick < b] for a, b in pairwise(timeline.boundaries)]
    assert kept == [tick for segment in segments for tick in segment[::every]]


def test_outputs_of_one_command_may_show_different_frames() -> None:
    media, plan = planned(frames(10))
    chunk = Chunk(1, 3)
    assert plan.video_track
    window = video_window(media.samples(0), plan, plan.video_track, chunk)
    forced = forced_key_frames(np.sort(media.samples(0).pts), plan, chunk)
    half = plan.video_track.model_copy(update={"every": 2})
    argv = encode_command(
        [(plan.video_track, window, forced), (half, window, forced)], [], codecs=["h264"], container="nut", threads=1
    )
    graph = argv[argv.index("-filter_complex") + 1].replace("\\", "")
    assert graph.count("select=") == 1
    assert (
        "select=((isnan(prev_selected_t)+gte(n-prev_selected_n,2))+"
        "(lt(prev_t,11.980000)*gte(t,11.980000)+lt(prev_t,13.980000)*gte(t,13.980000)))"
    ) in graph


def test_ffmpeg_takes_a_chunk_of_many_segments_that_shows_each_second_frame() -> None:
    media, plan = planned(frames(4))
    assert plan.video_track
    window = video_window(media.samples(0), plan, plan.video_track, Chunk(0, 1))
    forced = ",".join(str(10 + number) for number in range(1000))
    half = plan.video_track.model_copy(update={"every": 2})
    argv = encode_command([(half, window, forced)], [], codecs=["h264"], container="nut", threads=1)
    graph, output = (argv[argv.index(name) + 1] for name in ("-filter_complex", "-map"))
    tried = [executable(), "-v", "error", "-f", "lavfi", "-i", "color=d=0.1", "-filter_complex", graph]
    done = subprocess.run([*tried, "-map", output, "-f", "null", "-"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.parametrize("timescale", [600, 90_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("late", [0, 6, 333_667])
def test_the_first_frame_is_not_lost_to_the_rounding_of_times_in_text(timescale: int, late: int) -> None:
    """30000/1001 pictures a second; some writers count in tenths of microseconds."""
    step = timescale * 1001 // 30000
    track = replace(frames(4), timescale=timescale, durations=(step,) * 100, composition=(late,) * 100)
    media, plan = planned(track)
    shown = np.sort(media.samples(0).pts)
    assert plan.video_track
    for chunk in plan.chunks():
        window = video_window(media.samples(0), plan, plan.video_track, chunk)
        forced = forced_key_frames(shown, plan, chunk)
        argv = encode_command([(plan.video_track, window, forced)], [], codecs=["h264"], container="nut", threads=1)
        (trimmed,) = re.findall(r"trim=end=([\d.]+):start=([\d.]+)", " ".join(argv))
        opening = Fraction(int(shown[shown >= plan.timeline.boundaries[chunk.first]][0]), timescale) + ORIGIN
        closing = plan.timeline.time(chunk.last) + ORIGIN
        assert Fraction(trimmed[1]) <= opening
        assert Fraction(forced.split(",")[0]) <= opening
        assert Fraction(trimmed[0]) <= closing + Fraction(step, timescale)


# segments


def _to_be_encoded(*, noise: bool = False) -> tuple[MediaSource, Plan]:
    media = opened(film(Film(audio="ac3", seconds=12, gop=50, noise=noise)))
    recipe = recipe_of(Profile.H264, segment_seconds=2, preset="ultrafast")
    return media, make_plan(media, source_of(b""), recipe, video="film", revision="0" * 12, stored=False)


def test_a_chunk_made_alone_equals_the_same_chunk_of_a_full_run_in_its_frames() -> None:
    media, plan = _to_be_encoded()
    encoder = ChunkEncoder(media, plan)
    middle = Chunk(2, 4)

    alone = dict(encoder.segments(middle))
    whole = dict(encoder.segments(Chunk(0, len(plan.timeline))))

    assert list(range(len(plan.timeline))) == sorted(whole)
    assert [_times(only(whole[number])) for number in middle] == [_times(only(alone[number])) for number in middle]


def _in_two_sizes(plan: Plan) -> Plan:
    """The plan with a second rendition of the same picture and sound: smaller, and of fewer bits."""
    (large,) = plan.renditions
    assert large.video
    filters = ("scale=w=32:h=24:out_range=limited", *large.video.filters[1:])
    small = large.video.model_copy(update={"width": 32, "height": 24, "filters": filters, "crf": 40, "level": "1.0"})
    return plan.model_copy(update={"renditions": (large, large.model_copy(update={"name": "24p", "video": small}))})


def _of_rendition(plan: Plan, name: str) -> Plan:
    return plan.model_copy(update={"renditions": (plan.named(name),)})


@pytest.mark.parametrize("form", list(Format))
def test_two_renditions_that_are_encoded_of_one_picture_are_as_each_alone(form: Format) -> None:
    media, plan = _to_be_encoded()
    plan = _in_two_sizes(plan.model_copy(update={"format": form}))
    names = [rendition.name for rendition in plan.renditions]
    chunk = Chunk(0, 3)

    both = dict(ChunkEncoder(media, plan).segments(chunk))
    alone = {name: dict(ChunkEncoder(media, _of_rendition(plan, name)).segments(chunk)) for name in names}

    for number in chunk:
        assert set(both[number]) == set(plan.files(number))
        assert both[number] == {file: data for name in names for file, data in alone[name][number].items()}
    sizes = {name: _size(plan, both[0], name) for name in names}
    assert sizes == {names[0]: (64, 48), "24p": (32, 24)}


def _size(plan: Plan, made: SegmentFiles, name: str) -> tuple[int, int]:
    rendition = plan.named(name)
    init = bytes(made[plan.init(rendition)]) if plan.has_init(rendition) else b""
    with av.open(io.BytesIO(init + bytes(made[plan.file(rendition, 0)]))) as container:
        frame = next(container.decode(video=0))
    return frame.width, frame.height


@pytest.mark.parametrize("form", list(Format))
def test_two_renditions_that_are_copied_of_one_picture_are_as_each_alone(form: Format) -> None:
    data = film(Film(seconds=4))
    media = opened(data)
    recipe = recipe_of(Profile.SOURCE, form, segment_seconds=2)
    plan = make_plan(media, source_of(data), recipe, video="f", revision="0", stored=False)
    (one,) = plan.renditions
    twice = plan.model_copy(update={"renditions": (one, one.model_copy(update={"name": "again"}))})

    for number in range(len(plan.timeline)):
        alone = Remuxer(media, plan).segment(number)
        again = {file.replace(one.name, "again"): made for file, made in alone.items()}
        assert Remuxer(media, twice).segment(number) == alone | again


@pytest.mark.parametrize("after", [0, 1])
def test_an_ffmpeg_that_is_killed_is_to_blame_and_not_the_media(after: int) -> None:
    """Whenever it happens: what it did not make is neither taken for what there is, nor for damage."""
    made = 0

    def kill(encoder: Encoder) -> None:
        nonlocal made
        made += 1
        if made == after + 1:
            encoder.signal(signal.SIGKILL)

    media, plan = _to_be_encoded(noise=True)  # more than the pipe holds: ffmpeg cannot have ended by itself
    with pytest.raises(EncoderFailed, match="-9"):
        list(ChunkEncoder(media, plan, watch=kill).segments(Chunk(0, len(plan.timeline))))


@pytest.mark.parametrize("size", ["1280x720", "320x180"])
@pytest.mark.parametrize("codec", ["libx264rgb", "png"])
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0)])
def test_rgb_keeps_its_colours(colour: tuple[int, int, int], codec: str, size: str) -> None:
    """As a player computes them that goes by what the stream says, and as one that goes by the size."""
    red, green, blue = colour
    source = f"-f lavfi -i color=0x{red:02x}{green:02x}{blue:02x}:s={size}:r=25:d=0.2,format=rgb24"
    media = opened(clip(f"-c:v {codec}", source))
    plan = make_plan(media, source_of(b""), recipe_of(Profile.AUTO), video="film", revision="0" * 12, stored=False)
    ((_, made),) = ChunkEncoder(media, plan).segments(Chunk(0, 1))

    with av.open(io.BytesIO(only(made))) as container:
        frame = next(container.decode(video=0))
    matrix = 1 if size == "1280x720" else 6
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (matrix, 1, 1, 1)
    y, u, v = (int(np.asarray(plane).reshape(-1)[0]) for plane in frame.planes)
    assert np.abs(np.array(_rgb(y, u, v, *WEIGHTS[matrix])) - colour).max() <= 4


WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}  # of red and blue in luma: ITU-R BT.709 and BT.601


def _rgb(y: int, u: int, v: int, red: float, blue: float) -> tuple[float, float, float]:
    luma, cb, cr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    return 255 * r, 255 * (luma - red * r - blue * b) / (1 - red - blue), 255 * b


def test_packets_that_no_container_takes_are_damaged_media() -> None:
    media = opened(film(Film()))
    packets = [packet for _, packet in read_packets(media, [Run(media.track(0), 0, 3)])]
    packets[1].dts = packets[0].dts
    with pytest.raises(DamagedMedia):
        write_nut(io.BytesIO(), {0: media.track(0).template}, ((0, packet) for packet in packets))


def only(made: SegmentFiles) -> bytes:
    """A segment of a plan with one rendition."""
    (data,) = made.values()
    return bytes(data)


def _times(segment: bytes) -> dict[str, list[tuple[int | None, int | None]]]:
    found: dict[str, list[tuple[int | None, int | None]]] = {}
    with av.open(io.BytesIO(segment), format="mpegts") as container:
        for packet in container.demux():
            if packet.size:
                found.setdefault(packet.stream.type, []).append((packet.dts, packet.pts))
    return found


@pytest.mark.parametrize(
    "what", [Film(seconds=8), Film(seconds=8, movflags="negative_cts_offsets"), Film(video=None, seconds=8)]
)
def test_remuxed_segments_hold_every_packet_of_the_source_once(what: Film) -> None:
    data = film(what)
    media = opened(data)
    plan = make_plan(
        media, source_of(data), recipe_of(Profile.SOURCE, segment_seconds=2), video="f", revision="0", stored=False
    )
    remuxer = Remuxer(media, plan)

    found: dict[str, int] = {}
    for number in range(len(plan.timeline)):
        for kind, packets in _times(only(remuxer.segment(number))).items():
            found[kind] = found.get(kind, 0) + len(packets)

    kinds = {"vide": "video", "soun": "audio"}
    assert {kinds[track.header.kind]: len(media.samples(track.number)) for track in media.tracks} == found
