"""Timed text: what a sample shows is kept with its faces, and no sample breaks anything."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import webvtt
from mam.mp4.timed_text import payload, webvtt_payloads
from tests.unit.mp4.movies import box

BOLD, ITALIC, UNDERLINED = 1, 2, 4


def sample(text: str | bytes, *boxes: bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(data)) + data + b"".join(boxes)


def styl(*records: tuple[int, int, int]) -> bytes:
    rows = (struct.pack(">HHHBB4s", start, end, 1, face, 18, b"\xff" * 4) for start, end, face in records)
    return box(b"styl", struct.pack(">H", len(records)) + b"".join(rows))


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0", sample(""), sample(" \n"), sample("", styl((0, 3, BOLD)))])
def test_an_empty_sample_is_a_gap(data: bytes) -> None:
    assert payload(data) == ""


def test_text_is_escaped_and_has_no_empty_lines() -> None:
    assert payload(sample("R&D <3\r\n\r\na --> b\rc")) == "R&amp;D &lt;3\na --&gt; b\nc"


@pytest.mark.parametrize(
    "data",
    [
        "Où 🎬 ça".encode(),
        "Où 🎬 ça".encode("utf-8-sig"),
        "Où 🎬 ça".encode("utf-16"),
        b"\xfe\xff" + "Où 🎬 ça".encode("utf-16-be"),
    ],
)
def test_faces_count_characters_and_not_bytes(data: bytes) -> None:
    faces = styl((0, 2, BOLD), (3, 4, ITALIC), (5, 7, ITALIC | UNDERLINED))
    assert payload(sample(data, faces)) == "<b>Où</b> <i>🎬</i> <i><u>ça</u></i>"


def test_a_later_style_counts_and_other_boxes_do_not() -> None:
    data = sample("abcdef", box(b"hlit", bytes(4)), styl((0, 4, BOLD), (2, 9, ITALIC)), box(b"encd", b"\0\0\1\0"))
    assert payload(data) == "<b>ab</b><i>cdef</i>"


def test_tags_close_in_the_order_in_which_they_opened() -> None:
    assert payload(sample("a<b", styl((0, 9, 7)))) == "<b><i><u>a&lt;b</u></i></b>"


def test_old_quicktime_text_is_in_mac_roman_and_its_styles_are_not_read() -> None:
    assert payload(sample("Zoë".encode("mac-roman"), box(b"styl", struct.pack(">H20x", 1)))) == "Zoë"


def test_of_a_sample_that_is_cut_off_the_rest_is_read() -> None:
    whole = sample("Où ça", styl((0, 2, BOLD)))
    assert payload(whole[:4]) == "O"  # in the middle of a character
    assert payload(whole[:6]) == "Où"
    assert payload(whole[:-3]) == "Où ça"
    assert payload(sample("ab", styl((0, 1, BOLD), (1, 2, ITALIC))[:-3])) == "ab"


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_no_sample_raises_or_gives_what_would_end_a_cue(data: bytes, text: bytes) -> None:
    for damaged in (data, sample(text, data), sample(text, box(b"styl", data)), box(b"vttc", data)):
        texts = [payload(damaged), *(text for text, _ in webvtt_payloads(damaged))]
        assert not any("-->" in text or "\n\n" in text for text in texts)


def test_webvtt_samples_give_each_cue_with_its_settings() -> None:
    first = box(b"vttc", box(b"iden", b"1") + box(b"sttg", b"line:0  align:left") + box(b"payl", b"<i>Hi</i>\n\nyou"))
    second = box(b"vttc", box(b"payl", "Zoë --> x".encode()))
    assert webvtt_payloads(first + second) == [("<i>Hi</i>\nyou", "line:0 align:left"), ("Zoë --&gt; x", "")]
    assert webvtt_payloads(box(b"vtte", b"")) == []
    assert webvtt_payloads(first + second[:-2]) == [("<i>Hi</i>\nyou", "line:0 align:left")]


def test_ffmpeg_reads_the_same_text_from_the_samples_it_wrote(tmp_path: Path) -> None:
    source, film = tmp_path / "a.srt", tmp_path / "a.mp4"
    lines = ("<b>Fett</b> 🎬 <i>schräg &</i> <u>mehr</u>", "second line", "", "plain <3")
    source.write_text(
        f"1\n00:00:01,000 --> 00:00:02,000\n{lines[0]}\n{lines[1]}\n\n2\n00:00:03,000 --> 00:00:04,000\n{lines[3]}\n"
    )
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    subprocess.run([*ffmpeg, "-i", str(source), "-c:s", "mov_text", str(film)], check=True)
    written = subprocess.run([*ffmpeg, "-i", str(film), "-f", "webvtt", "-"], check=True, capture_output=True).stdout
    with av.open(str(film)) as container:
        samples = [bytes(packet) for packet in container.demux() if packet.size]
    ours = [text for text in map(payload, samples) if text]
    assert ours == ["<b>Fett</b> 🎬 <i>schräg &amp;</i> <u>mehr</u>\nsecond line", "plain &lt;3"]
    assert ours == [cue.text for cue in webvtt.parse(written)]
