"""Odd real files, each with what it should do; MAM_TEST_MEDIA names the folder that they lie in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.system import Stack, is_problem, until
from tests.media import complaints, frames, probe

PLAYS = "plays"
FOLDER = os.environ.get("MAM_TEST_MEDIA", "")

pytestmark = [
    pytest.mark.media,
    pytest.mark.skipif(not FOLDER, reason="MAM_TEST_MEDIA names no folder of odd media files"),
]

# What comes of a file when it is copied, and when it is re-encoded: it plays, or the code of the error.
EXPECTED: dict[str, tuple[str, str]] = {
    "-video-with-dash-.mp4": ("not_remuxable", PLAYS),
    "2018-04-12 19_24_49.mov": ("not_a_video", "not_a_video"),
    "Tiny Sample - OLD.mp4": (PLAYS, PLAYS),
    "annex-b.mp4": ("truncated_media", "truncated_media"),
    "bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4": (PLAYS, PLAYS),
    "bbb_800x640_768kbps_30fps_vp9.mp4": ("not_remuxable", PLAYS),
    "count-video.mp4": ("not_remuxable", PLAYS),
    "edit_list_positive_shift.mp4": (PLAYS, PLAYS),
    "hlg10-color-test.mp4": ("not_remuxable", PLAYS),
    "iibbibb_editlist_videoonly.mp4": ("not_remuxable", PLAYS),
    "long_1080p_lowbitrate.mp4": (PLAYS, ""),  # a minute of work; nothing that others do not show
    "long_1080p_videoonly_lowbitrate.mp4": (PLAYS, ""),
    "multiple-aac-tracks.mp4": (PLAYS, PLAYS),
    "nasa_13013.mp4": (PLAYS, PLAYS),
    "rotate-buck-bunny.mp4": ("not_remuxable", PLAYS),
    "sample.mp4": (PLAYS, PLAYS),
    "sample_ac3_aac.mp4": (PLAYS, PLAYS),
    "sample_audio_only_15s.mp4": (PLAYS, PLAYS),
    "sample_av1.mp4": ("not_remuxable", PLAYS),
    "sample_fragmented.mp4": (PLAYS, PLAYS),
    "sample_fragmented_widevine.mp4": ("encrypted_media", "encrypted_media"),
    "sample_malformed_free_box.mp4": ("invalid_index", "invalid_index"),
    "sample_missing_stsd.mp4": ("invalid_index", "invalid_index"),
    "sample_opus.mp4": ("not_remuxable", PLAYS),
    "sample_shorter_audio.mp4": (PLAYS, PLAYS),
    "sample_without_stss.mp4": (PLAYS, PLAYS),
    "short-cenc.mp4": ("encrypted_media", "encrypted_media"),
    "test-pod.m4a": (PLAYS, PLAYS),
    "zero_empty_stsc.mp4": ("truncated_media", "truncated_media"),
}
CASES = [
    pytest.param(name, reencode, outcomes[reencode], id=f"{name}-{'encoded' if reencode else 'copied'}")
    for name, outcomes in EXPECTED.items()
    for reencode in (False, True)
    if outcomes[reencode]
]


@pytest.mark.parametrize(("name", "reencode", "outcome"), CASES)
def test_an_odd_file_does_what_it_should(
    one_stack: Stack, folder: str, name: str, reencode: bool, outcome: str
) -> None:
    path = Path(FOLDER) / name
    if not path.exists():
        pytest.skip(f"{name} is not in {FOLDER}")
    key = one_stack.put(f"{folder}/{name}", path)
    answer = one_stack.transcode(key, reencode=reencode)
    if outcome != PLAYS:
        assert is_problem(answer, 422, outcome)
        until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made before is removed")
        if outcome == "not_remuxable":
            assert "reencode=true" in answer.json()["hint"]
        return
    assert answer.status_code == 200, answer.text
    assert complaints(one_stack.stream_url(key, profile="h264" if reencode else "source")) == ""


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_folder_and_the_table_agree(name: str) -> None:
    listed = Path(FOLDER) / "media.tsv"
    if not listed.exists():
        pytest.skip("the folder has no list")
    names = {line.split("\t")[0] for line in listed.read_text().splitlines()[1:]}
    assert name in names
    assert names == set(EXPECTED)


def test_a_rotated_picture_is_upright_when_it_is_reencoded(one_stack: Stack, folder: str) -> None:
    path = Path(FOLDER) / "rotate-buck-bunny.mp4"
    if not path.exists():
        pytest.skip("not in the folder")
    video = one_stack.convert(one_stack.put(f"{folder}/a.mp4", path), reencode=True)
    lying, upright = probe(path), probe(one_stack.video_url(video))
    assert (upright["width"], upright["height"]) == (lying["height"], lying["width"])


def test_a_delayed_picture_stays_in_sync(one_stack: Stack, folder: str) -> None:
    path = Path(FOLDER) / "edit_list_positive_shift.mp4"
    if not path.exists():
        pytest.skip("not in the folder")
    key = one_stack.put(f"{folder}/a.mp4", path)
    for reencode in (False, True):
        video = one_stack.convert(key, reencode=reencode)
        made = {
            kind: min(frame.pts for data in one_stack.segments(video) for frame in frames(data, kind))
            for kind in ("video", "audio")
        }
        source = {kind: min(frame.pts for frame in frames(path, kind)) for kind in ("video", "audio")}
        assert float(made["video"] - made["audio"]) == pytest.approx(float(source["video"] - source["audio"]), abs=0.05)
