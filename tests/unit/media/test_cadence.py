"""Samples that are no pictures: what is planned of them comes out, at the times at which a decoder shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from mam.hls.plan import Plan
from mam.hls.recipe import Profile
from mam.media.encode import ChunkEncoder
from mam.media.planning import make_plan, read_index
from tests.fields import paff
from tests.media import MediaFolder, Recipe, ffmpeg
from tests.recipes import recipe_of
from tests.unit.films import opened, source_of

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=6", "-pix_fmt", "yuv420p")
OPEN_GOP = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-x264-params", "open-gop=1:scenecut=0")
OPEN = Recipe("open.mp4", (*PICTURE, *OPEN_GOP))
COARSE = {
    "12 in 12": ("12", "12", "libx264"),
    "30 in 30, ProRes": ("30", "30", "prores_ks"),
    "29.97 in 30, ProRes": ("30000/1001", "30", "prores_ks"),
    "23.976 in 24": ("24000/1001", "24", "prores_ks"),
    "12 in 12, ProRes": ("12", "12", "prores_ks"),
}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    return MediaFolder(tmp_path_factory.mktemp("cadence"))


def encoded(data: bytes) -> Plan:
    """The plan, of which everything was made: each segment is checked against it."""
    source = opened(data)
    recipe = recipe_of(Profile.H264)
    read_index(source, recipe)
    plan = make_plan(source, source_of(data), recipe, video="film", revision="0" * 12, stored=False)
    encoder = ChunkEncoder(source, plan)
    made = [number for chunk in plan.chunks() for number, _ in encoder.segments(chunk)]
    assert made == list(range(len(plan.timeline)))
    return plan


def moments(path: Path) -> list[float]:
    """When a decoder shows pictures, in seconds."""

    def shown() -> Iterator[float]:
        with av.open(str(path)) as container:
            yield from (frame.time for frame in container.decode(video=0) if frame.time is not None)

    return sorted(shown())


def test_fields_that_are_samples_become_pictures(tmp_path: Path) -> None:
    raw, film = tmp_path / "a.264", tmp_path / "a.mp4"
    raw.write_bytes(paff(60))
    ffmpeg("-r", "50", "-f", "h264", "-i", str(raw), "-c", "copy", str(film))
    plan = encoded(film.read_bytes())
    assert len(opened(film.read_bytes()).samples(0)) == 120
    assert plan.video_track is not None
    assert (sum(plan.frames), plan.video_track.frame_rate) == (60, 25)


@pytest.mark.parametrize("woven", [range(0, 60, 3), range(30), range(60)], ids=["some", "later", "none"])
def test_where_fields_and_frames_change_what_is_planned_comes_out(tmp_path: Path, woven: range) -> None:
    raw, film = tmp_path / "a.264", tmp_path / "a.mp4"
    raw.write_bytes(paff(60, woven=frozenset(woven)))
    ffmpeg("-r", "25", "-f", "h264", "-i", str(raw), "-c", "copy", str(film))
    encoded(film.read_bytes())


def test_a_film_plays_from_the_first_picture_that_can_be_shown(media: MediaFolder, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    ffmpeg("-ss", "2.5", "-i", str(media.path(OPEN)), "-c", "copy", "-use_editlist", "0", str(cut))
    expected = moments(cut)
    plan = encoded(cut.read_bytes())
    assert len(opened(cut.read_bytes()).samples(0)) > len(expected)  # some cannot be decoded
    assert sum(plan.frames) == len(expected)
    assert float(plan.timeline.start) == pytest.approx(expected[0], abs=0.001)


def test_vops_that_are_not_coded_show_the_picture_before_them(tmp_path: Path) -> None:
    """As encoders for telephones drop pictures: a VOP of a few bytes says that there is nothing."""
    film = tmp_path / "a.mp4"
    ffmpeg(*PICTURE, "-c:v", "mpeg4", "-g", "50", str(film))
    data = bytearray(film.read_bytes())
    samples = opened(bytes(data)).samples(0)
    for number in range(5, len(samples), 10):
        at, size = int(samples.offset[number]), int(samples.size[number])
        head = bytes(data[at : at + 8])
        bits = int.from_bytes(head, "big")
        data[at : at + size] = _not_coded(bits).ljust(size, b"\xff")
    film.write_bytes(data)
    assert len(moments(film)) < len(samples)
    plan = encoded(film.read_bytes())
    assert sum(plan.frames) == len(samples)


def _not_coded(bits: int) -> bytes:
    """A VOP's header up to vop_coded (ISO/IEC 14496-2 section 6.2.5), which says no. Of 25 ticks a second."""
    text = f"{bits:064b}"
    at = 32 + 2  # start code, vop_coding_type
    while text[at] == "1":  # modulo_time_base
        at += 1
    at += 2 + 5  # its end, a marker, vop_time_increment of five bits
    return int((text[: at + 1] + "0").ljust(64, "1"), 2).to_bytes(8, "big")


@pytest.mark.parametrize("case", COARSE)
def test_pictures_on_a_coarse_clock_come_out_whole(tmp_path: Path, case: str) -> None:
    rate, scale, codec = COARSE[case]
    film = tmp_path / "a.mov"
    pixels = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=s=64x48:r={rate}:d=9", "-pix_fmt", pixels, "-c:v", codec,
        "-video_track_timescale", scale, str(film),
    )  # fmt: skip
    assert sum(encoded(film.read_bytes()).frames) == len(moments(film))


@pytest.mark.parametrize("duration", [0, 512])
def test_a_still_picture_is_shown_for_a_moment(tmp_path: Path, duration: int) -> None:
    film = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x48:r=25:d=0.04", "-c:v", "libx264", "-pix_fmt", "yuv420p", str(film))
    data = film.read_bytes()
    at = data.index(b"stts") + 16
    plan = encoded(data[:at] + duration.to_bytes(4, "big") + data[at + 4 :])
    assert (plan.frames, float(plan.timeline.duration)) == ((1,), 0.04)
