"""Names: every usable key keeps its name, no two assets share a video, and a revision names one way of making it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mam import naming
from mam.errors import InvalidName
from mam.naming import Asset

PART = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/"), min_size=1
)
KEYS = st.lists(PART.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)
USABLE = KEYS.filter(lambda key: len(key.encode()) <= 900)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
ASSETS = st.builds(Asset, BUCKETS, USABLE)
FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


# keys


@pytest.mark.parametrize(
    "key",
    [
        "a", "a.mp4", "courses/intro.mp4", "Tiny Sample - OLD.mp4", "-video-with-dash-.mp4", "ümläut/日本語.mp4",
        f"{FAMILY}.mp4", "#1?.mp4", "100%.mp4", "a%2Fb.mp4", "a+b&c=d.mp4", "...", "..a", "a..", ".hidden", " a",
        "e\u0301.mp4", "\u200bzero-width.mp4", "'\"`$;|<>\\", "x" * 1024, "é" * 512,
    ],
)  # fmt: skip
def test_every_key_that_a_store_takes_is_taken(key: str) -> None:
    naming.check_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "", " ", "\u3000 ", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "a\nb",
        "a\rb", "a\0b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b", "a\ud800b", "x" * 1025, "é" * 513,
    ],
)  # fmt: skip
def test_keys_that_cannot_be_carried_unchanged_are_refused(key: str) -> None:
    with pytest.raises(InvalidName):
        naming.check_key(key)


@given(st.text(st.characters(), max_size=30))
def test_any_text_is_a_key_or_is_refused(text: str) -> None:
    try:
        naming.check_key(text)
    except InvalidName:
        return
    assert text == text.encode().decode()
    assert not {"", ".", ".."} & set(text.split("/"))


@pytest.mark.parametrize("bucket", ["abc", "my-videos", "my.videos", "a1b", "x" * 63])
def test_bucket_names_of_s3_are_taken(bucket: str) -> None:
    assert f"{bucket}/a" == str(Asset(bucket, "a"))


@pytest.mark.parametrize(
    "bucket",
    [
        "",
        "ab",
        "x" * 64,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "a..b",
        "a/b",
        "a b",
        "abc\n",
        "äbc",
        "../..",
        "a.-b",
        "a-.b",
        "10.0.0.7",
    ],
)
def test_other_bucket_names_are_refused(bucket: str) -> None:
    with pytest.raises(InvalidName):
        Asset(bucket, "a")


@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.text(" ./a\n\u2028", max_size=8)))
def test_every_key_that_is_taken_fits_the_documented_pattern(text: str) -> None:
    assert fits(naming.KEY_SCHEMA, text) or not passes(naming.check_key, text)
    assert not any(character in text for character in "\n\u2028") or not fits(naming.KEY_SCHEMA, text)


@given(st.one_of(st.text("ab09.-", min_size=3, max_size=9), st.from_regex(r"\A[a-z0-9][a-z0-9.-]{1,6}[a-z0-9]\Z")))
def test_every_bucket_that_is_taken_fits_the_documented_pattern(text: str) -> None:
    assert fits(naming.BUCKET_SCHEMA, text) or not passes(naming.check_bucket, text)


def fits(schema: dict[str, Any], text: str) -> bool:
    return re.fullmatch(schema["pattern"].removesuffix("$"), text) is not None and len(text) >= schema["minLength"]


def passes(check: Callable[[str], None], text: str) -> bool:
    try:
        check(text)
    except InvalidName:
        return False
    return True


# video names


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        ("sample.mp4", "sample"),
        ("courses/intro.mp4", "courses/intro"),
        ("a.b/c", "a.b/c"),
        ("a.b/c.mp4", "a.b/c"),
        ("archive.tar.gz", "archive.tar"),
        (".hidden", ".hidden"),
        ("x/.hidden", "x/.hidden"),
        ("ends.", "ends."),
        ("...", "..."),
        ("..mp4", "..mp4"),
        ("no extension", "no extension"),
    ],
)
def test_the_stem_is_the_key_without_its_extension(key: str, stem: str) -> None:
    assert stem == naming.stem(key)


@given(USABLE)
@example("..mp4")
@example("...mp4")
@example("a/..mp4")
def test_the_stem_of_a_key_can_name_a_video(key: str) -> None:
    naming.check_video_name(naming.stem(key))


@given(ASSETS)
def test_both_names_of_an_asset_can_name_a_video(asset: Asset) -> None:
    for name in naming.video_names(asset):
        naming.check_video_name(name)


@given(ASSETS, ASSETS)
@example(Asset("abc", "a.mp4"), Asset("abc", "a.mov"))
@example(Asset("abc", "a.mp4"), Asset("abd", "a.mp4"))
@example(Asset("abc", "a"), Asset("abc", "a.mp4"))
def test_the_second_name_of_an_asset_is_never_the_name_of_another(one: Asset, other: Asset) -> None:
    assume(one != other)
    assert naming.video_names(one)[1] not in naming.video_names(other)


def test_paths_are_quoted_as_pages_do() -> None:
    """encodeURIComponent, ECMA-262 section 19.2.6.4: letters, digits and -_.!~*'() stand for themselves."""
    plain = "AZaz09-_.!~*'()"
    assert naming.quote_path(f"{plain}/{plain}") == f"{plain}/{plain}"
    assert naming.quote_path("50 % (é).mp4?#&+,;=:@$") == "50%20%25%20(%C3%A9).mp4%3F%23%26%2B%2C%3B%3D%3A%40%24"


def test_the_second_name_is_the_first_with_eight_hex_digits_of_the_whole_asset() -> None:
    plain, apart = naming.video_names(Asset("myvideos", "courses/intro.mp4"))
    assert plain == "courses/intro"
    assert re.fullmatch(r"courses/intro-[0-9a-f]{8}", apart)


@pytest.mark.parametrize("key", ["index.m3u8.mp4", "x/index.m3u8.mp4", "x/plan.json.mp4", "x/index.m3u8"])
def test_no_video_is_called_like_the_files_of_another(key: str) -> None:
    for name in naming.video_names(Asset("abc", key)):
        assert name.rpartition("/")[2] not in (naming.COMMIT, naming.PLAN)


@given(st.integers(1, 1024))
def test_a_video_whose_keys_would_be_too_long_is_refused(length: int) -> None:
    asset = Asset("abc", "x" * length)
    try:
        names = naming.video_names(asset)
    except InvalidName:
        assert length > 900
        return
    for name in names:
        naming.check_key(naming.segment_key(name, "0123456789ab", "x" * 32, naming.segment_name(99_999, "m4s")))


# revisions

PARTS = st.tuples(BUCKETS, USABLE, st.text(), st.text(), st.integers(0, 99))


def revision(parts: tuple[str, str, str, str, int]) -> str:
    bucket, key, version, profile, planner = parts
    return naming.revision_id(Asset(bucket, key), version=version, profile=profile, planner=planner)


@given(PARTS)
def test_a_revision_is_twelve_hex_digits_and_the_same_each_time(parts: tuple[str, str, str, str, int]) -> None:
    assert naming.REVISION.fullmatch(revision(parts))
    assert revision(parts) == revision(parts)


@given(PARTS, PARTS, st.integers(0, 4))
def test_a_revision_changes_with_each_part(
    parts: tuple[str, str, str, str, int], others: tuple[str, str, str, str, int], which: int
) -> None:
    assume(parts[which] != others[which])
    changed = (*parts[:which], others[which], *parts[which + 1 :])
    assert revision(parts) != revision(changed)  # type: ignore[arg-type]


@given(st.text(min_size=2, max_size=12), st.integers(0, 12), st.integers(0, 12))
@example("ab", 1, 2)
def test_no_two_lists_of_parts_read_the_same(text: str, first: int, second: int) -> None:
    assume(min(first, len(text)) != min(second, len(text)))
    one, other = (
        naming.revision_id(Asset("abc", "k"), version=text[:cut], profile=text[cut:], planner=1)
        for cut in (first, second)
    )
    assert one != other


# keys in the bucket


@given(USABLE.filter(lambda key: len(key.encode()) < 900), st.integers(0, 99_999))
def test_every_segment_of_a_commit_names_its_revision(video: str, number: int) -> None:
    name = naming.segment_name(number, "ts")
    uri = naming.segment_uri("0123456789ab", "720p", name)
    assert naming.segment_number(name) == number
    assert naming.revision_of(uri) == "0123456789ab"
    assert f"{video}/{uri}" == naming.segment_key(video, "0123456789ab", "720p", name)
    assert f"{video}/{uri}".startswith(naming.revision_prefix(video, "0123456789ab"))


@pytest.mark.parametrize(
    "uri",
    ["index0.ts", "0123456789ab", "0123456789AB/x.ts", "0123456789abc/x.ts", "x/0123456789ab/x.ts", "",
     "/0123456789ab/x", "../0123456789ab/x", "http://0123456789ab/x", "0123456789a\n/x"],
)  # fmt: skip
def test_the_segments_of_other_tools_belong_to_no_revision(uri: str) -> None:
    assert naming.revision_of(uri) is None


def test_the_keys_of_a_video_are_as_documented() -> None:
    video, revision_, rendition = "courses/intro", "0123456789ab", "720p"
    assert [
        naming.commit_key(video),
        naming.plan_key(video),
        naming.revision_plan_key(video, revision_),
        naming.segment_key(video, revision_, rendition, naming.segment_name(7, "ts")),
    ] == [
        "courses/intro/index.m3u8",
        "courses/intro/plan.json",
        "courses/intro/0123456789ab/plan.json",
        "courses/intro/0123456789ab/720p/00007.ts",
    ]
