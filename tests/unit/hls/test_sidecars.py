"""Sidecars: which objects beside an asset are its subtitles, and what their names say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mam.hls.languages import tag_of_a_word
from mam.hls.sidecars import SDH_CHARACTERISTICS, Sidecar, prefix, sidecars

ASSET = "courses/intro.mp4"
NAMES = st.sampled_from(
    (
        "srt",
        "vtt",
        "en.srt",
        "en.vtt",
        "EN.srt",
        "eng.srt",
        "mp4.en.srt",
        "en.sdh.srt",
        "de.mp4",
        "de.srt",
        "mov",
        "x.srt",
    )
)


def found(*names: str, asset: str = ASSET) -> list[Sidecar]:
    return sidecars(asset, [f"courses/intro.{name}" for name in names])


def test_a_name_says_language_and_use() -> None:
    expected = [
        Sidecar("courses/intro.srt", ""),
        Sidecar("courses/intro.en.srt", "en"),
        Sidecar("courses/intro.en.sdh.srt", "en", sdh=True),
        Sidecar("courses/intro.en.forced.srt", "en", forced=True),
        Sidecar("courses/intro.hi.vtt", "hi"),
        Sidecar("courses/intro.hi.hi.vtt", "hi", sdh=True),
        Sidecar("courses/intro.pt-BR.vtt", "pt-BR"),
    ]
    names = [sidecar.key.removeprefix("courses/intro.") for sidecar in expected]
    assert found(*reversed(names)) == expected
    assert {sidecar.characteristics for sidecar in expected} == {"", SDH_CHARACTERISTICS}


def test_of_two_files_for_one_language_the_one_with_the_assets_full_name_counts_and_then_webvtt() -> None:
    assert [sidecar.key for sidecar in found("srt", "vtt", "en.srt", "eng.vtt")] == [
        "courses/intro.vtt",
        "courses/intro.eng.vtt",
    ]
    assert [sidecar.key for sidecar in found("vtt", "mp4.srt")] == ["courses/intro.mp4.srt"]


def test_assets_with_the_same_stem_share_a_sidecar_but_for_one_that_names_the_asset() -> None:
    names = ("mp4", "mov", "en.srt", "mp4.de.srt", "mov.srt")
    assert [sidecar.language for sidecar in found(*names)] == ["de", "en"]
    assert [sidecar.key for sidecar in found(*names, asset="courses/intro.mov")] == [
        "courses/intro.mov.srt",
        "courses/intro.en.srt",
    ]


def test_a_sidecar_belongs_to_the_asset_with_the_longest_name_that_fits() -> None:
    assert not found("de.srt", "de.mp4", "part2.srt", "part2.mp4")
    assert [sidecar.language for sidecar in found("de.srt", asset="courses/intro.de.mp4")] == [""]


def test_an_asset_is_no_sidecar_of_itself_or_of_another() -> None:
    assert not found("srt", asset="courses/intro.srt")
    assert not found("mp4", "mov", "png", "txt", "en", "final.srt", "en.final.srt", "srt/x.srt", ".srt")
    assert not sidecars("courses/intro", ["courses/intro", "courses/intros.srt", "courses/intro2.en.srt"])
    assert [sidecar.key for sidecar in sidecars("courses/intro", ["courses/intro.en.srt"])] == ["courses/intro.en.srt"]


@given(st.lists(NAMES, unique=True), st.randoms())
def test_the_order_of_the_listing_makes_no_difference(names: list[str], random: object) -> None:
    expected = found(*names)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert found(*names) == expected
    assert len({(s.language, s.forced, s.sdh) for s in expected}) == len(expected)
    assert all(s.key.startswith(prefix(ASSET)) for s in expected)


def test_languages_get_their_shortest_tags_in_their_usual_case() -> None:
    tags = {"eng": "en", "ger": "de", "DEU": "de", "pt_br": "pt-BR", "zh-hant-tw": "zh-Hant-TW", "es-419": "es-419"}
    assert {text: tag_of_a_word(text) for text in tags} == tags
    assert not any(tag_of_a_word(text) for text in ("", "und", "final", "xx", "english", "en-", "v2", "mp4"))
