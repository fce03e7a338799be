"""Watching, in a browser: what a person at the player does and sees."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.integration.system import BUCKET, Stack, until
from tests.media import AAC, AUDIO_ONLY, FAST, FILM, LONG, SUBTITLES, TWO_LANGUAGES, MediaFolder, Recipe
from tests.pages.browsing import PHONE, Tab, tab

pytestmark = pytest.mark.browser

SECONDS = 40.0  # that anything may take on a machine that is busy with other tests
SLOW = Recipe(  # must be encoded, and that takes a while
    "slow.mp4",
    ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=90", "-f", "lavfi", "-i", "sine=440:d=90", "-c:v", "mpeg4", "-q:v",
     "4", "-g", "50", *AAC, *FAST),
)  # fmt: skip

UPRIGHT = Recipe(
    "upright.mp4",
    ("-f", "lavfi", "-i", "testsrc2=s=180x320:r=25:d=12", "-f", "lavfi", "-i", "sine=440:d=12", "-c:v", "libx264",
     "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", *AAC, *FAST),
)  # fmt: skip

Put = Callable[[Recipe], str]


@pytest.fixture
def put(site: Stack, media: MediaFolder, folder: str) -> Put:
    """Puts a file where no other test has one; gives its key."""
    return lambda recipe: site.put(f"{folder}/{recipe.name}", media.path(recipe))


def watch(person: Tab, key: str, query: str = "") -> Page:
    return person.open(f"/watch/{BUCKET}/{quote(key)}{query}")


def video(page: Page) -> dict[str, Any]:
    """What the video element says of itself."""
    found: dict[str, Any] = page.evaluate(
        """() => { const v = document.querySelector("video");
        return v ? {time: v.currentTime, paused: v.paused, duration: v.duration, muted: v.muted, volume: v.volume,
                    rate: v.playbackRate, ready: v.readyState, width: v.videoWidth} : {time: 0, ready: 0}; }"""
    )
    return found


def plays_from(page: Page, seconds: float, what: str = "") -> None:
    """Waits until what is shown is a little after `seconds`, and moves on."""
    until(
        lambda: (at := video(page))["ready"] >= 3 and seconds + 0.3 < at["time"] < seconds + 30,
        what or f"it plays from {seconds} s",
        seconds=SECONDS,
    )


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def stop_at(page: Page, seconds: float) -> None:
    """Pauses there."""
    page.evaluate("at => { const v = document.querySelector('video'); v.pause(); v.currentTime = at; }", seconds)
    until(lambda: abs(video(page)["time"] - seconds) < 0.5, f"it stands at {seconds} s", seconds=SECONDS)


def open_menu(page: Page, name: str) -> None:
    """Opens a submenu of the settings."""
    if page.locator("media-settings-menu").evaluate("menu => menu.hidden"):
        page.locator("media-settings-menu-button").click()
    page.locator("media-settings-menu-item", has_text=name).click()


def choose(page: Page, menu: str, item: str) -> None:
    open_menu(page, menu)
    page.get_by_role("menuitemradio", name=item).click()


def test_a_film_that_was_never_converted_plays_and_a_far_seek_lands(person: Tab, put: Put) -> None:
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url))
    key = put(LONG)
    page = watch(person, key)
    plays_from(page, 0)
    assert sum(url.endswith("/playlist.m3u8?default=ladder") for url in asked) == 1
    (first_frame,) = page.evaluate("performance.getEntriesByName('mam-first-frame').map(entry => entry.duration)")
    assert first_frame > 0
    press(page, "8")
    plays_from(page, 72)
    assert page.title() == "long · MAM"
    expect(page.get_by_role("heading", name="long", exact=True)).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="Video h264")).to_contain_text("copied")


def test_one_goes_on_where_one_stopped_unless_the_address_names_a_time(person: Tab, put: Put) -> None:
    key = put(LONG)
    page = watch(person, key)
    plays_from(page, 0)
    stop_at(page, 40)
    page.reload()
    plays_from(page, 39)
    expect(page.get_by_text("Resumed at 0:40")).to_be_visible()
    watch(person, key, "?t=1m2s")
    plays_from(page, 62)
    watch(person, key, "?t=20")
    plays_from(page, 20)
    watch(person, key, "?t=9999")
    until(lambda: video(page)["time"] > 86, "a time after the end shows the end", seconds=SECONDS)
    stop_at(page, 88)  # the credits
    watch(person, key)
    plays_from(page, 0)


def test_sounds_are_chosen_in_the_menu_and_a_choice_of_one_is_none(person: Tab, put: Put) -> None:
    page = watch(person, put(TWO_LANGUAGES))
    plays_from(page, 0)
    tracks = (
        "[...document.querySelector('video').audioTracks].filter(track => track.enabled).map(track => track.language)"
    )
    assert page.evaluate(tracks) == ["en"]
    choose(page, "Audio", "Commentaire")
    until(lambda: page.evaluate(tracks) == ["fr"], "the other sound is on")
    choose(page, "Speed", "1.5x")
    until(lambda: video(page)["rate"] == 1.5, "it plays faster")
    expect(page.locator("media-settings-menu-item", has_text="Quality")).to_have_count(0)


def test_subtitles_are_shown_when_they_are_wanted(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    page = watch(person, site.put(f"{folder}/subtitled.mp4", media.subtitled()))
    plays_from(page, 0)
    shown = """() => [...document.querySelector("video").textTracks].filter(track => track.mode === "showing")
        .flatMap(track => [...track.cues ?? []].map(cue => cue.text))"""
    assert page.evaluate(shown) == []
    expect(page.locator("media-captions-button")).to_be_visible()
    press(page, "c")
    first = SUBTITLES.splitlines()[2].replace("&", "&amp;")
    until(lambda: first in page.evaluate(shown), "the first subtitle is there")
    choose(page, "Subtitles", "Off")
    until(lambda: page.evaluate(shown) == [], "subtitles are off again")


def test_the_statistics_say_what_is_played(person: Tab, site: Stack, put: Put) -> None:
    key = put(FILM)
    site.convert(key)
    page = watch(person, key)
    plays_from(page, 0)
    press(page, "i")
    shown = page.get_by_label("Statistics", exact=True)
    for text in ("avc1", "320 × 180", "bit/s", "hls.js 1.", "Dropped frames", " ms"):
        expect(shown).to_contain_text(text)
    expect(shown).to_contain_text("from the store")
    page.get_by_role("button", name="Close the statistics").click()
    expect(shown).to_be_hidden()


def test_the_statistics_name_the_codecs_of_picture_and_sound_wherever_they_come_from(person: Tab, put: Put) -> None:
    page = watch(person, put(TWO_LANGUAGES))  # its sounds are renditions
    plays_from(page, 0)
    press(page, "i")
    for codec in ("avc1", "mp4a"):
        expect(page.get_by_label("Statistics", exact=True)).to_contain_text(codec)


def test_what_is_no_video_says_so_in_the_words_of_the_api(person: Tab, site: Stack, folder: str) -> None:
    person.allowed.append("422")
    page = watch(person, site.put(f"{folder}/broken.mp4", b"garbage" * 1000))
    said = page.get_by_role("alert")
    expect(said).to_contain_text("The object is not an MP4 or QuickTime file with video or audio")
    expect(said).to_contain_text("Upload an MP4, MOV or M4A file.")
    expect(page.get_by_text("Failed", exact=True)).to_be_visible()
    assert person.violations() == []


def test_a_player_that_went_with_an_update_says_so(person: Tab, put: Put) -> None:
    loads: list[str] = []
    person.page.on("request", lambda request: loads.append(request.url) if request.is_navigation_request() else None)
    person.page.route("**/static/streaming-*.js", lambda route: route.fulfill(status=404))
    person.allowed.append("404|dynamically imported|preload")
    page = watch(person, put(FILM))
    expect(page.get_by_role("alert")).to_contain_text("A part of this page is missing.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert len(loads) == 2


def test_a_missing_video_is_found_once_it_is_there(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    person.allowed.append("404")
    page = watch(person, f"{folder}/film.mp4")
    expect(page.get_by_role("alert")).to_contain_text("Check bucket and key")
    site.put(f"{folder}/film.mp4", media.path(FILM))
    page.get_by_role("button", name="Try again").click()
    plays_from(page, 0)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_it_tries_again_by_itself_when_the_service_asks_for_patience(person: Tab, put: Put) -> None:
    person.allowed.append("503")
    busy = {"type": "about:blank", "title": "Too many videos are waiting", "status": 503, "detail": "40 are.",
            "code": "too_many_conversions", "hint": "Try again later."}  # fmt: skip
    answers = iter([busy])

    def answer(route: Route) -> None:
        body = next(answers, None)
        if body is None:
            route.continue_()
        else:
            headers = {"content-type": "application/problem+json", "retry-after": "1"}
            route.fulfill(status=503, body=json.dumps(body), headers=headers)

    person.page.route("**/playlist.m3u8?*", answer)
    page = watch(person, put(FILM))
    expect(page.get_by_role("alert")).to_contain_text("Too many videos are waiting")
    expect(page.get_by_role("alert")).to_contain_text("Trying again in")
    plays_from(page, 0)


def test_it_goes_on_when_signatures_have_ended_during_a_pause(person: Tab, site: Stack, put: Put) -> None:
    person.allowed.append("403")
    key = put(LONG)
    name = site.convert(key)
    page = watch(person, key)
    plays_from(page, 0)
    page.evaluate("document.querySelector('video').pause()")
    url = site.stream_url(key, default="ladder")  # as the page requests it
    first = site.playlist(url).segments[0].uri or ""
    signed = first.partition("X-Amz-Date=")[2].partition("&")[0]
    refused: list[str] = []

    def refuse(route: Route) -> None:
        if f"X-Amz-Date={signed}" in route.request.url:
            refused.append(route.request.url)
            route.fulfill(
                status=403,
                body="<Error><Code>AccessDenied</Code></Error>",
                headers={"access-control-allow-origin": "*"},
            )
        else:
            route.continue_()

    page.route("**/*.ts?*", refuse)

    def is_signed_anew() -> bool:
        site.delete(site.cache_url(name))
        return signed not in (site.playlist(url).segments[0].uri or "")

    until(is_signed_anew, "a playlist is signed in another second")
    press(page, "9", "k")
    plays_from(page, 81)
    assert refused
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_lost_connection_is_said_and_it_goes_on_by_itself(person: Tab, put: Put) -> None:
    person.allowed.append("ERR_INTERNET_DISCONNECTED")
    page = watch(person, put(LONG))
    plays_from(page, 0)
    page.context.set_offline(True)
    press(page, "9")
    expect(page.get_by_text("Connection lost. Playback resumes by itself.")).to_be_visible()
    page.context.set_offline(False)
    plays_from(page, 81)
    expect(page.get_by_text("The connection is lost.")).to_be_hidden()


@pytest.mark.timeout(500)
def test_what_is_made_already_is_seen_while_a_video_is_in_the_making(person: Tab, put: Put) -> None:
    page = watch(person, put(SLOW))
    plays_from(page, 0)
    strip = page.locator(".mam-timeline").get_by_role("img")
    until(lambda: page.locator(".mam-made rect").count() > 0, "a part is shown as made", seconds=SECONDS)
    assert "% converted" in (strip.get_attribute("aria-label") or "")
    expect(page.locator(".mam-facts")).to_contain_text("Converting")
    press(page, "7")
    plays_from(page, 63, "a part plays that was not made when it was asked for")
    until(lambda: "Live" in page.locator(".mam-facts").inner_text(), "it is live", seconds=400)  # batches stand back
    expect(strip).to_be_hidden()


def test_hovering_over_the_time_line_shows_pictures(person: Tab, site: Stack, put: Put) -> None:
    key = put(FILM)
    site.convert(key)
    status = f"{person.origin}/stream/{BUCKET}/{key}/status"
    until(lambda: site.get(status).json()["storyboard"], "there is a storyboard", seconds=60)
    page = watch(person, key)
    plays_from(page, 0)
    page.locator("media-time-range").hover()
    picture = """() => document.querySelector("media-time-range").shadowRoot.querySelector("media-preview-thumbnail")
        .shadowRoot.querySelector("img").naturalWidth > 0"""
    until(lambda: page.evaluate(picture), "a picture is shown")
    assert "poster.jpg" in (page.locator("video").get_attribute("poster") or "")


def test_lines_for_other_programs_are_copied(person: Tab, site: Stack, put: Put) -> None:
    key = put(FILM)
    page = watch(person, key)
    plays_from(page, 0)
    stop_at(page, 12.4)

    def copied(what: str) -> str:
        page.get_by_role("button", name=f"Copy: {what}").click()
        return str(page.evaluate("navigator.clipboard.readText()"))

    playlist = f"{person.origin}/stream/{BUCKET}/{key}/playlist.m3u8"
    assert copied("Link at this time") == f"{person.origin}/watch/{BUCKET}/{key}?t=12"
    assert copied("Playlist") == playlist
    assert copied("curl") == f"curl --compressed {playlist}"
    assert copied("ffmpeg") == f"ffmpeg -i {playlist} -c copy film.mp4"
    assert copied("VLC") == f"vlc {playlist}"
    assert f'src="{person.origin}/embed/{BUCKET}/{key}"' in copied("Embed code")
    page.reload()
    expect(page.get_by_text("are valid until")).to_be_visible()


def test_it_plays_in_a_frame_of_another_site(person: Tab, put: Put) -> None:
    key = put(FILM)
    source = f"{person.origin}/embed/{BUCKET}/{key}"
    body = f'<iframe src="{source}" width="640" height="360" allow="fullscreen; picture-in-picture"></iframe>'
    person.site.put(f"{key}.html", f"<!doctype html><title>Elsewhere</title><link rel=icon href=data:,>{body}".encode())
    as_page: dict[str, str | list[str] | tuple[str]] = {"response-content-type": "text/html"}
    page = person.page
    page.goto(person.site.s3.client.presigned_get_object(BUCKET, f"{key}.html", response_headers=as_page))
    frame = page.frame_locator("iframe")
    link = frame.get_by_role("link", name="Open film on its own page")
    expect(link).to_have_attribute("href", f"/watch/{BUCKET}/{key}")
    expect(link).to_have_attribute("rel", "noopener")
    frame.locator(".mam-centre media-play-button").click()
    inside = page.frames[1]
    assert inside.url == source
    until(lambda: inside.evaluate("document.querySelector('video').currentTime") > 0.5, "it plays", seconds=SECONDS)
    scrolls = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert inside.evaluate(scrolls) == [640, 360]


def test_a_frame_without_storage_is_silent_in_the_console(person: Tab, put: Put) -> None:
    said: list[str] = []
    person.page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    denied = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    person.page.add_init_script(denied)
    page = person.open(f"/embed/{BUCKET}/{put(FILM)}?autoplay=1&muted=1")
    plays_from(page, 0)
    press(page, "ArrowDown", ">", "c")
    until(lambda: video(page)["rate"] == 1.25, "it plays faster")
    assert said == []


def test_a_frame_plays_by_itself_from_a_time_when_it_is_asked_to(person: Tab, put: Put) -> None:
    page = person.open(f"/embed/{BUCKET}/{put(FILM)}?autoplay=1&muted=1&t=10")
    plays_from(page, 10)
    assert video(page)["muted"]
    assert person.violations() == []


def test_the_keyboard_alone_is_enough(person: Tab, put: Put) -> None:
    page = watch(person, put(LONG))
    plays_from(page, 0)
    press(page, "k")
    until(lambda: video(page)["paused"], "it stands")
    stop_at(page, 30)
    press(page, "ArrowRight")
    until(lambda: abs(video(page)["time"] - 35) < 0.2, "5 s on")
    press(page, "j")
    until(lambda: abs(video(page)["time"] - 25) < 0.2, "10 s back")
    press(page, "m", ">", "<", "<")
    until(lambda: video(page)["muted"] and video(page)["rate"] == 0.75, "silent and slower")
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert person.violations() == []
    press(page, "Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    press(page, "f")
    until(lambda: page.evaluate("document.fullscreenElement !== null"), "it fills the screen")
    press(page, "f")
    until(lambda: page.evaluate("document.fullscreenElement === null"), "it does no more")
    button = page.locator("media-settings-menu-button")
    for _ in range(40):
        if button.evaluate("button => button === document.activeElement"):
            break
        press(page, "Tab")
    press(page, "Enter")
    expect(page.locator("media-settings-menu")).to_be_visible()
    expect(page.locator("media-settings-menu-item").first).to_be_focused()
    press(page, "Enter")
    expect(page.get_by_role("menuitemradio", name="0.5x")).to_be_focused()
    press(page, "Escape")
    expect(page.locator("media-settings-menu-item").first).to_be_focused()
    press(page, "Escape")
    expect(page.locator("media-settings-menu")).to_be_hidden()
    expect(button).to_be_focused()
    press(page, "k")
    until(lambda: not video(page)["paused"], "it plays again")


WINDOWS = {
    "desktop": (1280, 800),
    "phone": (360, 740),
    "lying phone": (844, 390),
    "small phone": (320, 568),
    "zoomed": (640, 400),
}
FINGERS = ("phone", "lying phone", "small phone")
BOX = """selector => { const {left, top, right, bottom} = document.querySelector(selector).getBoundingClientRect();
                      return {left, top, right, bottom, width: right - left, height: bottom - top}; }"""


def window(name: str) -> dict[str, Any]:
    """How a tab of that size is opened."""
    width, height = WINDOWS[name]
    fingers = {"has_touch": True, "is_mobile": True} if name in FINGERS else {}
    return {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce", **fingers}


def box(page: Page, selector: str) -> dict[str, float]:
    """Where something is in the window."""
    found: dict[str, float] = page.evaluate(BOX, selector)
    return found


def meet(one: dict[str, float], other: dict[str, float]) -> bool:
    across = one["left"] < other["right"] and other["left"] < one["right"]
    return across and one["top"] < other["bottom"] and other["top"] < one["bottom"]


def stand(page: Page) -> None:
    plays_from(page, 0)
    page.evaluate("document.querySelector('video').pause()")
    expect(page.locator("media-controller")).to_have_attribute("mediapaused", "")


@pytest.mark.parametrize("name", WINDOWS)
def test_captions_never_meet_the_controls_nor_leave_the_picture(
    browser: Browser, site: Stack, media: MediaFolder, folder: str, name: str
) -> None:
    key = site.put(f"{folder}/film.mp4", media.path(FILM))
    words = "These are the words of somebody who goes on and on,\nand on, and then on still for all of this long line"
    site.put(f"{folder}/film.en.srt", f"1\n00:00:00,000 --> 00:00:20,000\n{words}\n".encode())
    with tab(browser, site, **window(name)) as person:
        page = watch(person, key)
        plays_from(page, 0)
        press(page, "c")
        cue = page.locator(".mam-cue")
        expect(cue).to_contain_text("on and on")
        screen = page.locator("media-controller")
        expect(screen).to_have_attribute("userinactive", "")  # while it plays, the controls go
        picture = box(page, "media-controller")
        shown = box(page, ".mam-cue")
        assert (
            picture["top"] <= shown["top"]
            and shown["bottom"] <= picture["bottom"]
            and shown["width"] < picture["width"]
        )
        page.evaluate("document.querySelector('video').pause()")
        expect(screen).to_have_attribute("mediapaused", "")
        shown = box(page, ".mam-cue")
        for control in ("media-control-bar", "media-time-range"):
            assert not meet(shown, box(page, control)), (control, shown, box(page, control))
        assert picture["top"] <= shown["top"] and shown["width"] < picture["width"]
        expect(page.locator("video")).to_have_class("has-own-captions")  # which hides what the browser would draw
        assert person.violations() == []


@pytest.mark.parametrize("name", WINDOWS)
def test_the_player_fits_into_every_window_whatever_it_plays(
    browser: Browser, site: Stack, put: Put, name: str
) -> None:
    with tab(browser, site, **window(name)) as person:
        for recipe in (FILM, UPRIGHT, AUDIO_ONLY):
            page = watch(person, put(recipe))
            stand(page)
            width, height = WINDOWS[name]
            controls, screen = box(page, "media-control-bar"), box(page, "mam-player")
            assert controls["top"] > 0 and controls["bottom"] <= height, (recipe.name, controls)
            assert controls["left"] >= 0 and controls["right"] <= width, (recipe.name, controls)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, recipe.name
            last = box(page, "media-fullscreen-button")
            assert last["right"] <= controls["right"] + 1, (recipe.name, last)
            if recipe is UPRIGHT:
                picture = min(screen["width"], screen["height"] * 9 / 16)
                assert screen["width"] < 2.2 * picture, (screen, picture)


def test_of_sound_alone_one_sees_how_long_it_is_and_how_much_is_made(person: Tab, put: Put) -> None:
    page = watch(person, put(AUDIO_ONLY))
    stand(page)
    on_top = """selector => { const element = document.querySelector(selector);
        const {left, top, width, height} = element.getBoundingClientRect();
        return element.contains(document.elementFromPoint(left + width / 2, top + height / 2)); }"""
    expect(page.locator("media-time-display")).to_be_visible()
    for shown in ("media-time-display", "media-play-button", "media-time-range"):
        assert page.evaluate(on_top, f".mam-bottom {shown}"), shown
    expect(page.locator("media-pip-button")).to_have_count(0)
    expect(page.get_by_text("Audio only")).to_be_visible()
    assert person.violations() == []


def test_the_player_is_named_after_its_video_and_its_buttons_say_what_they_are(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    page = watch(person, site.put(f"{folder}/subtitled.mp4", media.subtitled()))
    stand(page)
    expect(page.get_by_role("region", name="Video player: subtitled")).to_be_visible()
    switch = page.get_by_role("switch", name="Subtitles")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    assert person.violations() == []


def test_subtitles_and_speed_are_remembered_for_the_next_video(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    first, second = (site.put(f"{folder}/{name}.mp4", media.subtitled()) for name in ("one", "two"))
    page = watch(person, first)
    plays_from(page, 0)
    press(page, "c", ">")
    until(lambda: video(page)["rate"] == 1.25, "it plays faster")
    expect(page.locator(".mam-cue").first).to_be_visible()
    watch(person, second)
    plays_from(page, 0)
    expect(page.locator(".mam-cue").first).to_be_visible()
    assert video(page)["rate"] == 1.25
    press(page, "c")
    expect(page.locator(".mam-cue")).to_have_count(0)
    watch(person, first)
    plays_from(page, 0)
    expect(page.get_by_role("switch", name="Subtitles")).not_to_be_checked()


@pytest.mark.parametrize("outdated", [0, 8], ids=["at once", "after playlists of the old one"])
def test_a_video_that_was_replaced_is_taken_up_without_a_reload(
    person: Tab, site: Stack, put: Put, media: MediaFolder, outdated: int
) -> None:
    person.allowed.append("404|409")
    key = put(SLOW)
    media.path(LONG)  # made before the first film has been converted
    before: dict[str, str] = {}  # the playlists of the old one
    repeated: list[str] = []
    is_replaced = threading.Event()

    def answer(route: Route) -> None:
        url = route.request.url
        if is_replaced.is_set() and url in before and len(repeated) < outdated:
            repeated.append(url)
            route.fulfill(body=before[url], content_type="application/vnd.apple.mpegurl")
        else:
            response = route.fetch()
            before.setdefault(url, response.text())
            route.fulfill(response=response)

    person.page.route("**/playlist.m3u8?*", answer)
    page = watch(person, key)
    plays_from(page, 0)
    assert video(page)["width"] == 640
    site.put(key, media.path(LONG))
    is_replaced.set()
    press(page, "8")
    plays_from(page, 72, "the film that is there now plays from the same place")
    assert video(page)["width"] == 320
    assert len(repeated) == outdated
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_slow_line_is_called_one(person: Tab, site: Stack, put: Put) -> None:
    key = put(LONG)
    site.convert(key)
    page = person.page
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    slow = {"offline": False, "latency": 50, "downloadThroughput": 12_000, "uploadThroughput": 12_000}

    def throttle(route: Route) -> None:
        client.send("Network.emulateNetworkConditions", slow)
        route.continue_()

    page.route("**/00000.ts*", throttle)
    watch(person, key)
    expect(page.get_by_text("Your connection is slower than this video")).to_be_visible()
    client.send("Network.emulateNetworkConditions", {**slow, "downloadThroughput": -1, "uploadThroughput": -1})
    plays_from(page, 0)
    expect(page.get_by_text("Your connection is slower")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_nothing_is_wrong_with_the_page(browser: Browser, site: Stack, put: Put, scheme: str, size: str) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    if size == "phone":
        options |= {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    key = put(FILM)
    with tab(browser, site, **options) as person:
        page = watch(person, key)
        plays_from(page, 0)
        page.evaluate("document.querySelector('video').pause()")
        expect(page.get_by_role("row", name="Video h264")).to_be_visible()
        assert person.violations() == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
        page.locator("media-settings-menu-button").click()
        expect(page.get_by_role("menuitem", name="Speed")).to_be_visible()
        assert person.violations() == []
