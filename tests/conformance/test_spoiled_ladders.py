"""The checker finds what is wrong with real ladders, and only that."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mam.check import check
from mam.check.media import measure
from tests.conformance.serving import serving
from tests.conformance.trees import edit, ladder_tree, rules
from tests.media import FILM, MediaFolder, ffmpeg

Spoil = Callable[[Path], object]
START = b"\0\0\0\1"
# user_data_registered_itu_t_t35 of the United States and ATSC: two bytes of CEA-608.
CAPTIONS = b"\x06\x04\x0e\xb5\x00\x31GA94\x03\x41\xff\xfc\x94\x20\xff\x80"


def listed(old: str, new: str, playlist: str = "master.m3u8") -> Spoil:
    return lambda folder: edit(folder / playlist, old, new)


def discontinuous(folder: Path) -> None:
    text = (folder / "1.m3u8").read_text()
    (folder / "1.m3u8").write_text(text.replace("#EXTINF", "#EXT-X-DISCONTINUITY\n#EXTINF", 2))


def test_a_right_ladder_of_another_maker_breaks_nothing(media: MediaFolder, tmp_path: Path) -> None:
    with serving(ladder_tree(media, tmp_path / "hls")) as url:
        report = check(f"{url}/master.m3u8")
        assert check(f"{url}/master.m3u8", every=False).errors == ()
    assert [str(finding) for finding in report.errors] == []
    assert {finding.rule for finding in report.findings} <= {"alignment"}  # ffmpeg cuts sound where its frames end
    assert [(track.width, track.height) for shown in report.presentations for track in shown.tracks if track.width] == [
        (320, 180), (160, 90),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (listed("FRAME-RATE", "SCORE=1,FRAME-RATE"), {"score"}),
        (listed("CLOSED-CAPTIONS=NONE,", ""), {"captions"}),
        (listed("FRAME-RATE", "VIDEO-RANGE=PQ,FRAME-RATE"), {"video-range"}),
        (listed('CHANNELS="2"', 'CHANNELS="6"'), {"channels", "stereo"}),
        (discontinuous, {"discontinuity"}),
        (listed("#EXT-X-PLAYLIST-TYPE", "#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-PLAYLIST-TYPE", "1.m3u8"),
         {"discontinuity"}),
    ],
)  # fmt: skip
def test_a_spoiled_ladder_is_found(media: MediaFolder, tmp_path: Path, spoil: Spoil, wanted: set[str]) -> None:
    assert rules(ladder_tree(media, tmp_path / "hls"), "master.m3u8", spoil) == wanted


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("-filter:v:1", "scale=160:112,setsar=1"), {"aspect-ratio", "resolution"}),
        (("-fps_mode:v:1", "passthrough", "-filter:v:1", "scale=160:90,setpts=PTS+0.04/TB"), {"matching"}),
        (("-bsf:v:1", "h264_metadata=level=1", "-filter:v:1", "scale=320:180"), {"level"}),
    ],
    ids=["shape", "later", "level"],
)
def test_a_ladder_with_another_rung_is_found(
    media: MediaFolder, tmp_path: Path, options: tuple[str, ...], wanted: set[str]
) -> None:
    assert wanted <= rules(ladder_tree(media, tmp_path / "hls", *options), "master.m3u8")


def test_parameter_sets_of_another_encode_are_found(media: MediaFolder, tmp_path: Path) -> None:
    folder = ladder_tree(media, tmp_path / "hls", "-bsf:v:1", "h264_metadata=level=1.1")
    repeated = ("-flags:v:1", "-global_header", "-x264-params:v:1", "repeat-headers=1")
    other = ladder_tree(media, tmp_path / "other", *repeated, "-bsf:v:1", "h264_metadata=level=1.2")
    for path in other.glob("1?.m4s"):
        (folder / path.name).write_bytes(path.read_bytes())
    assert "parameter-sets" in rules(folder, "master.m3u8")


@pytest.mark.parametrize("are_there", [True, False])
def test_captions_in_pictures_are_seen(media: MediaFolder, tmp_path: Path, are_there: bool) -> None:
    bare, made = tmp_path / "a.h264", tmp_path / "a.ts"
    ffmpeg("-i", str(media.path(FILM)), "-t", "2", "-map", "0:v", "-c:v", "libx264", "-bf", "0", str(bare))
    if are_there:
        slices = re.compile(rb"\x00?\x00\x00\x01(?=[\x65\x41\x01])")
        bare.write_bytes(slices.sub(lambda found: START + CAPTIONS + found[0], bare.read_bytes()))
    ffmpeg("-fflags", "+genpts", "-framerate", "25", "-i", str(bare), "-c", "copy", str(made))
    assert [track.captioned for track in measure(made.read_bytes()).tracks] == [are_there]
