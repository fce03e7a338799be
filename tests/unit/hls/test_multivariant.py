"""Multivariant playlists: what each variant says, and their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mam.hls import ladder, multivariant
from mam.hls.plan import Plan
from mam.hls.rates import Rate
from mam.hls.recipe import Format, Profile
from mam.hls.renditions import AudioTrack, Rendition, VideoTrack
from tests.unit.hls.plans import every, plan_of

NAMES = ("source", "v720", "v540", "v360")
PEAKS = st.dictionaries(st.sampled_from(NAMES), st.integers(100_000, 40_000_000), min_size=1)


def lines(peaks: dict[str, int]) -> dict[str, str]:
    return {name: f"#EXT-X-STREAM-INF:BANDWIDTH={p},AVERAGE-BANDWIDTH={p * 2 // 3}" for name, p in peaks.items()}


@given(PEAKS, st.sets(st.sampled_from(NAMES)))
def test_all_variants_are_listed_once_whatever_comes_first(peaks: dict[str, int], at_once: set[str]) -> None:
    ordered = multivariant.ordered(lines(peaks), at_once)
    assert ordered == lines(peaks)
    first, *rest = ordered
    assert [peaks[name] for name in rest] == sorted((peaks[name] for name in rest), reverse=True)
    if quick := [name for name in peaks if name in at_once and peaks[name] * 2 // 3 <= ladder.MOST_AT_START]:
        assert first in quick


def first_of(at_once: set[str], **peaks: int) -> str:
    return next(iter(multivariant.ordered(lines(peaks), at_once)))


def test_a_player_begins_with_what_is_there() -> None:
    assert first_of({"source"}, source=4_000_000, v540=2_420_000, v360=1_100_000) == "source"
    assert first_of({"source", "v540"}, source=4_000_000, v540=2_420_000, v360=1_100_000) == "v540"
    assert first_of({"source", "v360"}, source=4_000_000, v540=2_420_000, v360=1_100_000) == "source"


def test_a_player_does_not_begin_with_what_needs_a_fast_line() -> None:
    assert first_of({"source"}, source=9_000_000, v720=3_960_000, v540=2_420_000, v360=1_100_000) == "source"
    assert first_of({"source"}, source=18_000_000, v720=3_960_000, v540=2_420_000, v360=1_100_000) == "v540"


def ladder_plan(captions: bool | None = False) -> Plan:
    plan = plan_of(every(6, 2))
    picture = VideoTrack(
        track=0, codec="h264", action="copy", reason="", width=1280, height=720, frame_rate=25, codecs="avc1.64001f",
        captions=captions,
    )  # fmt: skip
    rung = picture.model_copy(update={"width": 640, "height": 360, "codecs": "avc1.64001e", "action": "encode"})
    sound = AudioTrack(
        track=1, codec="aac", action="copy", reason="", codecs="mp4a.40.2", sample_rate=48000, channels=2
    )
    renditions = (
        Rendition(name="source", video=picture, bandwidth=4_000_000, average_bandwidth=3_000_000),
        Rendition(name="audio-0", audio=sound, bandwidth=130_000, average_bandwidth=128_000, default=True),
        Rendition(name="v360", video=rung, bandwidth=1_100_000, average_bandwidth=700_000),
    )
    return plan.model_copy(update={"renditions": renditions, "profile": Profile.LADDER, "format": Format.FMP4})


def variants(plan: Plan) -> dict[str, str]:
    return multivariant.variants(plan, {r.name: Rate(r.bandwidth, r.average_bandwidth) for r in plan.renditions})


def test_each_variant_has_its_own_codecs_and_the_sound_of_all() -> None:
    found = variants(ladder_plan())
    assert list(found) == ["source", "v360"]
    assert found["source"] == (
        '#EXT-X-STREAM-INF:BANDWIDTH=4130000,AVERAGE-BANDWIDTH=3128000,CODECS="avc1.64001f,mp4a.40.2",'
        'RESOLUTION=1280x720,FRAME-RATE=25.000,CLOSED-CAPTIONS=NONE,AUDIO="audio"'
    )
    assert 'BANDWIDTH=1230000,AVERAGE-BANDWIDTH=828000,CODECS="avc1.64001e,mp4a.40.2"' in found["v360"]


def test_captions_are_denied_only_where_there_are_none() -> None:
    """Without the attribute Shaka fetches three segments in search of some before it plays."""
    assert all("CLOSED-CAPTIONS=NONE" in line for line in variants(ladder_plan(False)).values())
    for unknown in (True, None):
        assert not any("CLOSED-CAPTIONS" in line for line in variants(ladder_plan(unknown)).values())


def test_the_variants_of_a_playlist_are_read_back() -> None:
    plan = ladder_plan()
    text = multivariant.render(plan, lambda rendition: f"{rendition.name}/index.m3u8", variants(plan))
    assert multivariant.variants_of(text) == {f"{name}/index.m3u8": line for name, line in variants(plan).items()}
    assert text.count("#EXT-X-MEDIA:TYPE=AUDIO") == 1


def test_the_renditions_of_a_plan_are_made_in_groups() -> None:
    plan = ladder_plan()
    assert plan.groups == ["", "v360"]
    assert [r.name for r in plan.of_groups("").renditions] == ["source", "audio-0"]
    assert [r.name for r in plan.of_groups("v360").renditions] == ["v360"]
    assert plan.of_groups("", "v360") == plan
    assert plan.of_groups("v360").files(0) == ["v360/init.mp4", "v360/00000.m4s"]
