"""Copied segments begin where a decoder can start: what NAL units say counts, not what the index calls a key frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mam.errors import NotRemuxable, Undecodable
from mam.hls.plan import Plan
from mam.hls.recipe import Format, Profile
from mam.hls.recipe import Recipe as Making
from mam.media.planning import make_plan
from mam.media.remux import Remuxer
from mam.media.source import MediaSource
from mam.media.verification import undecodable
from tests.media import MediaFolder, Recipe, ffmpeg
from tests.recipes import recipe_of
from tests.unit.films import Film, film, opened, source_of

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=20", "-pix_fmt", "yuv420p")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-bf", "3")
X265_OPEN = "log-level=0:open-gop=1:keyint=50:min-keyint=50"
OPEN = Recipe("open.mp4", (*PICTURE, *X264, "-x264-params", "open-gop=1"))
HEVC_OPEN = Recipe("hevc-open.mp4", (*PICTURE, *X265, "-x265-params", X265_OPEN))
REFRESHED = Recipe("refreshed.mp4", (*PICTURE, *X264, "-bf", "0", "-x264-params", "intra-refresh=1"))
COPY, AUTO = recipe_of(Profile.SOURCE), recipe_of(Profile.AUTO)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    return MediaFolder(tmp_path_factory.mktemp("beginnings"))


def cut(folder: MediaFolder, recipe: Recipe, tmp_path: Path) -> bytes:
    """The recipe's film from a key frame in its middle on, as cutting without encoding leaves it."""
    made = tmp_path / recipe.name
    ffmpeg("-ss", "4.5", "-i", str(folder.path(recipe)), "-c", "copy", "-use_editlist", "0", str(made))
    return made.read_bytes()


def plan_of(source: MediaSource, wishes: Making) -> Plan:
    return make_plan(source, source_of(b""), wishes, video="film", revision="0123456789ab", stored=False)


@pytest.mark.parametrize(("recipe", "form"), [(OPEN, Format.TS), (OPEN, Format.FMP4), (HEVC_OPEN, Format.FMP4)])
def test_a_film_whose_first_key_frame_needs_others_is_not_copied(
    media: MediaFolder, tmp_path: Path, recipe: Recipe, form: Format
) -> None:
    source = opened(cut(media, recipe, tmp_path))
    with pytest.raises(NotRemuxable, match=r"IDR|beginning could not be decoded"):
        plan_of(source, replace(COPY, format=form))
    video = plan_of(source, replace(AUTO, format=form)).video_track
    assert video is not None
    assert video.action == "encode"
    assert "decode" in video.reason


def test_a_film_that_is_refreshed_without_key_frames_is_encoded(media: MediaFolder) -> None:
    video = plan_of(opened(media.bytes(REFRESHED)), AUTO).video_track
    assert video is not None
    assert (video.action, video.refreshes) == ("encode", True)


def test_copied_segments_begin_at_idr_frames_alone(media: MediaFolder) -> None:
    """Of key frames of both kinds: as broadcasts have them."""
    data = media.bytes(OPEN)
    source = opened(data)
    plan = plan_of(source, replace(COPY, max_key_frame_seconds=60))
    remuxer = Remuxer(source, plan)
    for number in range(len(plan.timeline)):
        assert undecodable(bytes(next(iter(remuxer.segment(number).values())))) is None


def test_an_ordinary_film_is_planned_with_two_handfuls_of_reads() -> None:
    source = opened(film(Film(seconds=20, noise=True)))
    reads: list[int] = []
    read = source.reader.read

    def counted(start: int, stop: int) -> bytes:
        reads.append(stop - start)
        return read(start, stop)

    source.reader.read = counted  # type: ignore[method-assign]
    plan_of(source, COPY)
    assert len(reads) <= 10  # five key frames for what begins with them, five for the sizes of pictures
    assert sum(reads) <= 10 * 4096


def test_a_segment_that_would_begin_with_another_picture_is_not_made(media: MediaFolder) -> None:
    """Whatever a plan says: one of an earlier version, say."""
    data = media.bytes(REFRESHED)
    plan = plan_of(opened(data), COPY)
    cuts = plan.timeline.model_copy(update={"boundaries": (0, 25600, plan.timeline.boundaries[-1])})
    bad = plan.model_copy(update={"timeline": cuts, "frames": (50, 450)})
    with pytest.raises(Undecodable, match="Segment 1"):
        Remuxer(opened(data), bad).segment(1)


# what is looked at before a commit


def segments(form: Format) -> list[bytes]:
    source = opened(film(Film(seconds=4)))
    plan = plan_of(source, recipe_of(Profile.SOURCE, format=form, segment_seconds=1))
    made = [Remuxer(source, plan).segment(number) for number in range(len(plan.timeline))]
    init = bytes(made[0].get("source/init.mp4", b""))
    return [init + bytes(next(data for name, data in each.items() if "init" not in name)) for each in made]


@pytest.mark.parametrize("form", list(Format))
def test_whole_segments_can_be_decoded(form: Format) -> None:
    assert [undecodable(segment) for segment in segments(form)] == [None] * 4


@pytest.mark.parametrize("form", list(Format))
def test_segments_whose_pictures_are_spoiled_cannot(form: Format) -> None:
    spoiled = segments(form)[1].replace(b"\0\0\1\x65", b"\0\0\1\x7f")  # the IDR frame is something else
    if form is Format.FMP4:
        at = spoiled.index(b"mdat")
        spoiled = spoiled[: at + 4] + bytes(1500) + spoiled[at + 1504 :]
    assert undecodable(spoiled) is not None


def test_what_is_no_media_cannot_be_decoded() -> None:
    assert undecodable(b"\0" * 5000) == "container"
