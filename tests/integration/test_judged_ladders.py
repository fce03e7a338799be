"""Ladders of all kinds of sources obey the rules of HLS: while their rungs are promised, and once they are whole."""

from __future__ import annotations

from functools import partial

import pytest

from mam.check import Finding, check
from tests.integration.system import Stack, until
from tests.integration.test_ladder import is_listed, variants
from tests.media import SUBTITLES, MediaFolder, Recipe

# One process makes all of them: they share a system.
pytestmark = pytest.mark.xdist_group("ladders")

SECONDS = 9
PROMISES = {"bandwidth", "average-bandwidth"}
# Notes: rungs have all pictures of a fast source, and the order of the list is that of peak rates.
INTENDED = {"slow-variant", "first-variant"}


def _picture(size: str = "320x180", rate: str = "25", more: str = "") -> tuple[str, ...]:
    """Grain, so that rungs are worth their while."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={SECONDS},noise=alls=16:allf=t{more}")


def _sound(layout: str = "stereo", hertz: int = 440) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=f={hertz}:d={SECONDS}:r=48000,aformat=channel_layouts={layout}")


def _h264(gop: int = 50, more: str = "") -> list[str]:
    options = f"-c:v libx264 -preset ultrafast -crf 26 -bf 2 -g {gop} -keyint_min {gop} -sc_threshold 0"
    return f"{options} -pix_fmt yuv420p {more}".split()


AAC = ("-c:a", "aac", "-movflags", "+faststart")
HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=50 -crf 24 -pix_fmt yuv420p -tag:v hvc1"
PQ = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc"
PQ_HEVC = HEVC.replace("keyint", "transfer=smpte2084:colorprim=bt2020:keyint").replace("420p", "420p10le")
TWO = (
    "-map",
    "0:v",
    "-map",
    "1:a",
    "-map",
    "2:a",
    "-metadata:s:a:0",
    "language=eng",
    "-metadata:s:a:1",
    "language=deu",
)
SOURCES = [
    Recipe("59.94.mp4", (*_picture(rate="60000/1001"), *_sound(), *_h264(120), *AAC)),
    Recipe("portrait.mp4", (*_picture("180x320"), *_sound(), *_h264(), *AAC)),
    Recipe("wide.mp4", (*_picture("422x176"), *_sound(), *_h264(), *AAC)),  # its rung is rounded to even sides
    Recipe("anamorphic.mp4", (*_picture("240x192", more=",setsar=64/45"), *_sound(), *_h264(), *AAC)),
    Recipe("silent.mp4", (*_picture(), *_h264(), *AAC)),
    Recipe("hevc.mp4", (*_picture(), *_sound(), *HEVC.split(), *AAC)),
    Recipe("hdr.mp4", (*_picture(), *_sound(), *PQ_HEVC.split(), *PQ.split(), *AAC)),
    Recipe("mpeg4.mp4", (*_picture(), *_sound(), *["-c:v", "mpeg4", "-q:v", "3", "-g", "50"], *AAC)),
    Recipe("surround-and-stereo.mp4", (*_picture(), *_sound("5.1"), *_sound(), *TWO, *_h264(), *AAC)),
]  # fmt: skip
# What is wrong with ladders, and known: the rules say it until it is put right.
FAULTS = {
    "extinf": Recipe("late-video.mp4", ("-itsoffset", "2", *_picture(), *_sound(), *_h264(), *AAC)),
    "fast-frames": Recipe("fast.mp4", (*_picture(rate="120"), *_sound(), *_h264(240), *AAC)),
    "stereo": Recipe("surround.mp4", (*_picture(), *_sound("5.1"), *_h264(), *AAC)),
}  # fmt: skip


def name(recipe: Recipe) -> str:
    return recipe.name


def findings(stack: Stack, media: MediaFolder, folder: str, recipe: Recipe) -> tuple[list[Finding], list[Finding]]:
    """The findings about a ladder with promised rungs, and those once all of them are whole."""
    key = stack.put(f"{folder}/{recipe.name}", media.path(recipe))
    stack.put(f"{folder}/{recipe.name.removesuffix('.mp4')}.en.srt", SUBTITLES.encode())
    url = stack.stream_url(key, profile="ladder")
    making = check(url)
    stack.convert(key, profile="ladder")
    rungs = [rung for rung in variants(stack, url) if rung.startswith("v")]
    assert rungs
    for rung in rungs:
        until(partial(is_listed, stack, key.removesuffix(".mp4"), rung), f"{rung} is listed in the commit")
    return list(making.findings), list(check(url).findings)


def told(findings: list[Finding], forgiven: set[str]) -> list[str]:
    return [str(finding) for finding in findings if finding.rule not in forgiven]


@pytest.mark.parametrize("recipe", SOURCES, ids=name)
def test_a_ladder_breaks_no_rule(one_ladders: Stack, media: MediaFolder, folder: str, recipe: Recipe) -> None:
    making, whole = findings(one_ladders, media, folder, recipe)
    assert told(making, PROMISES | INTENDED | {"redirect"}) == []
    assert told(whole, INTENDED) == []


@pytest.mark.parametrize("rule", FAULTS)
def test_a_ladder_has_no_other_fault_than_the_known_one(
    one_ladders: Stack, media: MediaFolder, folder: str, rule: str
) -> None:
    making, whole = findings(one_ladders, media, folder, FAULTS[rule])
    assert told(making, PROMISES | INTENDED | {"redirect", rule}) == []
    assert told(whole, INTENDED | {rule}) == []
    assert rule in {finding.rule for finding in whole}, "the fault is gone: the source belongs to the others"
