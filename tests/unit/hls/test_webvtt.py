"""Subtitles: what files say becomes cues, and each segment holds the cues that are shown during it."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import cues as rules
from mam.hls import webvtt
from mam.hls.webvtt import Cue, Cues, InvalidSubtitles, parse, segment

MS = st.integers(0, 30_000).map(lambda ms: Fraction(ms, 1000))
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=12)
TEXT = st.lists(st.one_of(LINE, st.sampled_from(("a --> b", "R&D", "<3", "1", "<i>x</i>", "WEBVTT"))), min_size=1)
SETTINGS = st.sampled_from(("", "line:0", "align:left", "line:50% align:right", "position:10%,line-left size:35%"))
HINTED = re.compile(r"\.(srt|vtt)")


@st.composite
def tracks(draw: st.DrawFn) -> Cues:
    drawn = draw(st.lists(st.tuples(MS, st.integers(1, 9000), TEXT, SETTINGS), max_size=30))
    return Cues(
        Cue(start, start + Fraction(length, 1000), rules.payload("\n".join(lines)), settings)
        for start, length, lines, settings in drawn
    )


def srt(*lines: str) -> Cues:
    return parse("\n".join(lines).encode())


def only(cues: Cues) -> Cue:
    (cue,) = cues
    return cue


def text_of(*lines: str) -> str:
    return only(srt("1", "00:00:01,000 --> 00:00:02,000", *lines)).text


@given(tracks(), st.integers(0, 100))
def test_what_is_rendered_can_be_parsed_again_with_the_same_cues(cues: Cues, origin: int) -> None:
    text = segment(cues, start=Fraction(0), end=Fraction(3600), origin=origin)
    assert cues == parse(text.encode(), origin=origin)


@given(tracks(), st.lists(MS, min_size=2, max_size=12, unique=True).map(sorted))
def test_a_cue_is_in_every_segment_that_it_overlaps_and_in_no_other(cues: Cues, boundaries: list[Fraction]) -> None:
    for start, end in pairwise(boundaries):
        held = parse(segment(cues, start=start, end=end, origin=10).encode(), origin=10)
        assert [cue for cue in cues if cue.start < end and cue.end > start] == list(held)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), st.sampled_from((b"", b"WEBVTT\n\n")))
def test_random_bytes_raise_only_that_they_are_no_subtitles(data: bytes, head: bytes) -> None:
    for body in (data, b"00:01.000 --> 00:02.000\n" + data):
        try:
            cues = parse(head + body)
        except InvalidSubtitles as error:
            assert HINTED.search(error.hint)
        else:
            assert all(cue.start < cue.end and cue.text for cue in cues)


@given(st.text(alphabet="<>/&;-.abiuv lt\n{}\\01:#", max_size=60))
def test_a_payload_is_valid_whatever_it_was_and_stays_as_it_is(text: str) -> None:
    once = rules.payload(text)
    assert once == rules.payload(once)
    assert "-->" not in once
    assert "\n\n" not in f"\n{once}\n" or not once
    bare = re.sub(r"<[^<>]*>", "", once)
    assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", bare)


@pytest.mark.parametrize("text", ["a <c.x-->b", "a <v Tom-->b", "a <v -->b", "a <c-->b", "a --<i>b", "a <!-->b"])
def test_no_tag_hides_what_would_end_the_cue(text: str) -> None:
    cues = Cues([Cue(Fraction(1), Fraction(2), rules.payload(text))])
    assert cues == parse(segment(cues, start=Fraction(0), end=Fraction(6), origin=0).encode())
    assert only(cues).text[0] + only(cues).text[-1] == "ab"


def test_a_segment_says_where_its_zero_lies_and_gives_whole_times() -> None:
    cues = Cues([Cue(Fraction(5), Fraction(3723004, 1000), "long", "line:0"), Cue(Fraction(1), Fraction(6), "early")])
    expected = (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n"
        "00:00:01.000 --> 00:00:06.000\nearly\n\n"
        "00:00:05.000 --> 01:02:03.004 line:0\nlong\n"
    )
    assert expected == segment(cues, start=Fraction(5), end=Fraction(6), origin=10)


def test_a_segment_without_cues_is_a_whole_file_still() -> None:
    text = segment(Cues(), start=Fraction(0), end=Fraction(6), origin=1)
    assert text == "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:90000,LOCAL:00:00:00.000\n"
    assert parse(text.encode()) == ()


def test_a_cue_that_began_before_zero_begins_at_zero_and_the_shortest_lasts_a_millisecond() -> None:
    cues = Cues([Cue(Fraction(-3), Fraction(2), "a"), Cue(Fraction(1), 1 + Fraction(1, 90_000), "b")])
    text = segment(cues, start=Fraction(0), end=Fraction(6), origin=0)
    assert "00:00:00.000 --> 00:00:02.000\na\n" in text
    assert "00:00:01.000 --> 00:00:01.001\nb\n" in text


def test_cues_are_sorted_and_what_is_never_shown_or_shows_nothing_is_left_out() -> None:
    late, early = Cue(Fraction(3), Fraction(4), "late"), Cue(Fraction(1), Fraction(2), "early")
    longer = Cue(Fraction(1), Fraction(3), "longer")
    never = (
        Cue(Fraction(2), Fraction(2), "x"),
        Cue(Fraction(2), Fraction(1), "x"),
        Cue(Fraction(-2), Fraction(0), "x"),
    )
    assert Cues([late, *never, early, longer, late, Cue(Fraction(1), Fraction(2), "<i> </i>")]) == (longer, early, late)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\r\r\n"])
def test_encodings_and_line_breaks_make_no_difference(encoding: str, line_break: str) -> None:
    lines = ("1", "00:00:01,000 --> 00:00:02,000", "Où ça ?", "là", "", "2", "00:00:03,000 --> 00:00:04,000", "Été")
    cues = parse(line_break.join(lines).encode(encoding))
    assert cues == (Cue(Fraction(1), Fraction(2), "Où ça ?\nlà"), Cue(Fraction(3), Fraction(4), "Été"))


@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        ("00:00:01,500 --> 00:00:02,000", Fraction(3, 2), 2),
        ("00:00:01.500-->00:00:02.000", Fraction(3, 2), 2),
        ("  01:02.25 --> 1:02:03", Fraction(249, 4), 3723),
        ("0:0:1 --> 0:0:2,5  X1:40 X2:600 Y1:20 Y2:50", 1, Fraction(5, 2)),
        ("100:00:00,000 --> 100:00:00,001", 360_000, 360_000 + Fraction(1, 1000)),
    ],
)
def test_times_are_read_in_all_their_spellings(line: str, start: Fraction, end: Fraction) -> None:
    assert only(srt("1", line, "x")) == Cue(Fraction(start), Fraction(end), "x")


def test_index_lines_may_be_missing_and_numbers_may_be_text() -> None:
    a, b = "00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"
    expected = ["42", "7"]
    files = {
        "numbered": ("1", a, "42", "", "2", b, "7"),
        "bare": (a, "42", "", b, "7"),
        "no empty lines": ("1", a, "42", "2", b, "7"),
        "bare, no empty lines": (a, "42", b, "7"),
        "double spaced": ("1", "", a, "", "42", "", "2", "", b, "", "7", ""),
        "a number is missing": ("1", a, "42", "", b, "7"),
    }
    for name, lines in files.items():
        assert [cue.text for cue in srt(*lines)] == expected, name


def test_an_empty_line_within_a_cue_does_not_end_it() -> None:
    assert text_of("above", "", "below", "", "2", "00:00:03,000 --> 00:00:03,000", "never shown") == "above\nbelow"


@pytest.mark.parametrize(
    ("written", "payload"),
    [
        ("<b>B</b> <I>i</I> <u>u</u>", "<b>B</b> <i>i</i> <u>u</u>"),
        ('<font color="#ff0000">red</font> <s>x</s><br/>y', "red x\ny"),
        ("R&D: 1 < 2 > 0, I <3 you", "R&amp;D: 1 &lt; 2 &gt; 0, I &lt;3 you"),
        ("&amp; &lt;i&gt; &eacute; &#233;", "&amp; &lt;i&gt; é é"),
        ("this --> that", "this --&gt; that"),
        (r"{\i1}slanted{\i0} {y:i}old{\pos(1,2)} {kept}", "<i>slanted</i> old {kept}"),
    ],
)
def test_markup_of_subrip_becomes_that_of_webvtt(written: str, payload: str) -> None:
    assert text_of(written) == payload


@pytest.mark.parametrize(
    ("override", "settings"),
    [
        (r"{\an8}", "line:0"),
        (r"{\an7}", "line:0 align:left"),
        (r"{\an5\fs20}", "line:50%"),
        (r"{\an3}", "align:right"),
        (r"{\an2}", ""),
        (r"{\a6}", "line:0"),
        (r"{\a1}", "align:left"),
        (r"{\a11}", "line:50% align:right"),
    ],
)
def test_a_place_on_the_screen_becomes_settings(override: str, settings: str) -> None:
    assert only(srt("1", "00:01,000 --> 00:02,000", f"{override}x")) == Cue(Fraction(1), Fraction(2), "x", settings)


def test_of_webvtt_cues_remain_and_valid_settings_and_markup() -> None:
    file = """\
WEBVTT - a title
Kind: captions

NOTE not
shown

STYLE
::cue { color: red }

REGION
id:left

intro
00:01.000 --> 00:02.000 align:middle line:-1 region:left size:200% position:10%,line-left
<v.loud Tom & Jerry>Hello, <c.yellow.bg_blue>world</c> <00:01.500> <ruby>a<rt>b</rt></ruby> <lang en-GB>c</lang> <x>d

NOTE
00:05.000 --> 00:06.000
commented out

00:03.000 --> 00:04.000
AT&T <
00:04.000 --> 00:05.000
no empty line before
"""
    settings = "align:center line:-1 position:10%,line-left"
    hello = (
        "<v.loud Tom &amp; Jerry>Hello, <c.yellow.bg_blue>world</c> <00:00:01.500> <ruby>a<rt>b</rt></ruby> "
        "<lang en-GB>c</lang> d"
    )
    assert parse(file.encode()) == (
        Cue(Fraction(1), Fraction(2), hello, settings),
        Cue(Fraction(3), Fraction(4), "AT&amp;T &lt;"),
        Cue(Fraction(4), Fraction(5), "no empty line before"),
    )


def test_a_timestamp_map_moves_the_times_that_stand_behind_it() -> None:
    head = b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:01:00:00.000,MPEGTS:1080000\n\n"
    file = head + b"01:00:05.000 --> 01:00:07.000\na <01:00:06.000>b\n"
    assert only(parse(file)) == Cue(Fraction(5), Fraction(7), "a <00:00:06.000>b")
    assert only(parse(file, origin=10)) == Cue(Fraction(7), Fraction(9), "a <00:00:08.000>b")


def test_segments_joined_to_one_file_give_each_cue_once() -> None:
    cues = Cues(Cue(Fraction(n), Fraction(n + 3), f"cue {n}") for n in range(20))
    parts = (segment(cues, start=Fraction(n), end=Fraction(n + 4), origin=10) for n in range(0, 24, 4))
    assert cues == parse("\n".join(parts).encode())


@pytest.mark.parametrize(
    "data", [b"", b"  \n", b"[Script Info]\nDialogue: 0,0:00:01.00,x", b"1\n00:00:01 -> x\nhi", b"\xff" * 99]
)
def test_what_holds_no_cue_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidSubtitles):
        parse(data)


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = b"00:01.000 --> 00:02.000\na\n\n00:01.000 --> 00:02.000\nb\n"
    for name, limit in (("MAX_BYTES", len(file)), ("MAX_CUES", 2), ("MAX_LINES", file.count(b"\n"))):
        monkeypatch.setattr(webvtt, name, limit)
        assert len(parse(file)) == 2
        monkeypatch.setattr(webvtt, name, limit - 1)
        with pytest.raises(InvalidSubtitles, match=str(limit - 1)):
            parse(file)
        monkeypatch.undo()


def test_ffmpeg_reads_the_same_cues_from_subrip(tmp_path: Path) -> None:
    lines = (
        "1", "00:00:01,000 --> 00:00:02,500", "<b>Bold</b> and <i>slanted</i>", "second line", "",
        "2", "00:00:03,000 --> 00:00:04,000", '<font color="#ffff00">yellow</font>, Zoë', "",
        "3", "00:00:03,500 --> 01:00:05,250", "{\\an8}above", "",
    )  # fmt: skip
    source = tmp_path / "a.srt"
    source.write_text("\n".join(lines), "utf-8")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(source), "-f", "webvtt", "-"]
    theirs = parse(subprocess.run(command, check=True, capture_output=True).stdout)
    ours = parse(source.read_bytes())
    assert [(cue.start, cue.end, cue.text) for cue in theirs] == [(cue.start, cue.end, cue.text) for cue in ours]
    assert len(ours) == 3
