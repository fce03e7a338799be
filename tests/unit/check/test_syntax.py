"""Playlists by hand: each rule of their text speaks up for a wrong one, and is silent about a right one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mam.check.report import RULES
from mam.check.syntax import is_multivariant, read_media, read_multivariant, syntax
from mam.hls.playlist import render
from mam.hls.timeline import Timeline

GOOD = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init.mp4"
#EXTINF:6.006000,
00000.m4s
#EXTINF:5.5,a title, with a comma
00001.m4s
#EXT-X-ENDLIST
"""
TREE = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English, loud",LANGUAGE="en",URI="en/index.m3u8"

# a comment
#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"
720p/index.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="720p/iframes.m3u8"
"""


def broken(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    return [finding.rule for finding in syntax(data, "x.m3u8") if finding.level == "error"]


@pytest.mark.parametrize("text", [GOOD, TREE, GOOD.replace("\n", "\r\n")])
def test_a_right_playlist_breaks_nothing(text: str) -> None:
    assert broken(text) == []


def test_what_the_system_renders_breaks_nothing() -> None:
    timeline = Timeline(timescale=30_000, boundaries=(0, 180_180, 360_360, 400_400))
    assert broken(render(timeline, ["0.ts", "1.ts", "2.ts"])) == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("#EXTM3U\n", "", "header"),
        ("#EXTM3U\n", "\n#EXTM3U\n", "header"),
        ("#EXTM3U", "\ufeff#EXTM3U", "encoding"),
        ("#EXT-X-VERSION:6\n", "", "version"),
        ("#EXT-X-VERSION:6", "#EXT-X-VERSION:5", "version"),
        ("#EXT-X-VERSION:6", "#EXT-X-VERSION:six", "version"),
        ("#EXT-X-VERSION:6", "#EXT-X-VERSION:6\n#EXT-X-VERSION:6", "repeated-tag"),
        ("#EXT-X-ENDLIST", "#EXT-X-ENDLIST\n#EXT-X-ENDLIST", "repeated-tag"),
        ("#EXT-X-TARGETDURATION:6\n", "", "target-duration"),
        ("#EXT-X-TARGETDURATION:6", "#EXT-X-TARGETDURATION:6.0", "target-duration"),
        ("#EXT-X-TARGETDURATION:6", "#EXT-X-TARGETDURATION:0", "target-duration"),
        ("#EXT-X-TARGETDURATION:6", "#EXT-X-TARGETDURATION:5", "target-duration"),
        ("EXTINF:6.006000", "EXTINF:6.500000", "target-duration"),
        ("#EXT-X-PLAYLIST-TYPE:VOD\n", "", "vod"),
        ("TYPE:VOD", "TYPE:EVENT", "vod"),
        ("#EXT-X-ENDLIST\n", "", "endlist"),
        ("#EXTINF:6.006000,\n", "", "segments"),
        ("EXTINF:6.006000", "EXTINF:six", "segments"),
        ("EXTINF:6.006000", "EXTINF:0", "segments"),
        ("#EXT-X-ENDLIST", '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a"\n#EXT-X-ENDLIST', "mixed"),
    ],
)
def test_each_rule_speaks_up(old: str, new: str, rule: str) -> None:
    assert old in GOOD
    assert set(broken(GOOD.replace(old, new, 1))) == {rule}


def test_an_empty_list_lists_no_segment() -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-ENDLIST\n"
    assert broken(text) == ["segments"]


def test_bytes_that_are_no_text_are_not_utf_8() -> None:
    assert "encoding" in broken(GOOD.encode() + b"#\xff\xfe\n")


@pytest.mark.parametrize(("extinf", "version", "rules"), [("6", 1, []), ("6.0", 2, ["version"]), ("6.0", 3, [])])
def test_decimal_durations_need_version_3(extinf: str, version: int, rules: list[str]) -> None:
    head = f"#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    assert broken(f"{head}#EXTINF:{extinf},\na.ts\n#EXT-X-ENDLIST\n") == rules


def test_a_half_second_rounds_up_to_beyond_the_target_and_less_does_not() -> None:
    assert broken(GOOD.replace("6.006000", "6.499999")) == []
    assert broken(GOOD.replace("6.006000", "6.5")) == ["target-duration"]


def test_segments_are_read_with_their_map_and_discontinuities() -> None:
    text = GOOD.replace("#EXTINF:5.5", "#EXT-X-DISCONTINUITY\n#EXTINF:5.5")
    first, second = read_media(text).segments
    assert (first.uri, first.duration, first.map) == ("00000.m4s", Fraction("6.006"), "init.mp4")
    assert (first.discontinuity, second.discontinuity) == (False, True)
    assert read_media(text).duration == Fraction("11.506")
    assert read_media(text).discontinuity_sequence == 0
    assert read_media(f"{text}#EXT-X-DISCONTINUITY-SEQUENCE:7\n").discontinuity_sequence == 7
    assert read_media(f"{text}#EXT-X-DISCONTINUITY-SEQUENCE:x\n").discontinuity_sequence == 0


def test_what_is_not_measured_is_noted() -> None:
    ranged = GOOD.replace("#EXTINF:5.5", "#EXT-X-BYTERANGE:100@0\n#EXTINF:5.5")
    assert [segment.whole for segment in read_media(ranged).segments] == [True, False]
    assert [finding.rule for finding in syntax(ranged.encode(), "x")] == ["unsupported"]


def test_a_tree_is_read_with_commas_in_names() -> None:
    assert is_multivariant(TREE) and not is_multivariant(GOOD)
    tree = read_multivariant(TREE)
    assert [variant.uri for variant in tree.variants] == ["720p/index.m3u8"]
    assert tree.variants[0].attributes["CODECS"] == "avc1.64001f,mp4a.40.2"
    assert [each["NAME"] for each in tree.renditions] == ["English, loud"]
    assert [each.uri for each in tree.i_frames] == ["720p/iframes.m3u8"]
    assert tree.independent


def test_every_rule_names_its_clause() -> None:
    assert all(RULES.values())
    assert all(rule == rule.lower() and " " not in rule for rule in RULES)
