"""Pages of videos that are not for everyone: with a session, with a link that has a token, and without either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from mam.credentials.api_keys import KeyRecord, digest_of, new_key, read_records, written
from tests.integration.system import API_KEY, BUCKET, S3, Stack, own_stack, until
from tests.media import FILM, MediaFolder
from tests.pages.browsing import Tab, tab
from tests.pages.test_player import plays_from, video, watch

pytestmark = pytest.mark.browser

PLACE = "guarded-pages"  # a folder that no other test uses: the store is shared


@pytest.fixture(scope="module")
def guarded(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Stack]:
    rules = f"{BUCKET}/{PLACE}/signed/=signed, {BUCKET}/{PLACE}/private/=private, {BUCKET}/=public"
    folder = tmp_path_factory.mktemp("guarded")
    with own_stack(one_s3, folder, PLAYBACK_RULES=rules, API_KEYS_FILE=str(folder / "keys.json")) as stack:
        for policy in ("signed", "private"):
            stack.convert(stack.put(f"{PLACE}/{policy}/film.mp4", media.path(FILM)))
            until(lambda policy=policy: has_storyboard(stack, policy), "there are pictures")  # type: ignore[misc]
        yield stack


@pytest.fixture
def site(guarded: Stack) -> Stack:
    return guarded


def has_storyboard(stack: Stack, policy: str) -> bool:
    video_name = f"{PLACE}/{policy}/film"
    return bool(stack.keys(f"{video_name}/{stack.revision(video_name)}/storyboard.vtt"))


def link(stack: Stack, page: str, seconds: int = 600) -> str:
    answer = requests.post(
        f"http://{stack.vod.address}/playback/tokens", headers={"x-api-key": API_KEY}, timeout=20,
        json={"sub": f"{BUCKET}/{PLACE}/signed/film.mp4", "expires_in": seconds},
    )  # fmt: skip
    return str(answer.json()["urls"][page])


@pytest.mark.parametrize("policy", ["signed", "private"])
def test_whoever_is_signed_in_watches_what_is_not_public(person: Tab, policy: str) -> None:
    page = person.sign_in(f"/watch/{BUCKET}/{PLACE}/{policy}/film.mp4")
    plays_from(page, 0)
    page.evaluate("document.querySelector('video').currentTime = 18")
    plays_from(page, 18)
    shown = page.evaluate("document.querySelector('video').poster")
    assert person.page.context.request.get(shown).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("policy", ["signed", "private"])
def test_whoever_is_not_is_told_that_there_is_no_such_video(person: Tab, policy: str) -> None:
    person.allowed = ["404"]
    page = watch(person, f"{PLACE}/{policy}/film.mp4")
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


def made_link(page: Page) -> str:
    """Makes the link in the open dialog; returns its address as it is shown."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Create link").click()
    field = dialog.get_by_label("Link", exact=True)
    expect(field).to_have_value(re.compile(r"/s/sh_"))
    dialog.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    address = str(field.input_value())
    assert page.evaluate("navigator.clipboard.readText()") == address
    return address


def test_whoever_is_signed_in_makes_links_to_a_video_sees_their_views_and_revokes_them(
    browser: Browser, person: Tab, guarded: Stack, tmp_path: Path
) -> None:
    page = person.sign_in(f"/watch/{BUCKET}/{PLACE}/signed/film.mp4?t=18")
    plays_from(page, 18)
    page.get_by_role("button", name="Share …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("There are no links yet.")
    dialog.get_by_label("Valid for").select_option("a month")
    dialog.get_by_label("Start at").check()
    dialog.get_by_label("Allow to download the file").check()
    address = made_link(page)
    assert person.violations() == []
    page.screenshot(path=tmp_path / "share.png")
    with tab(browser, guarded) as stranger:
        shown = stranger.open(address.removeprefix(stranger.origin))
        plays_from(shown, 18)
        expect(shown.get_by_role("heading", name="film")).to_be_visible()
        for name in ("Sign out", "Share …", "Copy: curl"):
            expect(shown.get_by_role("button", name=name)).to_have_count(0)
        expect(shown.get_by_role("link")).to_have_count(1)
        with shown.expect_download() as download:
            shown.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == "film.mp4"
        assert stranger.violations() == []
        dialog.get_by_role("button", name="Close").click()
        until(lambda: views_shown(page) == "1 view", "the view is counted")
        dialog.get_by_role("button", name=re.compile("Revoke the link")).click()
        expect(dialog).to_contain_text("There are no links yet.")
        stranger.allowed = ["403", "Failed to load"]
        expect(stranger.open(address.removeprefix(stranger.origin)).get_by_role("heading")).to_have_text(
            "This link does not work"
        )


def views_shown(page: Page) -> str:
    """The views that the dialog shows when it is opened again."""
    page.get_by_role("button", name="Share …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    text = str(dialog.get_by_role("listitem").locator("strong").inner_text())
    if text != "1 view":
        dialog.get_by_role("button", name="Close").click()
    return text


def test_a_folder_is_shared_from_the_library_and_shows_nothing_beside_it(
    browser: Browser, person: Tab, guarded: Stack, tmp_path: Path
) -> None:
    page = person.sign_in(f"/?bucket={BUCKET}&folder={PLACE}%2Fsigned%2F")
    page.get_by_role("button", name="Share folder …").click()
    address = made_link(page)
    with tab(browser, guarded) as stranger:
        shown = stranger.open(address.removeprefix(stranger.origin))
        expect(shown.get_by_role("heading", name="signed")).to_be_visible()
        expect(shown.get_by_role("listitem")).to_have_count(1)
        expect(shown.get_by_role("navigation")).to_have_count(0)
        assert stranger.violations() == []
        shown.screenshot(path=tmp_path / "folder.png")
        shown.get_by_role("link", name="film").click()
        plays_from(shown, 0)
        assert "/p/sh_" in shown.url


def test_what_no_link_opens_is_not_shared(person: Tab) -> None:
    private = person.sign_in(f"/watch/{BUCKET}/{PLACE}/private/film.mp4")
    plays_from(private, 0)
    expect(private.get_by_role("link", name="Download")).to_be_visible()
    expect(private.get_by_role("button", name="Share …")).to_have_count(0)


@pytest.mark.parametrize("scopes", ["read", "read,convert", "read,sign", "read,delete,edit", "read,upload", "admin"])
def test_a_page_shows_only_what_its_session_may_do(person: Tab, guarded: Stack, scopes: str) -> None:
    """The scopes of the key that signed in: what they do not permit is not there."""
    key, held = guarded_key(guarded, scopes.split(",")), scopes.split(",")
    page = person.sign_in(f"/?bucket={BUCKET}&folder={PLACE}%2Fsigned%2F", key=key)
    page.get_by_role("button", name="Actions for film").click()
    items = page.get_by_role("menuitem")
    expect(items.first).to_be_visible()
    shown = {str(name).strip() for name in items.all_inner_texts()}
    by_scope = {
        "convert": {"Convert again", "Re-encode to H.264", "Copy curl line: convert"},
        "sign": {"Share …"}, "edit": {"Clear cache"}, "delete": {"Delete the stream …"},
    }  # fmt: skip
    expected = {"Watch", "Copy curl line: playlist"}
    for scope, names in by_scope.items():
        expected |= names if scope in held or "admin" in held else set()
    assert shown == expected
    may = {name: name in held or "admin" in held for name in ("sign", "upload")}
    expect(page.get_by_role("button", name="Share folder …")).to_have_count(int(may["sign"]))
    expect(page.locator("mam-upload-button")).to_have_count(int(may["upload"]))


def test_a_session_for_some_assets_sees_no_jobs_of_others(person: Tab, guarded: Stack) -> None:
    key = guarded_key(guarded, ["read"], [f"{BUCKET}/{PLACE}/signed/"])
    page = person.sign_in(f"/?bucket={BUCKET}&folder={PLACE}%2F", key=key)
    expect(page.get_by_role("link", name="signed")).to_be_visible()
    expect(page.get_by_role("link", name="private")).to_have_count(0)
    expect(page.get_by_role("link", name="Jobs")).to_have_count(0)
    plays_from(person.open(f"/watch/{BUCKET}/{PLACE}/signed/film.mp4"), 0)


def guarded_key(stack: Stack, scopes: list[str], prefixes: list[str] | None = None) -> str:
    """A new key that the service knows."""
    file, key = Path(stack.env["API_KEYS_FILE"]), new_key()
    records = read_records(file.read_text()) if file.exists() else []
    record = {"id": f"key-{len(records)}", "sha256": digest_of(key), "scopes": scopes, "prefixes": prefixes}
    file.write_text(written([*records, KeyRecord.model_validate(record)]))
    until(lambda: stack.get(f"http://{stack.vod.address}/assets", headers={"x-api-key": key}).ok, "the key is known")
    return key


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
