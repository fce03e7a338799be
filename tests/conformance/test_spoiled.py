"""The checker finds what is wrong with real streams, and only that."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from mam.__main__ import main
from mam.check import check
from mam.check.fetch import Unreachable
from tests.conformance.serving import GOOD, Manners, serving
from tests.conformance.trees import FMP4, ORIGIN, edit, media_tree, multivariant_tree, rules, segments
from tests.media import FILM, MediaFolder, ffmpeg

Spoil = Callable[[Path], object]


def nth(folder: Path, number: int) -> Path:
    return [path for path in sorted(folder.iterdir()) if path.suffix in (".ts", ".m4s")][number]


def swap(folder: Path) -> None:
    one, two = nth(folder, 1), nth(folder, 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def cut_off(folder: Path) -> None:
    data = nth(folder, 2).read_bytes()
    nth(folder, 2).write_bytes(data[: len(data) // 2])


def begin_late(folder: Path) -> None:
    """The second segment loses its first tenth, and with it the key frame."""
    data = nth(folder, 1).read_bytes()
    size = len(data) // 10 // 188 * 188
    nth(folder, 1).write_bytes(data[: 3 * 188] + data[size:])


def lose_packet(folder: Path) -> None:
    data = nth(folder, 1).read_bytes()
    nth(folder, 1).write_bytes(data[: 100 * 188] + data[101 * 188 :])


def replace(number: int, data: bytes) -> Spoil:
    return lambda folder: nth(folder, number).write_bytes(data)


def listed(old: str, new: str, playlist: str = "index.m3u8") -> Spoil:
    return lambda folder: edit(folder / playlist, old, new)


@pytest.mark.parametrize("options", [(), FMP4], ids=["ts", "fmp4"])
def test_a_right_stream_of_another_maker_breaks_nothing(
    media: MediaFolder, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with serving(media_tree(media, tmp_path / "hls", *options)) as url:
        report = check(f"{url}/index.m3u8")
    assert [str(finding) for finding in report.findings] == []
    assert (report.duration, report.segments, report.video_frames) == (Fraction(24), 4, 600)


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (swap, {"extinf", "video-gap", "overlap", "audio-gap", "ts-counter"}),
        (cut_off, {"video-gap", "audio-gap"}),
        (begin_late, {"key-frame", "video-gap", "audio-gap"}),
        (lose_packet, {"ts-counter"}),
        (replace(1, b""), {"empty"}),
        (replace(1, b"<html>"), {"container"}),
        (replace(1, b"\x47" * 1880), {"decode"}),
        (lambda folder: nth(folder, 3).unlink(), {"missing"}),
        (listed("EXTINF:6.000000", "EXTINF:5.900000"), {"extinf"}),
        (listed("EXTINF:6.000000", "EXTINF:6.100000"), {"extinf"}),
        (listed("#EXT-X-ENDLIST", ""), {"endlist"}),
        (listed("#EXT-X-INDEPENDENT-SEGMENTS", ""), {"independent"}),
    ],
    ids=["swapped", "cut-off", "begins-late", "lost-packet", "empty", "html", "noise", "gone", "short", "long",
         "endless", "dependent"],
)  # fmt: skip
def test_a_spoiled_stream_is_found(media: MediaFolder, tmp_path: Path, spoil: Spoil, wanted: set[str]) -> None:
    found = rules(media_tree(media, tmp_path / "hls"), spoil=spoil)
    assert wanted <= found


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (swap, {"extinf", "video-gap", "tfdt"}),
        (cut_off, {"decode"}),
        (replace(1, b""), {"empty"}),
        (lambda folder: (folder / "init.mp4").unlink(), {"missing"}),
        (lambda folder: (folder / "init.mp4").write_bytes(b"\0\0\0\x08free"), {"init"}),
        (listed('#EXT-X-MAP:URI="init.mp4"\n', ""), {"map"}),
        (listed("#EXT-X-VERSION:7", "#EXT-X-VERSION:5"), {"version"}),
    ],
    ids=["swapped", "cut-off", "empty", "no-init", "bad-init", "no-map", "version"],
)
def test_a_spoiled_fragmented_stream_is_found(
    media: MediaFolder, tmp_path: Path, spoil: Spoil, wanted: set[str]
) -> None:
    assert wanted <= rules(media_tree(media, tmp_path / "hls", *FMP4), spoil=spoil)


def test_a_whole_file_is_no_initialization_section(media: MediaFolder, tmp_path: Path) -> None:
    folder = media_tree(media, tmp_path / "hls", *FMP4)
    (folder / "init.mp4").write_bytes(media.bytes(FILM))
    assert "init" in rules(folder)


def test_a_stream_whose_key_frames_were_lost_sight_of_is_found(media: MediaFolder, tmp_path: Path) -> None:
    """Cut every 5 s where key frames are 2 s apart: what `-break_non_keyframes` would make."""
    folder = tmp_path / "hls"
    folder.mkdir()
    ffmpeg("-i", str(media.path(FILM)), "-c", "copy", "-f", "segment", "-segment_time", "5",
           "-break_non_keyframes", "1", "-segment_list", str(folder / "index.m3u8"), str(folder / "%d.ts"))  # fmt: skip
    assert "key-frame" in rules(folder)


@pytest.mark.parametrize(
    ("manners", "wanted"),
    [
        (GOOD, set()),
        (Manners(types=False), {"content-type"}),
        (Manners(packs=False), {"gzip"}),
        (Manners(ranges=False), {"range"}),
        (Manners(cors=False), {"cors"}),
    ],
)
def test_bad_manners_of_a_server_are_found(
    media: MediaFolder, tmp_path: Path, manners: Manners, wanted: set[str]
) -> None:
    with serving(media_tree(media, tmp_path / "hls"), manners) as url:
        assert check(f"{url}/index.m3u8").rules == wanted


def test_what_holds_for_every_segment_is_said_once(media: MediaFolder, tmp_path: Path) -> None:
    with serving(media_tree(media, tmp_path / "hls"), Manners(moved=True, cors=False)) as url:
        report = check(f"{url}/index.m3u8")
    assert [(finding.level, finding.rule) for finding in report.findings] == [
        ("error", "cors"), ("error", "cors"), ("note", "redirect"),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("options", [(), FMP4], ids=["ts", "fmp4"])
def test_bytes_damaged_anywhere_are_found_and_stop_nothing(
    media: MediaFolder, tmp_path: Path, options: tuple[str, ...], seed: int
) -> None:
    folder, chance = media_tree(media, tmp_path / "hls", *options), random.Random(seed)
    for path in sorted(folder.iterdir()):
        if path.suffix != ".m3u8":
            data = bytearray(path.read_bytes())
            for _ in range(50):
                data[chance.randrange(min(len(data), 50_000))] = chance.randrange(256)
            path.write_bytes(data)
    assert rules(folder)


@pytest.mark.parametrize("options", [(), FMP4], ids=["ts", "fmp4"])
def test_a_right_tree_breaks_nothing(media: MediaFolder, tmp_path: Path, options: tuple[str, ...]) -> None:
    with serving(multivariant_tree(media, tmp_path / "hls", *options)) as url:
        report = check(f"{url}/master.m3u8")
    assert [str(finding) for finding in report.errors] == []
    assert len(report.presentations) == 3
    video, audio, text = report.track("video"), report.track("audio"), report.track("subtitles")
    assert video and audio and text
    assert (video.frames, video.codec, video.width, video.height) == (600, "avc1.64000C", 320, 180)
    assert abs(video.first - ORIGIN) < Fraction(1, 100) and abs(audio.first - ORIGIN) < Fraction(1, 20)
    assert (text.first, text.end) == (Fraction(ORIGIN + 1), Fraction(ORIGIN + 15))


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (listed('AUDIO="a"', 'AUDIO="b"', "master.m3u8"), {"group"}),
        (listed("FRAME-RATE=25.000", "FRAME-RATE=30.000", "master.m3u8"), {"frame-rate"}),
        (listed("320x180", "640x360", "master.m3u8"), {"resolution"}),
        (listed("avc1.64000c", "avc1.42c00c", "master.m3u8"), {"codecs"}),
        (listed(":BANDWIDTH=", ":BANDWIDTH=9", "master.m3u8"), {"bandwidth"}),
        (listed("TARGETDURATION:6", "TARGETDURATION:7", "1.m3u8"), {"same-target"}),
        (listed("1.m3u8", "2.m3u8", "master.m3u8"), {"missing"}),
        (listed("MPEGTS:900000", "MPEGTS:0", "text0.vtt"), {"vtt-map"}),
        (listed("00:00:14.000", "00:00:04.000", "text2.vtt"), set()),  # a cue may reach in from before
        (listed("00:00:14.000 --> 00:00:15.000", "00:00:04.000 --> 00:00:05.000", "text2.vtt"), {"vtt-map"}),
        (listed("WEBVTT", "WEBTEXT", "text1.vtt"), {"container"}),
    ],
)
def test_a_spoiled_tree_is_found(media: MediaFolder, tmp_path: Path, spoil: Spoil, wanted: set[str]) -> None:
    found = rules(multivariant_tree(media, tmp_path / "hls"), "master.m3u8", spoil)
    assert wanted <= found
    assert wanted or not found


def test_audio_on_another_timeline_is_found(media: MediaFolder, tmp_path: Path) -> None:
    folder = multivariant_tree(media, tmp_path / "hls")
    other = multivariant_tree(media, tmp_path / "other", "-output_ts_offset", "12")
    for path in segments(other, stem="1"):
        (folder / path.name).write_bytes(path.read_bytes())
    assert "sync" in rules(folder, "master.m3u8")


def test_bandwidths_of_another_maker_are_known_to_be_wrong(media: MediaFolder, tmp_path: Path) -> None:
    """ffmpeg leaves out FRAME-RATE, and counts the audio of a group twice or not at all."""
    folder = tmp_path / "hls"
    folder.mkdir()
    ffmpeg("-i", str(media.path(FILM)), "-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "hls", "-hls_time", "6",
           "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8", "-hls_flags", "independent_segments",
           "-var_stream_map", "v:0,agroup:a a:0,agroup:a", str(folder / "%v.m3u8"))  # fmt: skip
    assert rules(folder, "master.m3u8") == {"frame-rate", "bandwidth", "average-bandwidth"}


def test_a_playlist_that_is_not_there_is_no_finding(tmp_path: Path) -> None:
    with serving(tmp_path) as url, pytest.raises(Unreachable):
        check(f"{url}/index.m3u8")
    with pytest.raises(Unreachable):
        check(f"{url}/index.m3u8")


def test_the_command_line_tells_by_its_status(
    media: MediaFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = media_tree(media, tmp_path / "hls")
    with serving(folder) as url:
        assert main(["check", f"{url}/index.m3u8"]) == 0
        assert capsys.readouterr().out.startswith("0 errors, 0 notes; 4 segments, 24.000 s;")
        edit(folder / "index.m3u8", "#EXT-X-ENDLIST", "")
        assert main(["check", "--quick", f"{url}/index.m3u8"]) == 1
        assert "[endlist: RFC 8216 section 4.3.3.4]" in capsys.readouterr().out
        assert main(["check", "--json", f"{url}/index.m3u8"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert [finding["rule"] for finding in told["findings"]] == ["endlist"]
        assert (told["ok"], told["video_frames"]) == (False, 600)
    assert main(["check", f"{url}/index.m3u8"]) == 2
    assert capsys.readouterr().err


def test_proxies_of_the_environment_are_not_asked(media: MediaFolder, tmp_path: Path) -> None:
    with serving(media_tree(media, tmp_path / "hls")) as url:
        argv = [sys.executable, "-m", "mam", "check", "--quick", f"{url}/index.m3u8"]
        env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        assert subprocess.run(argv, env=env, timeout=60, check=False).returncode == 0
