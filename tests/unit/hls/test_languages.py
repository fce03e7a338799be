"""Languages: what files say becomes the shortest tag, and whoever asks for a language finds its tracks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls.languages import check, display, matches, tag

TAGS = {
    "eng": "en", "ger": "de", "deu": "de", "fre": "fr", "fra": "fr", "chi": "zh", "zho": "zh", "dut": "nl",
    "nld": "nl", "en": "en", "EN": "en", "ENG": "en", "eng-GB": "en-GB", "en_us": "en-US", "zh-hant-tw": "zh-Hant-TW",
    "es-419": "es-419", "de-ch-1996": "de-CH-1996", "tlh": "tlh", "yue": "yue", "hr ": "hr", "x-Klingon": "x-klingon",
    "en-x-us": "en-x-us", "en-a-us": "en-a-us", "iw": "he", "qaa": "qaa", "zxx": "zxx",
    "und": "", "mis": "", "": "", "   ": "", "und-Latn": "", "unknown": "", "english": "", "e": "", "en-": "",
    "en\n": "en", "日本": "", 'en"': "", "a``": "",
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), TAGS.items())
def test_what_files_say_becomes_the_shortest_tag(said: str, expected: str) -> None:
    assert expected == tag(said)


@given(st.text(max_size=12) | st.from_regex(r"[a-zA-Z]{1,4}([-_][a-zA-Z0-9]{1,8}){0,4}", fullmatch=True))
def test_a_tag_stays_what_it_is_and_is_fit_for_a_playlist(said: str) -> None:
    once = tag(said)
    assert once == tag(once)
    assert once == "" or check(once)
    assert once.isascii()
    assert not set('"\r\n,') & set(once + display(said))


@pytest.mark.parametrize("good", ["en", "eng", "en-GB", "zh-yue-HK", "sl-rozaj-biske-1994", "en-u-ca-buddhist", "x-a"])
def test_plausible_tags_pass(good: str) -> None:
    assert check(good)


@pytest.mark.parametrize(
    "bad", ["", "e", "english", "en-", "-en", "en--GB", "en_GB", "en GB", "en-GB\n", "x", "en-x", "ⅷen"]
)
def test_other_text_does_not(bad: str) -> None:
    assert not check(bad)


@pytest.mark.parametrize(
    ("wanted", "have"),
    [
        ("en", "en"), ("en", "eng"), ("en", "en-GB"), ("eng", "en-US"), ("EN-gb", "en-GB"), ("de", "ger"),
        ("ger", "deu"),
        ("zh-TW", "zh-Hant-TW"), ("zh-Hant", "zh-Hant-TW"), ("zh", "cmn"), ("no", "nob"), ("nor", "nn"), ("sr", "srp"),
    ],
)  # fmt: skip
def test_a_wanted_language_is_found(wanted: str, have: str) -> None:
    assert matches(wanted, have)


@pytest.mark.parametrize(
    ("wanted", "have"),
    [
        ("en", "de"), ("en-GB", "en"), ("en-GB", "en-US"), ("en", "und"), ("en", ""), ("", "en"), ("", ""),
        ("und", "und"),
        ("nb", "no"), ("nb", "nn"), ("e", "en"), ("zh-Hans", "zh-Hant"), ("en", "enm"),
    ],
)  # fmt: skip
def test_another_language_is_not(wanted: str, have: str) -> None:
    assert not matches(wanted, have)


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_text_may_be_asked_for(wanted: str, have: str) -> None:
    assert not matches(wanted, have) or (tag(wanted) and tag(have))


@pytest.mark.parametrize(
    ("said", "expected"),
    {
        "eng": "English", "de": "German", "pt-br": "Portuguese (BR)", "zh-Hant-TW": "Chinese (Hant-TW)",
        "nob": "Norwegian Bokmål", "yue": "Cantonese", "mao": "Māori", "tlh": "tlh", "tlh-US": "tlh-US",
        "und": "Unknown", "": "Unknown",
    }.items(),
)  # fmt: skip
def test_languages_have_english_names(said: str, expected: str) -> None:
    assert expected == display(said)
