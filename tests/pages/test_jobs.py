"""The jobs page: what a person sees of conversions while they happen, and does with them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dev.servers import start_redis
from tests.integration.steering import SLOW, clear, standing_still
from tests.integration.system import API_KEY, S3, Stack, own, own_stack, until
from tests.media import CLIP, FILM, LONG, VP9, MediaFolder
from tests.pages.browsing import DESKTOP, PATIENCE, PHONE, Tab, tab

pytestmark = pytest.mark.browser

POLL_MS = 20
LONG_PATIENCE = 6 * PATIENCE  # milliseconds that a conversion may take

# Notes each text that the row of a job has had: on a fast machine none of them stays for long.
WATCH = """folder => {
  window.seen = [];
  new MutationObserver(() => {
    const row = [...document.querySelectorAll("[data-job]")].find(row => row.innerText.includes(folder));
    if (row) window.seen.push(row.innerText);
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


@pytest.fixture(scope="module")
def system(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with own_stack(one_s3, tmp_path_factory.mktemp("slow"), TASK_LEASE_SECONDS="300", **SLOW) as stack:
        yield stack


@pytest.fixture
def slow(system: Stack) -> Iterator[Stack]:
    """A system that encodes slowly, on one slot, and has nothing to do. What stands still keeps its slot."""
    yield system
    clear(system)


def delete(stack: Stack, job: str) -> None:
    stack.delete(f"http://{stack.transcoder.address}/jobs/{job}")


def begin(stack: Stack, key: str, source: Path | bytes, **more: Any) -> str:
    """The job of a conversion that is not waited for."""
    answer = stack.transcode(stack.put(key, source), wait=False, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def getting_on(stack: Stack, key: str, media: MediaFolder) -> str:
    """The job of an encode of which some was made, and most was not."""
    job = begin(stack, key, media.path(LONG), reencode=True)
    until(lambda: stack.job(job).json()["progress"]["segments_done"], "something is made", seconds=90)
    return job


def row(page: Page, job: str) -> Locator:
    return page.locator(f'[data-job="{job}"]')


def toggle(page: Page, job: str) -> Locator:
    return row(page, job).locator("[aria-expanded]").first


def test_jobs_appear_get_on_and_end_without_a_reload(person: Tab, media: MediaFolder, folder: str) -> None:
    page = person.sign_in("/jobs")
    page.evaluate(WATCH, folder)
    job = begin(person.site, f"{folder}/My film.mp4", media.path(FILM), reencode=True)
    mine = row(page, job)
    expect(mine).to_contain_text(f"myvideos / {folder}")
    expect(mine.get_by_text("Done", exact=True)).to_be_visible(timeout=LONG_PATIENCE)
    expect(mine).to_contain_text("Took")
    watch = mine.get_by_role("link", name="Watch My film")
    expect(watch).to_have_attribute("href", f"/watch/myvideos/{folder}/My%20film.mp4")
    seen = page.evaluate("window.seen")
    assert any("Running" in text for text in seen)
    assert any("100" not in text and re.search(r"[1-9]\d? %", text) for text in seen), seen


def test_a_file_that_fails_says_why_and_what_to_do(person: Tab, media: MediaFolder, folder: str) -> None:
    answer = person.site.transcode(person.site.put(f"{folder}/cut.mp4", media.bytes(FILM)[:9000]))
    assert answer.status_code == 422
    page = person.sign_in("/jobs?state=failed")
    mine = page.locator("[data-job]", has_text=folder)
    expect(mine).to_contain_text(answer.json()["detail"])
    expect(mine).to_contain_text(answer.json()["hint"])
    mine.locator("[aria-expanded]").click()
    expect(mine.get_by_text("truncated_media")).to_be_visible()
    assert person.violations() == []
    page.get_by_role("link", name="Done").click()
    expect(mine).to_have_count(0)
    assert page.url.endswith("/jobs?state=succeeded")
    page.go_back()
    expect(mine).to_be_visible()


def test_what_cannot_be_copied_is_encoded_from_its_failure(person: Tab, media: MediaFolder, folder: str) -> None:
    assert person.site.transcode(person.site.put(f"{folder}/talk.mp4", media.path(VP9))).status_code == 422
    page = person.sign_in("/jobs")
    failed = page.locator("[data-job]", has_text=folder)
    failed.locator("[aria-expanded]").click()
    failed.get_by_role("button", name="Encode it instead").click()
    done = page.locator("[data-job]", has_text=folder).filter(has_text="Encoded")
    expect(done).to_contain_text("Copied where possible (auto)")
    expect(done.get_by_text("Done", exact=True)).to_be_visible(timeout=LONG_PATIENCE)
    done.get_by_text("Renditions").click()
    expect(done.get_by_text("Mbit/s").first).to_be_visible(timeout=LONG_PATIENCE)


def test_what_ffmpeg_said_last_is_there_when_it_has_failed(person: Tab, media: MediaFolder, folder: str) -> None:
    whole = media.bytes(FILM)
    start = whole.index(b"mdat") + 4
    key = person.site.put(f"{folder}/scrambled.mp4", whole[:start] + bytes(len(whole) - start))
    assert person.site.transcode(key, reencode=True).status_code == 422
    page = person.sign_in("/jobs")
    mine = page.locator("[data-job]", has_text=folder)
    mine.locator("[aria-expanded]").click()
    said = mine.get_by_role("region", name="Last output of ffmpeg")
    expect(said).to_contain_text(re.compile("nvalid|rror"))
    said.focus()
    expect(said).to_be_focused()


def test_an_open_job_shows_its_plan_its_command_and_how_far_it_is(
    browser: Browser, slow: Stack, media: MediaFolder, folder: str
) -> None:
    with tab(browser, slow) as person:
        job = getting_on(slow, f"{folder}/a.mp4", media)
        page = person.sign_in(f"/jobs?job={job}")
        mine = row(page, job)
        streams = mine.get_by_role("listitem").filter(has_text="asked for (reencode)")
        expect(streams).to_contain_text("Video")
        expect(streams).to_contain_text("320 × 180")
        expect(streams).to_contain_text("Encoded")
        expect(mine.get_by_role("listitem").filter(has_text="Audio")).to_contain_text("Copied")

        bar = mine.get_by_role("img", name="Progress by part")
        expect(bar).to_be_visible()
        expect(mine.get_by_text(re.compile(r"^\d+ of \d+ segments done, \d parts? running$"))).to_be_visible()
        expect(mine.get_by_role("region", name="The ffmpeg command")).to_contain_text("libx264")
        mine.get_by_role("button", name="Copy the command").click()
        assert "-filter_complex" in page.evaluate("navigator.clipboard.readText()")
        assert person.violations() == []
        delete(slow, job)
        expect(mine.get_by_text(re.compile("parts? running$"))).to_have_count(0)


def test_the_bar_of_an_open_job_is_asked_for_at_most_once_a_second(
    browser: Browser, slow: Stack, media: MediaFolder, folder: str
) -> None:
    with tab(browser, slow) as person:
        asked: list[str] = []
        person.page.on("request", lambda request: asked.append(request.url))
        job = getting_on(slow, f"{folder}/a.mp4", media)
        page = person.sign_in(f"/jobs?job={job}")
        expect(page.locator("#chunks-text")).to_be_visible()
        began = page.evaluate("performance.now()")
        asked.clear()
        until(lambda: page.evaluate("performance.now()") - began > 6000, "six seconds have passed")
        assert 1 <= len([url for url in asked if url.endswith("/chunks")]) <= 7


def test_a_job_is_cancelled_and_made_again_from_the_page(
    browser: Browser, slow: Stack, media: MediaFolder, folder: str
) -> None:
    with tab(browser, slow) as person:
        page = person.sign_in("/jobs")
        job = getting_on(slow, f"{folder}/a.mp4", media)
        until(lambda: slow.job(job).json()["progress"]["percent"] >= 10, "much of it is made", seconds=90)
        mine = row(page, job)
        cancel = mine.get_by_role("button", name="Cancel a")
        expect(mine.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"^\d\d"))
        cancel.click()
        asks = page.get_by_role("dialog", name="Cancel a?")
        expect(asks).to_contain_text("This work will be lost")
        assert person.violations() == []
        page.keyboard.press("Escape")
        expect(asks).to_be_hidden()
        expect(cancel).to_be_focused()
        assert slow.job(job).json()["state"] == "running"
        cancel.click()
        asks.get_by_role("button", name="Cancel the job").click()
        expect(mine.get_by_text("Cancelled at")).to_be_visible()
        expect(toggle(page, job)).to_be_focused()
        assert slow.job(job).json()["state"] == "cancelled"
        mine.get_by_role("button", name="Try a again").click()
        expect(mine.get_by_text("Running", exact=True)).to_be_visible()
        assert slow.job(job).json()["state"] in ("queued", "running")


def test_a_job_of_a_higher_priority_goes_first(browser: Browser, slow: Stack, media: MediaFolder, folder: str) -> None:
    with tab(browser, slow) as person:
        getting_on(slow, f"{folder}/first.mp4", media)
        with standing_still(slow):
            second = begin(slow, f"{folder}/second.mp4", media.path(LONG), reencode=True)
            third = begin(slow, f"{folder}/third.mp4", media.path(CLIP), reencode=True)
            page = person.sign_in("/jobs")
            expect(row(page, second).get_by_text("waiting for a free worker")).to_be_visible()
            row(page, third).get_by_label("Priority of third").select_option("High priority")
            expect(page.get_by_role("status").filter(has_text="third: high priority.")).to_be_visible()
            assert slow.job(third).json()["priority"] == "high"
        expect(row(page, third).get_by_text("Done", exact=True)).to_be_visible(timeout=LONG_PATIENCE)
        assert slow.job(second).json()["progress"]["segments_done"] == 0


def test_a_stranger_sees_that_no_worker_is_there(
    browser: Browser, one_s3: S3, tmp_path: Path, media: MediaFolder, folder: str
) -> None:
    with start_redis(tmp_path / "redis", persist=False) as server:
        env = own(one_s3.server.address, server.port, EMBEDDED_WORKERS="0")
        with Stack(one_s3, env, tmp_path / "services").running() as stack, tab(browser, stack) as person:
            page = person.sign_in("/jobs")
            expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
            expect(page.get_by_role("link", name="Go to the library")).to_have_attribute("href", "/")
            notice = page.locator(".notice", has_text="No worker is running")
            expect(notice).to_contain_text("EMBEDDED_WORKERS")
            url = f"http://{stack.transcoder.address}/transcode"
            body = {"asset_bucket": "myvideos", "asset_object": stack.put(f"{folder}/a.mp4", media.path(CLIP))}
            with pytest.raises(Exception, match="timed out"):  # nobody plans it
                stack.http.post(url, json=body, headers={"x-api-key": API_KEY}, timeout=2)
            expect(notice).to_contain_text("one task waits")
            expect(page.get_by_text("Next in the queue")).to_be_visible()
            assert person.violations() == []


def test_a_lost_connection_is_told_of_and_comes_back_by_itself(
    browser: Browser, one_s3: S3, tmp_path: Path, media: MediaFolder, folder: str
) -> None:
    with start_redis(tmp_path / "redis", persist=False) as server:
        env = own(one_s3.server.address, server.port)
        with Stack(one_s3, env, tmp_path / "services").running() as stack, tab(browser, stack) as person:
            page = person.sign_in("/jobs")
            expect(page.get_by_text("queue is empty")).to_be_visible()
            person.allowed.append("503|ERR_")
            stack.transcoder.terminate()
            expect(page.get_by_text("Connection lost")).to_be_visible(timeout=LONG_PATIENCE)
            stack.transcoder.stop()
            stack.start_transcoder()
            expect(page.get_by_text("Connection lost")).to_be_hidden(timeout=LONG_PATIENCE)
            stack.wait_until_ready()
            job = begin(stack, f"{folder}/a.mp4", media.path(CLIP))
            expect(row(page, job).get_by_text("Done", exact=True)).to_be_visible(timeout=LONG_PATIENCE)


def test_two_tabs_show_the_same(browser: Browser, slow: Stack, media: MediaFolder, folder: str) -> None:
    with tab(browser, slow) as one:
        page = one.sign_in("/jobs")
        with tab(browser, slow, context=page.context) as other:
            other.open("/jobs")
            job = begin(slow, f"{folder}/a.mp4", media.path(LONG), reencode=True)
            for each in (page, other.page):
                expect(row(each, job).get_by_role("button", name="Cancel a")).to_be_visible()
            row(page, job).get_by_label("Priority of a").select_option("Low priority")
            expect(row(other.page, job).get_by_label("Priority of a")).to_have_value("low")
            delete(slow, job)
            for each in (page, other.page):
                expect(row(each, job).get_by_text(re.compile("^Cancelled (at|before)"))).to_be_visible()


def test_what_is_open_and_has_the_focus_stays_so_while_jobs_get_on(
    browser: Browser, slow: Stack, media: MediaFolder, folder: str
) -> None:
    with tab(browser, slow) as person:
        page = person.sign_in("/jobs")
        job = getting_on(slow, f"{folder}/a.mp4", media)
        toggle(page, job).click()
        expect(toggle(page, job)).to_have_attribute("aria-expanded", "true")
        begin(slow, f"{folder}/b.mp4", media.path(LONG), reencode=True)
        expect(page.locator("[data-job]", has_text=folder)).to_have_count(2)
        done = row(page, job).get_by_role("progressbar").get_attribute("aria-valuenow")
        expect(row(page, job).get_by_role("progressbar")).not_to_have_attribute(
            "aria-valuenow", str(done), timeout=LONG_PATIENCE
        )
        expect(toggle(page, job)).to_be_focused()
        delete(slow, job)  # its row moves, to those that have ended
        expect(row(page, job).get_by_text("Cancelled at")).to_be_visible()
        expect(toggle(page, job)).to_be_focused()
        expect(toggle(page, job)).to_have_attribute("aria-expanded", "true")


def test_the_keyboard_alone_opens_searches_and_filters(person: Tab, media: MediaFolder, folder: str) -> None:
    site = person.site
    for name in ("alpha", "beta"):
        site.convert(site.put(f"{folder}/{name}.mp4", media.path(CLIP)))
    page = person.sign_in("/jobs")
    expect(page.locator("[data-job]", has_text=folder)).to_have_count(2)

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText").startswith(name):
                return
        raise AssertionError(f"Tab does not lead to {name!r}.")

    expect(page.get_by_role("button", name="Workers and queues")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    tab_to("Workers and queues")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    tab_to("Done")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?state=succeeded$"))
    page.get_by_role("searchbox").focus()
    page.keyboard.type(f"{folder} alp")
    expect(page.locator("[data-job]")).to_have_count(1)
    tab_to("alpha")
    page.keyboard.press("Space")
    expect(page.get_by_role("region", name="More about alpha")).to_be_visible()
    assert re.search(r"\?state=succeeded&job=[0-9a-f]{12}$", page.url)
    page.reload()
    expect(page.get_by_role("region", name="More about alpha")).to_be_visible()
    page.get_by_role("searchbox").fill("no such name")
    expect(page.get_by_role("heading", name="No job matches “no such name”.")).to_be_visible()


def test_older_jobs_are_shown_on_request(person: Tab, media: MediaFolder, folder: str) -> None:
    """They are what Redis says they are: an older job is a copy of one that was made."""
    site = person.site
    site.convert(site.put(f"{folder}/a.mp4", media.path(CLIP)))
    revision = site.revision(f"{folder}/a")
    made = site.hash(f"mam:job:{revision}")
    copies = [f"{number:012x}" for number in range(120)]
    yesterday = time.time() - 24 * 3600  # the reaper forgets what is two weeks old
    try:
        for number, job in enumerate(copies):
            times = dict.fromkeys(("created_at", "finished_at", "updated_at"), str(yesterday + number))
            fields: dict[Any, Any] = {**made, **times, "key": f"{folder}/old {number}.mp4"}
            site.redis.hset(f"mam:job:{job}", mapping=fields)
            site.redis.zadd("mam:jobs", {job: yesterday + number})
        page = person.sign_in("/jobs?state=succeeded")
        older = page.get_by_role("button", name="Show older jobs")
        expect(older).to_be_visible()
        while older.is_visible():
            before = page.locator("[data-job]").count()
            older.click()
            expect(page.locator("[data-job]").nth(before)).to_be_attached()
        expect(page.locator("[data-job]", has_text=f"{folder}")).to_have_count(len(copies) + 1)
    finally:
        site.redis.delete(*(f"mam:job:{job}" for job in copies))
        site.redis.zrem("mam:jobs", *copies)


def test_of_all_that_ends_the_last_ones_are_shown(person: Tab, media: MediaFolder, folder: str) -> None:
    site = person.site
    site.convert(site.put(f"{folder}/a.mp4", media.path(CLIP)))
    made = site.job(site.revision(f"{folder}/a")).json()
    moments = [made["finished_at"] + 1 + number for number in range(250)]
    told = "".join(
        f"event: job\ndata: {json.dumps({**made, 'id': f'{number:012x}', 'finished_at': at, 'updated_at': at})}\n\n"
        for number, at in enumerate(moments)
    )
    stream = f"retry: 600000\n\n{told}"
    person.page.route("**/api/events", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    page = person.sign_in("/jobs")
    rows = page.locator("[data-job]")
    expect(rows.first).to_have_attribute("data-job", f"{249:012x}")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Show older jobs").click()
    expect(rows).to_have_count(200)


# What a browser says of a tab that is in the background, or is not any more.
HIDE = """isHidden => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_what_ended_while_nobody_saw_the_tab_is_shown_to_have(
    browser: Browser, slow: Stack, media: MediaFolder, folder: str
) -> None:
    with tab(browser, slow) as person:
        closed: list[str] = []
        person.page.on("requestfailed", lambda request: closed.append(request.url))
        page = person.sign_in("/jobs")
        job = getting_on(slow, f"{folder}/a.mp4", media)
        expect(row(page, job).get_by_text("Running", exact=True)).to_be_visible()
        page.evaluate(HIDE, True)

        def is_closed() -> bool:
            page.wait_for_timeout(POLL_MS)
            return f"{person.origin}/api/events" in closed

        until(is_closed, "the stream is closed")
        delete(slow, job)
        # Nobody tells of it any more, and among the newest it is not either.
        silence = "retry: 600000\n\n"
        page.route("**/api/events", lambda route: route.fulfill(content_type="text/event-stream", body=silence))
        page.route("**/api/jobs?limit=50", lambda route: route.fulfill(json={"jobs": [], "next_cursor": None}))
        page.evaluate(HIDE, False)
        expect(row(page, job).get_by_text("Cancelled at")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_for_everyone_on_a_phone_and_a_desktop(
    browser: Browser, slow: Stack, media: MediaFolder, folder: str, scheme: str
) -> None:
    job = getting_on(slow, f"{folder}/a title that goes on and on, as titles of lectures do.mp4", media)
    slow.transcode(slow.put(f"{folder}/cut.mp4", media.bytes(FILM)[:9000]))
    for size in (DESKTOP, PHONE):
        with tab(browser, slow, color_scheme=scheme, viewport=size) as person:
            page = person.sign_in(f"/jobs?job={job}")
            expect(page.locator("#chunks-text")).to_be_visible()
            page.get_by_role("button", name="Workers and queues").click()
            expect(page.get_by_role("heading", name="Queues")).to_be_visible()
            assert person.violations() == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
