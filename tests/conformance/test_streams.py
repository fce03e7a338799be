"""What the system makes obeys the rules of HLS: remuxed, encoded, and while it is being made."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest

from mam.check import Report, check
from mam.media.packets import ORIGIN
from tests.integration.system import Stack
from tests.media import (
    AUDIO_ONLY,
    AV1,
    FILM,
    HEVC,
    LATE_AUDIO,
    LATE_VIDEO,
    LONG,
    LONG_AUDIO,
    NTSC,
    SUBTITLES,
    SURROUND,
    TWO_LANGUAGES,
    VIDEO_ONLY,
    WITH_AC3,
    MediaFolder,
    Recipe,
    frames,
    probe,
)

COPIED = [FILM, NTSC, AUDIO_ONLY, VIDEO_ONLY, LATE_AUDIO, LATE_VIDEO, LONG_AUDIO, SURROUND, WITH_AC3]
ENCODED = [FILM, NTSC, AUDIO_ONLY, LATE_AUDIO, LATE_VIDEO, LONG_AUDIO]
# Small, so that encoding it takes no time, and long enough for several chunks.
SMALL = Recipe("small.mp4", ("-s", "128x72", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy"), of=LONG)
FRAME = Fraction(1, 24)


def name(recipe: Recipe) -> str:
    return recipe.name


def told(report: Report) -> list[str]:
    return [str(finding) for finding in report.findings]


def agrees(report: Report, media: MediaFolder, recipe: Recipe, *, copied: bool = False) -> None:
    """The report measured what the source holds. Unless it was `copied`, silence stands before a late sound."""
    source = media.path(recipe)
    wanted = probe(source)
    for kind in ("video", "audio"):
        track = report.track(kind)
        assert (track is not None) == (kind in wanted)
        if track is not None:
            first = min(frame.pts for frame in frames(source, kind))
            if kind == "audio" and recipe is LATE_AUDIO and not copied:
                first = Fraction(0)
            assert float(track.first - ORIGIN) == pytest.approx(float(first), abs=float(FRAME))
    video = report.track("video")
    if video is not None:
        assert (video.width, video.height) == (wanted["width"], wanted["height"])
        assert video.frames == report.video_frames == len(frames(source, "video"))


@pytest.mark.parametrize("recipe", COPIED, ids=name)
def test_a_remuxed_stream_breaks_no_rule(one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/{recipe.name}", media.path(recipe)))
    report = check(one_stack.video_url(video))
    assert told(report) == []
    agrees(report, media, recipe, copied=True)


@pytest.mark.parametrize("recipe", ENCODED, ids=name)
def test_an_encoded_stream_breaks_no_rule(one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe) -> None:
    key = one_stack.put(f"{folder}/{recipe.name}", media.path(recipe))
    one_stack.convert(key, reencode=True)
    report = check(one_stack.stream_url(key, reencode="true"))
    assert told(report) == []
    agrees(report, media, recipe)


def test_chunks_made_apart_join_without_a_seam(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/small.mp4", media.path(SMALL))
    video = one_stack.convert(key, reencode=True)
    assert len(one_stack.plan(video).chunks()) > 2
    report = check(one_stack.stream_url(key, reencode="true"))
    assert told(report) == []
    agrees(report, media, SMALL)


@pytest.mark.parametrize("recipe", [FILM, LATE_AUDIO], ids=name)
def test_a_cold_stream_breaks_no_rule_while_it_is_made(
    one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe
) -> None:
    """Its segments are redirected to, which is by design and a note."""
    report = check(one_stack.stream_url(one_stack.put(f"{folder}/{recipe.name}", media.path(recipe))))
    assert report.errors == ()
    assert {finding.rule for finding in report.findings} <= {"redirect"}
    agrees(report, media, recipe)


def test_a_few_segments_say_the_same_as_all(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/small.mp4", media.path(SMALL)))
    quick, whole = (check(one_stack.video_url(video), every=every) for every in (False, True))
    assert told(quick) == told(whole) == []
    assert (quick.duration, quick.segments) == (whole.duration, whole.segments)
    assert 0 < quick.video_frames < whole.video_frames
    for kind in ("video", "audio"):
        few, every = quick.track(kind), whole.track(kind)
        assert few and every and (few.first, few.end) == (every.first, every.end)


MAKING = {"redirect"}  # a note: segments of what is being made are redirected to, by design


@pytest.mark.parametrize("form", ["ts", "fmp4"])
@pytest.mark.parametrize("profile", ["auto", "h264"])
def test_sounds_of_their_own_and_subtitles_break_no_rule(
    one_stack: Stack, media: MediaFolder, folder: str, profile: str, form: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(TWO_LANGUAGES))
    one_stack.put(f"{folder}/a.en.srt", SUBTITLES.encode())
    url = one_stack.stream_url(key, profile=profile, format=form)
    made = check(url)
    assert made.errors == () or {finding.rule for finding in made.errors} <= {
        "bandwidth",
        "average-bandwidth",
    }  # guesses
    assert {finding.rule for finding in made.findings if finding not in made.errors} <= MAKING
    one_stack.convert(key, profile=profile, format=form)
    report = check(url)
    assert told(report) == []
    assert len(report.presentations) == 4


@pytest.mark.parametrize("recipe", [FILM, HEVC, AV1, LATE_AUDIO, AUDIO_ONLY], ids=name)
def test_fragments_break_no_rule(one_stack: Stack, media: MediaFolder, folder: str, recipe: Recipe) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(recipe))
    url = one_stack.stream_url(key, profile="auto", format="fmp4")
    assert {finding.rule for finding in check(url).findings} <= MAKING
    one_stack.convert(key, profile="auto", format="fmp4")
    report = check(url)
    assert told(report) == []
    agrees(report, media, recipe)


def test_the_command_line_says_what_is_wrong(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    video = one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(FILM)))
    command = [sys.executable, "-m", "mam", "check", one_stack.video_url(video), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("0 errors, 0 notes; 4 segments, 24.0")
    command[4] = one_stack.video_url("none")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
