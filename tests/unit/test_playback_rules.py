"""PLAYBACK_RULES: the longest prefix decides; what no rule names is off, once there are rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.naming import Asset, users_path, video_names
from mam.playback_rules import Policy, Rules, read_rules

RULES = read_rules("films/=public, films/paid/=signed,films/paid/trailer.mp4 = public,courses/=private,films/old/=off")


@pytest.mark.parametrize(
    ("source", "policy"),
    [
        ("films/a.mp4", "public"),
        ("films/paid/a.mp4", "signed"),
        ("films/paid/b/c.mp4", "signed"),
        ("films/paid/trailer.mp4", "public"),
        ("films/paidly.mp4", "public"),
        ("films/old/a.mp4", "off"),
        ("courses/a.mp4", "private"),
        ("course/a.mp4", "off"),
        ("others/a.mp4", "off"),
        ("", "off"),
    ],
)
def test_the_longest_prefix_decides(source: str, policy: str) -> None:
    assert RULES.policy(source) == Policy(policy)


def test_without_rules_everything_is_public() -> None:
    assert read_rules(" ") == Rules()
    assert Rules().policy("films/a.mp4") is Policy.PUBLIC
    assert Rules().possible("a") == {Policy.PUBLIC}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("films", "must end in ="),
        ("films/=open", "one of public, signed, private, off"),
        ("films=public", "needs a bucket and a slash"),
        ("/=public", "bucket name"),
        ("Films/=public", "bucket name"),
        ("films/a//b=public", "empty"),
        ("films/../=public", "segments"),
        ("films/=public, films/=off", "two rules"),
    ],
)
def test_what_is_wrong_with_rules_is_said(text: str, detail: str) -> None:
    with pytest.raises(ValueError, match=detail):
        read_rules(text)


PARTS = st.sampled_from(["a", "b", ".hidden", "index.m3u8", "0123456789ab", "a~", ".hidden~", "paid"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
BUCKETS = st.sampled_from(["films", "courses"])
PREFIXES = st.builds("{}/{}{}".format, BUCKETS, PATHS, st.sampled_from(["", "/"])) | BUCKETS.map("{}/".format)


@given(
    st.dictionaries(PREFIXES, st.sampled_from(Policy), max_size=5),
    BUCKETS,
    PATHS,
    st.sampled_from(["", ".mp4", ".x.mov"]),
)
def test_the_policy_of_an_asset_is_among_those_that_are_possible_for_its_video(
    policies: dict[str, Policy], bucket: str, path: str, extension: str
) -> None:
    rules, asset = (
        read_rules(", ".join(f"{prefix}={policy.value}" for prefix, policy in policies.items())),
        Asset(bucket, path + extension),
    )
    for name in video_names(asset):
        policy = rules.policy(str(asset))
        assert policy in rules.possible(users_path(name)) or policy is Policy.OFF
