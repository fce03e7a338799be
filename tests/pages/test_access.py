"""Pages of videos that are not for everyone: with a session, with a link that has a token, and without either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.integration.system import API_KEY, BUCKET, S3, Stack, own_stack, until
from tests.media import FILM, MediaFolder
from tests.pages.browsing import Tab, tab
from tests.pages.test_player import plays_from, video, watch

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def guarded(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Stack]:
    rules = f"{BUCKET}/signed/=signed, {BUCKET}/private/=private, {BUCKET}/=public"
    with own_stack(one_s3, tmp_path_factory.mktemp("guarded"), PLAYBACK_RULES=rules) as stack:
        for policy in ("signed", "private"):
            stack.convert(stack.put(f"{policy}/film.mp4", media.path(FILM)))
            until(lambda policy=policy: has_storyboard(stack, policy), "there are pictures")  # type: ignore[misc]
        yield stack


@pytest.fixture
def site(guarded: Stack) -> Stack:
    return guarded


def has_storyboard(stack: Stack, policy: str) -> bool:
    video_name = f"{policy}/film"
    return bool(stack.keys(f"{video_name}/{stack.revision(video_name)}/storyboard.vtt"))


def link(stack: Stack, page: str, seconds: int = 600) -> str:
    answer = requests.post(
        f"http://{stack.vod.address}/playback/tokens", headers={"x-api-key": API_KEY}, timeout=20,
        json={"sub": f"{BUCKET}/signed/film.mp4", "expires_in": seconds},
    )  # fmt: skip
    return str(answer.json()["urls"][page])


@pytest.mark.parametrize("policy", ["signed", "private"])
def test_whoever_is_signed_in_watches_what_is_not_public(person: Tab, policy: str) -> None:
    page = person.sign_in(f"/watch/{BUCKET}/{policy}/film.mp4")
    plays_from(page, 0)
    page.evaluate("document.querySelector('video').currentTime = 18")
    plays_from(page, 18)
    shown = page.evaluate("document.querySelector('video').poster")
    assert person.page.context.request.get(shown).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("policy", ["signed", "private"])
def test_whoever_is_not_is_told_that_there_is_no_such_video(person: Tab, policy: str) -> None:
    person.allowed = ["404"]
    page = watch(person, f"{policy}/film.mp4")
    expect(page.get_by_text("There is no object").first).to_be_visible()
    assert video(page)["ready"] == 0


@pytest.mark.parametrize("kind", ["watch", "embed"])
def test_a_link_with_a_token_plays_for_whoever_has_it_with_all_its_pictures(
    person: Tab, guarded: Stack, kind: str
) -> None:
    page = person.open(f"{link(guarded, kind)}?autoplay=1&muted=1")
    plays_from(page, 0)
    page.evaluate("document.querySelector('video').currentTime = 18")
    plays_from(page, 18)
    requested = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    ours = [
        url for url in requested if f"{guarded.vod.address}/" in url and "/static/" not in url and "/session" not in url
    ]
    assert ours
    assert [url for url in ours if "/p/" not in url] == [], "all inherit the token"
    assert any(url.endswith(".ts") for url in ours)
    assert any("poster.jpg" in url for url in requested)


def test_whoever_is_signed_in_makes_a_link_for_others(browser: Browser, person: Tab, guarded: Stack) -> None:
    page = person.sign_in(f"/watch/{BUCKET}/signed/film.mp4")
    page.get_by_label("Whoever has it can watch").select_option("a day")
    page.get_by_role("button", name="Copy: Link for others").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    address = str(page.evaluate("navigator.clipboard.readText()"))
    assert address.startswith(f"{person.origin}/p/")
    with tab(browser, guarded) as stranger:
        plays_from(stranger.open(address.removeprefix(stranger.origin)), 0)
        expect(stranger.page.get_by_role("button", name="Sign out")).to_have_count(0)
        expect(stranger.page.get_by_role("button", name="Copy: Link for others")).to_have_count(0)
    private = person.open(f"/watch/{BUCKET}/private/film.mp4")
    plays_from(private, 0)
    expect(private.get_by_role("button", name="Copy: Link for others")).to_have_count(0)


def test_a_link_that_is_no_longer_valid_says_so_to_a_viewer(browser: Browser, guarded: Stack, tmp_path: Path) -> None:
    address = link(guarded, "watch", seconds=2)
    with tab(browser, guarded) as person:
        person.allowed = ["403", "Failed to load"]
        until(lambda: requests.get(f"{person.origin}{address}", timeout=20).status_code == 403, "it has expired")
        page = person.open(address)
        expect(page.get_by_role("heading")).to_have_text("This link does not work")
        expect(page.get_by_text("It has expired.")).to_be_visible()
        assert person.violations() == []
        page.screenshot(path=tmp_path / "expired.png")
