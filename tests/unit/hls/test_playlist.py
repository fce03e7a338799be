"""Playlists: what is rendered follows RFC 8216, and what is rewritten changes nowhere but in its URIs."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import accumulate

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import playlist
from mam.hls.playlist import Entry, InvalidPlaylist
from mam.hls.timeline import MICROSECONDS, Timeline
from tests.unit.hls.test_timeline import timelines

MULTIVARIANT = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en, \\"x\\" URI=",URI="audio/index.m3u8",DEFAULT=YES
#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"
1000k/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS="avc1.64000d,mp4a.40.2",AUDIO="a"
300k.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,URI="1000k/iframes.m3u8"
""".replace('\\"x\\"', "x")

uris = st.text(st.sampled_from("abcXYZ019%/_.~?=&+-\u00e9"), min_size=1, max_size=20)


@st.composite
def foreign(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A playlist in some other tool's hand, and its URIs in order."""
    found: list[str] = []
    lines = ["#EXTM3U"]
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.integers(0, 5))
        if kind in (0, 1):
            found.append(draw(uris))
            lines += ["#EXTINF:6.006,a title, URI=x", found[-1]]
        elif kind == 2:
            found.append(draw(uris))
            lines.append(f'#EXT-X-MAP:URI="{found[-1]}",BYTERANGE="10@0"')
        elif kind == 3:
            found.append(draw(uris))
            lines.append(f'#EXT-X-KEY:METHOD=AES-128,IV=0x1,X-NOT-URI="keep",URI="{found[-1]}"')
        elif kind == 4:
            lines.append('# a comment, URI="of no meaning"')
        else:
            lines.append("")
    text = draw(st.sampled_from(("\n", "\r\n"))).join(lines)
    return text + draw(st.sampled_from(("", "\n"))), found


def names(timeline: Timeline) -> list[str]:
    return [f"0123456789ab/source/{n:05d}.ts" for n in range(len(timeline))]


# what is rendered


@given(timelines())
def test_another_parser_reads_back_what_was_rendered(timeline: Timeline) -> None:
    parsed = m3u8.loads(playlist.render(timeline, names(timeline)))

    assert names(timeline) == [segment.uri for segment in parsed.segments]
    assert list(timeline.durations()) == [round(segment.duration * MICROSECONDS) for segment in parsed.segments]
    assert parsed.is_endlist
    assert parsed.playlist_type == "vod"
    assert parsed.media_sequence == 0
    assert not parsed.is_variant


@given(timelines())
def test_what_is_rendered_keeps_to_the_grammar_of_rfc_8216(timeline: Timeline) -> None:
    text = playlist.render(timeline, names(timeline))
    lines = text.split("\n")

    assert "\r" not in text
    assert not text.startswith("\ufeff")
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:3"]
    tags = [line.partition(":")[0] for line in lines if line.startswith("#EXT") and not line.startswith("#EXTINF")]
    assert len(tags) == len(set(tags))
    assert {
        "#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PLAYLIST-TYPE",
        "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-ENDLIST",
    } == set(tags)  # fmt: skip
    body = lines[len(tags) - 1 : -2]
    assert all(re.fullmatch(r"#EXTINF:\d+\.\d{6},", line) for line in body[::2])
    assert names(timeline) == body[1::2]


@given(timelines())
def test_no_duration_rounded_to_the_nearest_second_exceeds_the_target_duration(timeline: Timeline) -> None:
    text = playlist.render(timeline, names(timeline))
    target = int(re.findall(r"#EXT-X-TARGETDURATION:(\d+)\n", text)[0])
    rounded = [int(Fraction(seconds) + Fraction(1, 2)) for seconds in re.findall(r"#EXTINF:([\d.]+),", text)]

    assert max(1, *rounded, 0) == target


@pytest.mark.parametrize(
    ("longest", "target"), [(1, 1), (499_999, 1), (1_499_999, 1), (1_500_000, 2), (6_000_000, 6), (6_006_000, 6)]
)
def test_the_target_duration_is_the_longest_rounded_and_at_least_one(longest: int, target: int) -> None:
    assert target == playlist.target_duration([1, longest])


def test_as_many_uris_as_segments_are_needed() -> None:
    timeline = Timeline(timescale=1, boundaries=(0, 6, 12))
    with pytest.raises(ValueError, match="zip"):
        playlist.render(timeline, ["only one"])


@given(timelines())
def test_the_duration_of_a_playlist_is_that_of_its_timeline(timeline: Timeline) -> None:
    text = playlist.render(timeline, names(timeline))
    assert abs(playlist.duration(text) - float(timeline.duration)) < 1e-3


# what is rewritten


@given(foreign())
def test_every_uri_is_found_in_order(made: tuple[str, list[str]]) -> None:
    text, expected = made
    assert expected == [entry.uri for entry in playlist.entries(text)]


@given(foreign())
def test_rewriting_to_the_same_uris_changes_nothing(made: tuple[str, list[str]]) -> None:
    text, _ = made
    assert text.replace("\r\n", "\n") == playlist.rewrite(text, lambda uri: uri)


@given(foreign())
def test_rewriting_keeps_everything_but_the_uris(made: tuple[str, list[str]]) -> None:
    text, expected = made
    asked: list[str] = []

    def mark(uri: str) -> str:
        asked.append(uri)
        return f"<{len(asked)}>"

    rewritten = playlist.rewrite(text, mark)

    assert expected == asked
    for number, uri in enumerate(asked, 1):
        rewritten = rewritten.replace(f"<{number}>", uri, 1)
    assert text.replace("\r\n", "\n") == rewritten


def test_what_replaces_a_uri_is_no_pattern() -> None:
    assert (
        playlist.rewrite('#EXTM3U\n#EXT-X-MAP:URI="x"\ny', lambda uri: {"x": "\\1\\g<0>", "y": "\\2"}[uri])
        == '#EXTM3U\n#EXT-X-MAP:URI="\\1\\g<0>"\n\\2'
    )


def test_attributes_and_lines_are_told_apart() -> None:
    text = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:6,\n 0.m4s \n'
    assert [Entry("init.mp4", attribute=True), Entry("0.m4s", attribute=False)] == list(playlist.entries(text))


@pytest.mark.parametrize("text", ["", "\n#EXTM3U", "#EXTM3U8", "<html>", "#EXTINF:6,\na.ts", " #EXTM3U"])
def test_what_does_not_begin_like_a_playlist_is_none(text: str) -> None:
    for read in (
        playlist.is_multivariant,
        lambda text: list(playlist.entries(text)),
        lambda text: playlist.rewrite(text, str),
    ):
        with pytest.raises(InvalidPlaylist):
            read(text)


@pytest.mark.parametrize("text", ["\ufeff#EXTM3U\n#EXTINF:6,\na.ts\n", "#EXTM3U \r\n#EXTINF:6,\r\na.ts\r\n"])
def test_a_byte_order_mark_and_foreign_line_ends_are_forgiven(text: str) -> None:
    assert [entry.uri for entry in playlist.entries(text)] == ["a.ts"]


# where URIs lead


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("0.ts", "a/b/0.ts"),
        ("./0.ts", "a/b/0.ts"),
        ("x/../0.ts", "a/b/0.ts"),
        ("x//0.ts", "a/b/x/0.ts"),
        ("x%20y/%230.ts", "a/b/x y/#0.ts"),
        ("0.ts?token=1#t", "a/b/0.ts"),
        ("caf%C3%A9.ts", "a/b/café.ts"),
        ("..0.ts", "a/b/..0.ts"),
    ],
)
def test_relative_uris_lie_in_the_folder(uri: str, key: str) -> None:
    assert key == playlist.resolve("a/b", uri)


@pytest.mark.parametrize("uri", ["http://x/y.ts", "https://x/../y.ts", "//x/y.ts", "data:text/plain,x", "HTTP://x"])
def test_absolute_urls_are_left_alone(uri: str) -> None:
    assert playlist.resolve("a", uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "../x", "/x", "a/../../x", "%2e%2e/x", "%2E%2E%2Fx", "a/%2e%2e/%2e%2e/x", "..", ".", "", "./", "?x=1", "#x",
        "%2Fx", "/%2e%2e/x", "x/../..", "x%00", "../b",
    ],
)  # fmt: skip
def test_uris_that_lead_out_of_the_folder_are_refused(uri: str) -> None:
    with pytest.raises(InvalidPlaylist):
        playlist.resolve("a/b", uri)


@given(st.text(st.sampled_from("./%2eEfF\\ab?#:"), max_size=24))
def test_no_uri_leads_out_of_the_folder(uri: str) -> None:
    try:
        key = playlist.resolve("a/b", uri)
    except InvalidPlaylist:
        return
    if key is not None:
        assert key.startswith("a/b/")
        assert not {"", ".", ".."} & set(key.split("/"))


@pytest.mark.parametrize("uri", ["http://[x/y.ts", "//[", "http://x]y/"])
def test_what_is_no_url_at_all_is_refused(uri: str) -> None:
    with pytest.raises(InvalidPlaylist):
        playlist.resolve("a/b", uri)


@given(st.text(max_size=40) | st.text(st.sampled_from("/:[]@.%x0"), max_size=12))
def test_any_uri_resolves_or_is_refused(uri: str) -> None:
    try:
        playlist.resolve("a/b", uri)
    except InvalidPlaylist:
        return


# multivariant playlists


def test_playlists_of_playlists_are_told_from_those_of_segments() -> None:
    assert playlist.is_multivariant(MULTIVARIANT)
    assert not playlist.is_multivariant("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:6,\na.ts\n")


def test_renditions_are_called_by_their_folder_or_file() -> None:
    assert playlist.rendition_names(MULTIVARIANT) == {
        "audio": "audio/index.m3u8",
        "1000k": "1000k/index.m3u8",
        "300k": "300k.m3u8",
        "iframes": "1000k/iframes.m3u8",
    }


def test_renditions_that_would_be_called_the_same_are_called_by_their_uri() -> None:
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/720p.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb/720p.m3u8\n"
    assert playlist.rendition_names(text) == {"a/720p.m3u8": "a/720p.m3u8", "b/720p.m3u8": "b/720p.m3u8"}


@given(st.lists(uris, max_size=8))
def test_every_listed_playlist_has_a_name_of_its_own(listed: list[str]) -> None:
    text = "\n".join(["#EXTM3U", *(line for uri in listed for line in ("#EXT-X-STREAM-INF:BANDWIDTH=1", uri))])
    assert sorted({entry.uri for entry in playlist.entries(text)}) == sorted(playlist.rendition_names(text).values())


def test_runs_of_durations_sum_to_the_truth_in_the_text_too() -> None:
    timeline = Timeline(timescale=30000, boundaries=tuple(range(0, 1001 * 6 * 500, 1001 * 6)))
    written = re.findall(r"#EXTINF:([\d.]+),", playlist.render(timeline, names(timeline)))
    for number, total in enumerate(accumulate(Fraction(text) for text in written), 1):
        assert abs(total - timeline.time(number)) <= Fraction(1, MICROSECONDS)
