"""Playback tokens open one revision, for a while, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.settings import Settings
from mam.vod.tokens import InvalidToken, Tokens

REVISION, OTHER = "0123456789ab", "ba9876543210"
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def tokens(secrets: str | None = "first") -> Tokens:
    return Tokens(Settings.model_validate({"transcode_api_key": "the key of the tests", "playback_secret": secrets}))


@given(names)
def test_a_token_opens_the_revision_it_was_issued_for(video: str) -> None:
    issuer = tokens()
    issuer.check(issuer.issue(video, REVISION, ttl=60), video, REVISION)


@given(names, names)
def test_a_token_opens_no_other_video_and_no_other_revision(video: str, other: str) -> None:
    issuer = tokens()
    token = issuer.issue(video, REVISION, ttl=60)
    for wrong in {(video, OTHER), (other, REVISION)} - {(video, REVISION)}:
        with pytest.raises(InvalidToken):
            issuer.check(token, *wrong)


@given(st.integers(0, 31), st.sampled_from("ABCDEFabcdef0123456789-_"))
def test_an_altered_token_opens_nothing(at: int, letter: str) -> None:
    issuer = tokens()
    token = issuer.issue("film", REVISION, ttl=60)
    altered = token[:at] + letter + token[at + 1 :]
    if altered != token:
        with pytest.raises(InvalidToken):
            issuer.check(altered, "film", REVISION)


@given(st.integers(0, 32), st.text(" !\n=+/.,$%\x00é", min_size=1, max_size=4))
def test_there_is_one_way_to_write_a_token(at: int, junk: str) -> None:
    issuer = tokens()
    token = issuer.issue("film", REVISION, ttl=60)
    swapped = token.replace("-", "+").replace("_", "/")
    for other in {token[:at] + junk + token[at:], token + "=" * len(junk), swapped} - {token}:
        with pytest.raises(InvalidToken):
            issuer.check(other, "film", REVISION)


def test_an_expired_token_opens_nothing() -> None:
    issuer = tokens()
    with pytest.raises(InvalidToken, match="expired"):
        issuer.check(issuer.issue("film", REVISION, ttl=-1), "film", REVISION)


@given(st.text(max_size=60))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        tokens().check(text, "film", REVISION)


def test_tokens_of_an_old_secret_are_accepted_until_it_is_taken_away() -> None:
    old = tokens("old").issue("film", REVISION, ttl=60)
    tokens("new,old").check(old, "film", REVISION)
    assert tokens("new,old").issue("film", REVISION, ttl=60)[:4] == tokens("new").issue("film", REVISION, ttl=60)[:4]
    with pytest.raises(InvalidToken):
        tokens("new").check(old, "film", REVISION)


def test_without_a_secret_the_key_of_the_api_gives_one() -> None:
    token = tokens(None).issue("film", REVISION, ttl=60)
    tokens(None).check(token, "film", REVISION)
    with pytest.raises(InvalidToken):
        tokens("first").check(token, "film", REVISION)
