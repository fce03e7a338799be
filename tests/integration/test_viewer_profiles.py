"""VIEWER_PROFILES: by which profiles viewers without a key have videos converted; a token's `make` stands instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mam.http.caller import HEADER
from tests.integration.system import API_KEY, BUCKET, Stack, another_vod, is_problem, settings_of, until
from tests.media import CLIP, FILM, MediaFolder

# Each is a VoD process over the same system.
pytestmark = pytest.mark.xdist_group("viewer profiles")

USUAL = ",".join(settings_of({"TRANSCODE_API_KEY": API_KEY}).profiles_of_viewers)


@pytest.fixture
def usual(one_stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """With the profiles that viewers have by default."""
    with another_vod(one_stack, tmp_path, VIEWER_PROFILES=USUAL) as vod:
        yield vod


@pytest.fixture
def strict(one_stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """With `auto` alone."""
    with another_vod(one_stack, tmp_path, VIEWER_PROFILES="auto") as vod:
        yield vod


def jobs(stack: Stack, key: str) -> list[dict[str, Any]]:
    url = f"{stack.env['TRANSCODE_API_URL']}/jobs?bucket={BUCKET}&object={key}"
    found: list[dict[str, Any]] = requests.get(url, headers={HEADER: API_KEY}, timeout=20).json()["jobs"]
    return found


def with_token(stack: Stack, key: str, **claims: Any) -> str:
    """The address of an asset's playlist with a token."""
    body = {"sub": f"{BUCKET}/{key}", **claims}
    url = f"http://{stack.vod.address}/playback/tokens"
    answer = requests.post(url, json=body, headers={HEADER: API_KEY}, timeout=20)
    return f"http://{stack.vod.address}{answer.json()['urls']['playlist']}"


@pytest.mark.parametrize(
    ("query", "profile"),
    [
        ({}, "auto"), ({"reencode": "true"}, "h264"), ({"profile": "ladder"}, "ladder"),
        ({"default": "ladder"}, "ladder"), ({"format": "fmp4"}, "auto"), ({"default": "source"}, "auto"),
    ],
)  # fmt: skip
def test_what_the_pages_and_the_documentation_ask_for_is_made(
    usual: Stack, media: MediaFolder, folder: str, query: dict[str, str], profile: str
) -> None:
    key = usual.put(f"{folder}/a.mp4", media.path(CLIP))
    assert usual.get(usual.stream_url(key, **query)).status_code == 200
    assert {job["profile"] for job in jobs(usual, key)} == {profile}


def test_another_profile_is_made_for_a_key_alone_and_then_plays_for_all(
    usual: Stack, media: MediaFolder, folder: str
) -> None:
    key = usual.put(f"{folder}/a.mp4", media.path(CLIP))
    url = usual.stream_url(key, profile="source")
    assert is_problem(usual.get(url), 404, "not_converted")
    assert is_problem(usual.get(url, headers={HEADER: "a wrong key of the tests"}), 404, "not_converted")
    assert jobs(usual, key) == []
    assert usual.get(url, headers={HEADER: API_KEY}).status_code == 200
    until(lambda: jobs(usual, key)[0]["state"] == "succeeded", "it is live")
    assert usual.get(url).status_code == 200
    assert usual.get(usual.video_url(f"{folder}/a", profile="source")).status_code == 200


def test_what_is_under_way_plays_by_any_profile(strict: Stack, media: MediaFolder, folder: str) -> None:
    key = strict.put(f"{folder}/a.mp4", media.path(FILM))
    url = strict.stream_url(key, reencode="true")
    assert is_problem(strict.get(url), 404, "not_converted")
    body = {"asset_bucket": BUCKET, "asset_object": key, "profile": "h264", "wait": False}
    began = requests.post(
        f"{strict.env['TRANSCODE_API_URL']}/transcode", json=body, headers={HEADER: API_KEY}, timeout=60
    )
    assert began.status_code in (200, 202), began.text
    assert strict.get(url).status_code == 200
    assert [job["profile"] for job in jobs(strict, key)] == ["h264"]


def test_a_page_gets_the_usual_profile_where_viewers_may_not_have_a_ladder(
    strict: Stack, media: MediaFolder, folder: str
) -> None:
    key = strict.put(f"{folder}/a.mp4", media.path(CLIP))
    assert strict.get(strict.stream_url(key, default="ladder")).status_code == 200
    assert [job["profile"] for job in jobs(strict, key)] == ["auto"]


def test_the_claim_make_stands_instead_of_the_setting(strict: Stack, media: MediaFolder, folder: str) -> None:
    key = strict.put(f"{folder}/a.mp4", media.path(CLIP))
    assert is_problem(strict.get(with_token(strict, key)), 404, "not_converted")
    for make in ([], ["source"]):
        assert is_problem(strict.get(with_token(strict, key, make=make)), 404, "not_converted")
    assert jobs(strict, key) == []
    url = with_token(strict, key, make=["source"])
    assert strict.get(f"{url}?profile=source").status_code == 200
    assert [job["profile"] for job in jobs(strict, key)] == ["source"]
