"""What people do in the library: find a video, have it converted, look why one failed, delete what was made of it."""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mam.naming import quote_path
from tests.integration.system import BUCKET, OTHER_BUCKET, Stack, until
from tests.media import CLIP, FILM, LONG, MediaFolder
from tests.pages.browsing import PHONE, Tab, tab

pytestmark = pytest.mark.browser
NO_VIDEO = b"this is no video" * 100


def address(folder: str, **more: str) -> str:
    query = {"bucket": BUCKET, "folder": f"{folder}/", **more}
    return "/?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())


def put(site: Stack, *keys: str, data: bytes = NO_VIDEO) -> None:
    """Puts assets that are in the library at once."""
    for key in keys:
        site.put_listed(key, data)


def _key(site: Stack) -> dict[str, str]:
    return {"x-api-key": site.settings.transcode_api_key.get_secret_value()}


def titles(page: Page) -> list[str]:
    return page.locator(".asset-title").all_inner_texts()


def expect_titles(page: Page, *expected: str) -> None:
    expect(page.locator(".asset-title")).to_have_text(list(expected))


def row(page: Page, title: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("link", name=title, exact=True))


def choose(page: Page, title: str, action: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name=f"Actions for {title}", exact=True).click()
    page.get_by_role("menuitem", name=action).click()


def test_the_videos_of_a_folder_show_with_what_is_known_of_them(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    put(site, f"{folder}/made.mp4", data=media.bytes(CLIP))
    put(site, f"{folder}/not yet.mp4")
    site.convert(f"{folder}/made.mp4")
    page = person.sign_in(address(folder))
    expect(page.get_by_role("heading", level=1)).to_have_text(folder)
    expect(page.get_by_role("status").filter(has_text="2 videos")).to_be_visible()
    made = row(page, "made")
    expect(made.get_by_text("Live")).to_be_visible()
    expect(made.get_by_text("0:05")).to_be_visible()
    expect(made.get_by_role("link")).to_have_attribute("href", f"/watch/{BUCKET}/{folder}/made.mp4")
    expect(row(page, "not yet").get_by_text("Not converted")).to_be_visible()
    expect(row(page, "not yet").get_by_text("1.6 kB")).to_be_visible()


def test_a_click_on_a_card_watches_it_and_back_returns(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    put(site, f"{folder}/a.mp4", data=media.bytes(CLIP))
    site.convert(f"{folder}/a.mp4")
    page = person.sign_in(address(folder))
    row(page, "a").locator(".asset-picture").click(force=True)  # the link lies over it
    page.wait_for_url(f"**/watch/{BUCKET}/{folder}/a.mp4")
    page.go_back()
    expect_titles(page, "a")
    expect(page).to_have_url(person.origin + address(folder).replace("%2F", "/"))


def test_the_playlist_of_a_click_is_asked_for_once_whatever_the_name(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/it's (1)!.mp4")
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url) if ".m3u8" in request.url else None)
    page = person.sign_in(address(folder))
    person.allowed.append("422")  # it is no video
    page.get_by_role("link", name="it's (1)!", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert asked == [f"{person.origin}/stream/{BUCKET}/{folder}/it's%20(1)!.mp4/playlist.m3u8?default=ladder"]


def test_a_poster_shows_and_the_pointer_looks_into_the_video(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    key = f"{folder}/a.mp4"
    put(site, key, data=media.bytes(FILM))
    site.convert(key)
    url = f"http://{site.vod.address}/assets/{BUCKET}/{key}"
    until(lambda: site.get(url, headers=_key(site)).json()["storyboard"], "there are pictures", seconds=90)
    page = person.sign_in(address(folder))
    poster = row(page, "a").locator("img")
    expect(poster).to_be_visible()
    until(lambda: poster.evaluate("image => image.naturalWidth") > 100, "the poster is loaded")
    box = poster.bounding_box()
    assert box
    canvas, drawn = row(page, "a").locator("canvas"), "canvas => canvas.width"
    page.mouse.move(box["x"] + 10, box["y"] + 50)
    expect(canvas).to_be_visible()
    assert canvas.evaluate(drawn) >= 100
    page.mouse.move(5, 5)
    expect(canvas).to_have_count(0)


def test_folders_are_gone_into_and_out_of_and_the_address_says_where_one_is(
    person: Tab, site: Stack, folder: str
) -> None:
    put(site, f"{folder}/top.mp4", f"{folder}/courses/one.mp4", f"{folder}/courses/2025/two.mp4")
    page = person.sign_in(address(folder))
    expect_titles(page, "top")
    page.get_by_role("link", name=re.compile("courses")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("courses")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect_titles(page, "one")
    page.get_by_role("link", name=re.compile("2025")).click()
    expect_titles(page, "two")
    page.reload()
    expect_titles(page, "two")
    page.get_by_role("navigation", name="Folders").get_by_role("link", name="courses").click()
    expect_titles(page, "one")
    page.go_back()
    expect_titles(page, "two")
    page.go_back()
    page.go_back()
    expect_titles(page, "top")
    page.get_by_role("navigation", name="Folders").get_by_role("link", name="Library").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Library")


def test_search_finds_while_one_types_and_back_leaves_it(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/Straße nach Süden.mp4", f"{folder}/deep/er/straßenbahn.mp4", f"{folder}/other.mp4")
    page = person.sign_in(address(folder))
    expect_titles(page, "other", "Straße nach Süden")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("STRASSE ", delay=20)
    expect_titles(page, "Straße nach Süden", "straßenbahn")
    expect(page.get_by_role("status").filter(has_text="2 videos found")).to_be_visible()
    expect(page.get_by_text(f"{BUCKET} / {folder} / deep / er")).to_be_visible()
    page.keyboard.type("sud")
    expect_titles(page, "Straße nach Süden")
    expect(page.get_by_role("searchbox")).to_have_value("STRASSE sud")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("STRASSE sud")
    expect_titles(page, "Straße nach Süden")
    page.go_back()
    expect_titles(page, "other", "Straße nach Süden")
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_what_is_not_found_offers_a_way_back(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/a.mp4")
    page = person.sign_in(address(folder, q="nothing like it"))
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    assert person.violations() == []
    page.get_by_role("link", name="Clear search and filter").click()
    expect_titles(page, "a")


def test_a_folder_without_videos_says_what_to_do_first(person: Tab, folder: str) -> None:
    page = person.sign_in(address(folder))
    expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"mc cp film.mp4 minio/{BUCKET}/{folder}/"
    assert person.violations() == []


def test_videos_are_sorted_and_filtered(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/part 10.mp4", data=b"x" * 10)
    put(site, f"{folder}/part 9.mp4", data=b"x" * 30)
    put(site, f"{folder}/part 8.mp4", data=NO_VIDEO)
    page = person.sign_in(address(folder))
    expect_titles(page, "part 8", "part 9", "part 10")
    page.get_by_label("Sort by").select_option("Smallest first")
    expect_titles(page, "part 10", "part 9", "part 8")
    assert site.transcode(f"{folder}/part 8.mp4").status_code == 422
    states = page.get_by_role("navigation", name="State")
    states.get_by_role("link", name="Failed").click()
    expect_titles(page, "part 8")
    states.get_by_role("link", name="Not converted").click()
    expect_titles(page, "part 10", "part 9")
    page.go_back()
    expect_titles(page, "part 8")
    page.reload()
    expect_titles(page, "part 8")
    expect(states.get_by_role("link", name="Failed")).to_have_attribute("aria-current", "true")


def test_the_view_is_remembered(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/a.mp4")
    page = person.sign_in(address(folder))
    page.get_by_role("button", name="List").click()
    expect(page.locator(".library.is-list .asset")).to_have_count(1)
    assert "view=list" in page.url
    person.open(address(folder))
    expect(page.locator(".library.is-list .asset")).to_have_count(1)
    person.open(address(folder, view="grid"))
    expect(page.locator(".library.is-grid .asset")).to_have_count(1)


def test_convert_now_gets_live_before_ones_eyes_in_every_tab(
    browser: Browser, person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    put(site, f"{folder}/a.mp4", data=media.bytes(FILM))
    page = person.sign_in(address(folder))
    page.evaluate("window.isStillHere = true")
    with tab(browser, site, context=page.context) as other:
        other.open(address(folder))
        expect(row(other.page, "a").get_by_text("Not converted")).to_be_visible()
        choose(page, "a", "Re-encode to H.264")
        expect(page.get_by_text("“a” is being converted.")).to_be_visible()
        for each in (page, other.page):
            expect(row(each, "a").get_by_text(re.compile("^(Converting|Waiting)"))).to_be_visible()
        for each in (page, other.page):
            expect(row(each, "a").get_by_text("Live")).to_be_visible(timeout=90_000)
            expect(row(each, "a").get_by_text("0:24")).to_be_visible()
    assert page.evaluate("window.isStillHere")


def test_a_live_video_is_encoded_anew_and_stays_live(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    put(site, f"{folder}/a.mp4", data=media.bytes(CLIP))
    video = site.convert(f"{folder}/a.mp4")
    first = site.revision(video)
    page = person.sign_in(address(folder))
    choose(page, "a", "Re-encode to H.264")
    until(lambda: site.revision(video) != first, "it is encoded anew", seconds=90)
    expect(row(page, "a").get_by_text("Live")).to_be_visible()
    assert site.plan(video).profile.value == "h264"


def test_a_failure_says_why_and_what_to_do_where_everyone_can_read_it(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/bad.mp4")
    page = person.sign_in(address(folder))
    person.allowed.append("422")
    choose(page, "bad", "Convert now")
    failed = row(page, "bad")
    problem = site.transcode(f"{folder}/bad.mp4").json()
    for view in ("List", "Grid"):
        page.get_by_role("button", name=view, exact=True).click()
        expect(failed.get_by_text("Failed")).to_be_visible()
        expect(failed.get_by_text(problem["detail"])).to_be_visible()
        expect(failed.get_by_text(problem["hint"])).to_be_visible()
        assert person.violations() == []
    expect(page.locator(".toast").get_by_text(problem["detail"])).to_be_visible()


def test_deleting_a_stream_asks_and_leaves_the_file(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    key = f"{folder}/a.mp4"
    put(site, key, data=media.bytes(CLIP))
    video = site.convert(key)
    page = person.sign_in(address(folder))
    choose(page, "a", re.compile("Delete the stream"))
    dialog = page.get_by_role("dialog", name="Delete the stream of “a”?")
    expect(dialog).to_contain_text(f"The file itself is kept: {BUCKET}/{key}.")
    assert person.violations() == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Actions for a")).to_be_focused()
    assert site.keys(f"{video}/")
    choose(page, "a", re.compile("Delete the stream"))
    dialog.get_by_role("button", name="Delete the stream").click()
    expect(row(page, "a").get_by_text("Not converted")).to_be_visible()
    until(lambda: not site.keys(f"{video}/"), "the stream is gone")
    assert site.read(key, bucket=BUCKET) == media.bytes(CLIP)


def test_clearing_the_cache_has_playlists_built_anew(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    put(site, f"{folder}/a.mp4", data=media.bytes(CLIP))
    video = site.convert(f"{folder}/a.mp4")
    site.playlist(site.video_url(video))
    assert any(video in name for name in site.redis.scan_iter("*playlist*"))
    page = person.sign_in(address(folder))
    choose(page, "a", "Clear cache")
    expect(page.get_by_text("The playlist cache of “a” is cleared.")).to_be_visible()
    assert not any(video in name and site.redis.type(name) == "hash" for name in site.redis.scan_iter("*playlist*"))


def test_the_lines_to_copy_work_in_a_shell(person: Tab, site: Stack, folder: str) -> None:
    key = f'{folder}/it\'s $HOME & 50 % "über".mp4'
    put(site, key)
    page = person.sign_in(address(folder))
    title = key.rpartition("/")[2].removesuffix(".mp4")
    choose(page, title, "Copy curl line: playlist")
    expect(page.get_by_text("Copied")).to_be_visible()
    playing = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    assert playing == ["curl", "--compressed", f"{person.origin}/stream/{BUCKET}/{quote_path(key)}/playlist.m3u8"]
    choose(page, title, "Copy curl line: convert")
    until(lambda: "POST" in page.evaluate("navigator.clipboard.readText()"), "the other line is copied")
    line = page.evaluate("navigator.clipboard.readText()")
    assert '-H "x-api-key: $TRANSCODE_API_KEY"' in line
    *_, body = shlex.split(line)
    assert json.loads(body) == {"asset_bucket": BUCKET, "asset_object": key, "profile": "ladder", "wait": False}


def test_it_copies_where_the_browser_has_no_clipboard_for_pages(person: Tab, site: Stack, folder: str) -> None:
    """As over plain HTTP from another host."""
    put(site, f"{folder}/a.mp4")
    person.page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})")
    page = person.sign_in(address(folder))
    choose(page, "a", "Copy curl line: playlist")
    expect(page.get_by_text("Copied")).to_be_visible()
    expect(page.get_by_role("button", name="Actions for a")).to_be_focused()
    page.get_by_role("searchbox").focus()
    page.keyboard.press("ControlOrMeta+v")
    expect(page.get_by_role("searchbox")).to_have_value(re.compile("^curl --compressed .*/playlist.m3u8$"))
    page.evaluate("document.execCommand = () => false")
    page.get_by_role("searchbox").fill("")
    choose(page, "a", "Copy curl line: playlist")
    expect(page.get_by_text("The browser does not allow this page to copy.")).to_be_visible()
    expect(page.get_by_text(re.compile("copy it yourself: curl --compressed"))).to_be_visible()


def test_everything_is_reached_by_the_keyboard_alone(person: Tab, site: Stack, media: MediaFolder, folder: str) -> None:
    put(site, f"{folder}/a.mp4", f"{folder}/b.mp4", data=media.bytes(CLIP))
    page = person.sign_in(address(folder))
    expect_titles(page, "a", "b")
    page.keyboard.press("/")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Actions for a":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Watch")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Convert now")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Copy curl line: convert")).to_be_focused()
    assert person.violations() == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_be_hidden()
    expect(page.get_by_role("button", name="Actions for a")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(row(page, "a").get_by_text("Live")).to_be_visible()
    expect(page.get_by_role("button", name="Actions for a")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/watch/{BUCKET}/{folder}/b.mp4")


def test_whoever_has_the_focus_keeps_it_when_rows_come_and_go(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/b.mp4", f"{folder}/c.mp4")
    page = person.sign_in(address(folder))
    page.get_by_role("link", name="b", exact=True).focus()
    put(site, f"{folder}/a.mp4")
    arrived = {"detail": {"bucket": BUCKET, "key": f"{folder}/a.mp4"}}
    page.evaluate("arrived => dispatchEvent(new CustomEvent('mam-uploaded', arrived))", arrived)
    expect_titles(page, "a", "b", "c")
    expect(page.get_by_role("link", name="b", exact=True)).to_be_focused()


def test_many_videos_are_loaded_as_one_scrolls_and_the_page_stays_small(person: Tab, site: Stack, folder: str) -> None:
    keys = [f"{folder}/video {number:04}.mp4" for number in range(400)]
    put(site, *keys, data=b"x")
    page = person.sign_in(address(folder))
    expect(page.get_by_role("status").filter(has_text="400 videos")).to_be_visible()
    expect(page.get_by_role("link", name="video 0000", exact=True)).to_be_visible()
    assert page.locator(".asset").count() < 200
    last = page.get_by_role("link", name="video 0399", exact=True)

    def reached() -> bool:
        page.mouse.wheel(0, 5000)
        return last.count() > 0 and last.is_visible()

    until(reached, "the last one is reached")
    expect(page.get_by_role("listitem").filter(has=last)).to_have_attribute("aria-posinset", "400")
    assert page.locator(".asset").count() < 300
    page.evaluate("scrollTo(0, 0)")
    expect(page.get_by_role("link", name="video 0000", exact=True)).to_be_visible()


def test_back_returns_to_where_one_was(person: Tab, site: Stack, folder: str) -> None:
    put(site, *(f"{folder}/video {number:04}.mp4" for number in range(100)), f"{folder}/deep/one.mp4", data=b"x")
    page = person.sign_in(address(folder, sort="-name"))
    link = page.get_by_role("link", name="video 0020", exact=True)

    def reached() -> bool:
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return link.count() > 0

    until(reached, "it is loaded")
    link.scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 500
    person.allowed.append("422")  # it is no video
    link.click()
    page.wait_for_url("**/watch/**")
    page.go_back()
    expect(link).to_be_in_viewport()


def test_a_service_that_is_away_is_said_and_tried_again(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}/a.mp4")
    page = person.sign_in(address(folder))
    expect_titles(page, "a")
    person.allowed.append("ERR_INTERNET_DISCONNECTED|ERR_FAILED")
    page.context.set_offline(True)
    page.get_by_label("Sort by").select_option("Newest first")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect_titles(page, "a")


def test_a_service_that_fails_is_not_asked_again_and_again(person: Tab, site: Stack, folder: str) -> None:
    put(site, *(f"{folder}/video {number:04}.mp4" for number in range(100)), data=b"x")
    person.page.route("**/assets?*cursor=*", lambda route: route.fulfill(status=503, body="away"))
    page = person.sign_in(address(folder, view="list"))
    expect(page.get_by_role("link", name="video 0000", exact=True)).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/assets?" in request.url else None)
    person.allowed.append("503")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    began = page.evaluate("performance.now()")
    until(lambda: page.evaluate("performance.now()") - began > 3000, "three seconds have passed")
    assert len(asked) <= 2
    page.unroute("**/assets?*cursor=*")
    page.get_by_role("button", name="Try again").click()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_role("link", name="video 0099", exact=True)).to_be_attached()
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_library_is_accessible_and_fits_a_phone(
    browser: Browser, site: Stack, media: MediaFolder, folder: str, scheme: str
) -> None:
    put(site, f"{folder}/live.mp4", data=media.bytes(CLIP))
    put(site, f"{folder}/failed with a long name that goes on and on.mp4", f"{folder}/new.mp4", f"{folder}/more/x.mp4")
    site.convert(f"{folder}/live.mp4")
    site.transcode(f"{folder}/failed with a long name that goes on and on.mp4")
    with tab(browser, site, viewport=PHONE, color_scheme=scheme) as person:
        page = person.sign_in(address(folder))
        for view in ("List", "Grid"):
            page.get_by_role("button", name=view, exact=True).click()
            expect(page.locator(".asset")).to_have_count(3)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert person.violations() == []
        page.set_viewport_size({"width": 1280, "height": 800})
        assert person.violations() == []


def test_the_first_load_is_small(person: Tab, site: Stack) -> None:
    sizes: dict[str, int] = {}

    def loaded(response: object) -> None:
        url, headers = response.url, response.headers  # type: ignore[attr-defined]
        if "/static/" in url:
            sizes[url] = int(headers.get("content-length", 0))

    person.page.on("response", loaded)
    page = person.sign_in("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Library")
    assert 5_000 < sum(sizes.values()) < 150_000
    names = [url.rpartition("/")[2] for url in sizes]
    assert not [name for name in names if name.startswith(("hls", "player"))]


def test_buckets_are_told_apart(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}-mine.mp4")
    site.put(f"{folder}-theirs.mp4", NO_VIDEO, bucket=OTHER_BUCKET)
    url = f"http://{site.vod.address}/assets/{OTHER_BUCKET}/{folder}-theirs.mp4"
    assert site.get(url, headers=_key(site)).status_code == 200
    page = person.sign_in("/")
    page.get_by_role("link", name=re.compile(f"^{OTHER_BUCKET}")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(OTHER_BUCKET)
    expect(page.get_by_role("link", name=f"{folder}-theirs")).to_be_visible()
    expect(page.get_by_role("link", name=f"{folder}-mine")).to_be_hidden()
    page.get_by_role("searchbox").fill(folder)
    expect_titles(page, f"{folder}-theirs")


def test_at_the_top_buckets_stand_and_none_of_their_videos_a_second_time(person: Tab, site: Stack, folder: str) -> None:
    put(site, f"{folder}.mp4")
    page = person.sign_in("/")
    expect(page.get_by_role("link", name=re.compile(f"^{OTHER_BUCKET}"))).to_be_visible()
    expect(page.locator(".asset-title")).to_have_count(0)


def test_a_live_video_is_converted_again_when_something_has_changed(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    key = site.put_listed(f"{folder}/talk.mp4", media.path(FILM))
    name = site.convert(key, profile="ladder")
    before = site.revision(name)
    page = person.sign_in(address(folder))
    expect(row(page, "talk").get_by_text("Live", exact=True)).to_be_visible()
    choose(page, "talk", "Convert again")
    expect(page.get_by_text("“talk” is up to date")).to_be_visible()
    site.put(f"{folder}/talk.en.srt", b"1\n00:00:00,000 --> 00:00:04,000\nHello\n")
    choose(page, "talk", "Convert again")
    expect(page.get_by_text("“talk” is being converted.")).to_be_visible()
    until(lambda: site.revision(name) != before, "it is made anew, with its subtitles")


def test_what_is_being_made_is_cancelled_from_its_menu(
    person: Tab, site: Stack, media: MediaFolder, folder: str
) -> None:
    key = site.put_listed(f"{folder}/long.mp4", media.path(LONG))
    page = person.sign_in(address(folder))
    expect(row(page, "long").get_by_text("Not converted")).to_be_visible()
    assert site.transcode(key, wait=False, profile="h264").status_code == 202
    expect(row(page, "long").get_by_text("Converting")).to_be_visible()  # the menu is that of the state it is opened in
    choose(page, "long", "Cancel the conversion")
    expect(page.get_by_text("The conversion of “long” is cancelled.")).to_be_visible()
    expect(row(page, "long").get_by_text("Not converted")).to_be_visible()
