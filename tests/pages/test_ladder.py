"""Ladders in the pages: the qualities of a video, how far each is made, and which one is shown."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.integration.system import Stack, until
from tests.media import FILM, MediaFolder, Recipe
from tests.pages.browsing import Tab
from tests.pages.test_player import choose, plays_from, press, video, watch

_INPUTS = ("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=40,noise=alls=12:allf=t", "-f", "lavfi", "-i", "sine=d=40")
_PICTURE = "-c:v libx264 -preset ultrafast -b:v 5M -maxrate 6M -bufsize 6M -bf 2 -g 50 -sc_threshold 0 -pix_fmt yuv420p"
WIDE = Recipe("wide.mp4", (*_INPUTS, *_PICTURE.split(), "-c:a", "aac", "-movflags", "+faststart"))
PATIENCE = 150.0  # seconds that a rung may take on a machine that is busy with other tests


@pytest.fixture
def key(site: Stack, media: MediaFolder, folder: str) -> str:
    return site.put_listed(f"{folder}/wide.mp4", media.path(WIDE))


def qualities(person: Tab) -> list[str]:
    """The entries of the menu, which need not be open."""
    return [
        text.strip() for text in person.page.locator("media-rendition-menu media-chrome-menu-item").all_text_contents()
    ]


def test_a_video_without_a_stream_becomes_a_ladder_whose_qualities_are_made_when_chosen(
    person: Tab, site: Stack, key: str
) -> None:
    page = watch(person, key)
    plays_from(page, 0)
    assert video(page)["width"] == 1280
    until(
        lambda: qualities(person)[:3] == ["720p", "540p · made on demand", "360p · made on demand"],
        "the menu says what is made",
    )
    press(page, "i")
    shown = page.get_by_label("Statistics", exact=True)
    expect(shown).to_contain_text("1 of 3, by bandwidth")
    choose(page, "Quality", "360p · made on demand")
    until(lambda: video(page)["width"] == 640, "the smaller picture is shown", seconds=PATIENCE)
    expect(shown).to_contain_text("3 of 3, chosen by you; switched once")
    until(lambda: qualities(person)[2] == "360p", "the menu says that it is made", seconds=PATIENCE)
    page = person.sign_in(f"/?folder={key.rpartition('/')[0]}")
    expect(page.get_by_text("Live · 2 of 3 qualities")).to_be_visible()
    person.open(f"/jobs?job={site.plan(key.removesuffix('.mp4')).revision}")
    made = page.locator("mam-job-details").get_by_role("listitem")
    expect(made.filter(has_text="v540")).to_contain_text("made on demand")
    expect(made.filter(has_text="v360").locator(".badge")).to_have_text("made")


def test_a_stream_that_exists_is_played_as_it_is(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    key = site.put_listed(f"{folder}/film.mp4", media.path(FILM))
    name = site.convert(key, reencode=True)
    before = site.revision(name)
    page = watch(person, key)
    plays_from(page, 0)
    assert site.revision(name) == before
    assert not site.plan(name).ladder


def test_a_line_that_is_too_slow_for_the_first_picture_gets_a_smaller_one_and_is_remembered(
    person: Tab, site: Stack, key: str
) -> None:
    page = person.page
    page.add_init_script(
        "addEventListener('loadeddata', ({ target }) => (window.firstWidth ??= target.videoWidth), true)"
    )
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    speed = {"downloadThroughput": 1_200_000 / 8, "uploadThroughput": 1_200_000 / 8}
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": 20, **speed})
    for first, told in (("source", "nothing is known of the line"), ("v360", "its rate is known")):
        page = watch(person, key)
        until(lambda page=page: page.evaluate("window.firstWidth"), "a picture is shown", seconds=PATIENCE)  # type: ignore[misc]
        assert page.evaluate("window.firstWidth") < 1280, told
        assert pictures(page)[0] == first, told
        assert "source" not in pictures(page)[1:], told


def pictures(page: Page) -> list[str]:
    """The renditions of the requested segments with a picture, in order."""
    names: list[str] = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    segments = (re.search(r"/(source|v\d+)/\d{5}\.m4s", name) for name in names)
    return [segment[1] for segment in segments if segment]
