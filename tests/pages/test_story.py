"""What somebody does who meets the system for the first time, from the first page to the last."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.integration.system import API_KEY, BUCKET, Stack, until
from tests.media import LONG, MediaFolder
from tests.pages.browsing import Tab

pytestmark = pytest.mark.browser


def position(page: Page) -> float:
    found: Any = page.evaluate("document.querySelector('video')?.currentTime ?? 0")
    return float(found)


def test_a_film_is_uploaded_watched_sought_in_and_its_stream_deleted(
    person: Tab, site: Stack, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    film = Path(shutil.copy(media.path(LONG), tmp_path / f"{folder}.mp4"))
    page = person.sign_in(f"/?bucket={BUCKET}&folder={folder}/")
    page.locator("input[type=file]").first.set_input_files(film)
    page.get_by_role("link", name=f"Watch {folder}.mp4").click()
    expect(page).to_have_url(re.compile(f"/watch/{BUCKET}/{folder}/{folder}.mp4"))
    until(lambda: position(page) > 0.3, "it plays")
    page.keyboard.press("8")
    until(lambda: 72.3 < position(page) < 90, "it plays from the far end")

    page.get_by_role("link", name="Jobs", exact=True).click()
    job = page.get_by_role("listitem").filter(has_text=folder).first
    expect(job).to_contain_text("Done")

    page.goto(f"{person.origin}/?bucket={BUCKET}&folder={folder}/")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("link", name=folder, exact=True))
    expect(card.get_by_text("Live")).to_be_visible()
    until(lambda: site.keys(f"{folder}/{folder}/"), "there is a stream")
    page.get_by_role("button", name=f"Actions for {folder}", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("Delete the stream")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the stream").click()
    expect(card.get_by_text("Not converted")).to_be_visible()
    until(lambda: not site.keys(f"{folder}/{folder}/"), "the stream is gone")
    assert site.read(f"{folder}/{folder}.mp4", bucket=BUCKET) == film.read_bytes()


def test_a_film_is_found_in_the_library_and_sought_in_before_it_was_ever_converted(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    site.put(f"{folder}/night train.mp4", media.path(LONG))
    site.get(f"{person.origin}/assets/{BUCKET}/{folder}/night%20train.mp4", headers={"x-api-key": API_KEY})
    page = person.sign_in(f"/?bucket={BUCKET}&folder={folder}/")
    page.get_by_label("Search").fill("TRAIN nig")
    page.get_by_role("link", name="night train", exact=True).click()
    until(lambda: position(page) > 0.3, "it plays")
    page.keyboard.press("9")
    until(lambda: 81.3 < position(page) < 95, "it plays from the far end")
    page.go_back()
    expect(page.get_by_role("link", name="night train", exact=True)).to_be_visible()
