"""Uploads as a person does them, into a real store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, FileChooser, Locator, Page, Request, Route, expect

from mam.naming import quote_path
from mam.store.multipart import Multipart
from tests.integration.system import API_KEY, BUCKET, OTHER_BUCKET, Stack, until
from tests.integration.test_uploads import padded
from tests.media import CLIP, MediaFolder
from tests.pages.browsing import PHONE, Tab, tab

pytestmark = pytest.mark.browser

MIB = 1 << 20
PART = 8 * MIB
POLL_MS = 20
PUTS = "**/*partNumber=*"


@pytest.fixture
def film(media: MediaFolder, tmp_path: Path) -> Path:
    """A video of five parts."""
    return padded(media.path(CLIP), tmp_path / "film.mp4", 4 * PART + 5)


@pytest.fixture
def clip(media: MediaFolder, tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(media.path(CLIP).read_bytes())
    return path


def library(person: Tab, folder: str) -> Page:
    """The library at a folder of the test's own, with somebody signed in."""
    return person.sign_in(f"/?bucket={BUCKET}&folder={folder}/")


def choose(page: Page, *files: Path, name: str = "files") -> None:
    page.locator(f"mam-upload-button input[name={name}]").set_input_files([str(file) for file in files])


def drag(page: Page, *files: Path) -> Callable[[str], None]:
    """Drags files from outside over the page. What comes back ends it, by "drop" or "dragCancel"."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}

    def event(kind: str) -> None:
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 400, "data": data})

    event("dragEnter")
    event("dragOver")
    return event


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name="Uploads").get_by_role("listitem").filter(has_text=name)


def is_there(site: Stack, key: str, path: Path) -> bool:
    digest = hashlib.sha256(site.read(key, bucket=BUCKET)).digest()
    return digest == hashlib.sha256(path.read_bytes()).digest()


def number(request: Request) -> int:
    return int(parse_qs(urlsplit(request.url).query)["partNumber"][0])


class Line:
    """What a tab sends to the store. `parts`: so many get through; the others wait for `widen`."""

    def __init__(self, page: Page, *, parts: int | None = None) -> None:
        self._page = page
        self.sent: list[int] = []
        self.arrived: list[int] = []
        self._parts = parts
        self._waiting: list[Route] = []
        self._under_way: set[Request] = set()
        self.most = 0  # that were under way at a time
        page.route(PUTS, self._put)
        page.on("request", self._begun)
        page.on("requestfinished", self._finished)
        page.on("requestfailed", lambda request: self._under_way.discard(request))

    @property
    def held(self) -> int:
        return len(self._waiting)

    def wait_for(self, parts: int) -> None:
        """Waits until so many parts have arrived."""
        self.wait_until(lambda: len(self.arrived) >= parts, f"{parts} parts have arrived")

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        def is_so() -> object:
            self._page.wait_for_timeout(POLL_MS)  # the browser is heard only meanwhile
            return condition()

        until(is_so, what)

    def _put(self, route: Route) -> None:
        if route.request.method != "PUT" or self._parts is None or number(route.request) <= self._parts:
            self._go(route)
        else:
            self._waiting.append(route)

    def _go(self, route: Route) -> None:
        if route.request.method == "PUT":
            self.sent.append(number(route.request))
        route.continue_()

    def _begun(self, request: Request) -> None:
        if request.method == "PUT":
            self._under_way.add(request)
            self.most = max(self.most, len(self._under_way))

    def _finished(self, request: Request) -> None:
        self._under_way.discard(request)
        if request.method == "PUT":
            self.arrived.append(number(request))

    def widen(self) -> None:
        """Lets all through."""
        self._parts = None
        waiting, self._waiting = self._waiting, []
        for route in waiting:
            self._go(route)

    def widen_anew(self) -> None:
        """Lets all through from here on, and counts from here on. What is held never goes on.

        The page has given that up; but a small part could arrive before the browser takes its request back.
        """
        self._waiting.clear()
        self.widen()
        self.sent.clear()


def reload(page: Page) -> None:
    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def accept_leaving(page: Page) -> list[str]:
    """Answers "Leave" to the browser's question; the kinds of questions that were asked."""
    asked: list[str] = []

    def answer(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]

    page.on("dialog", answer)
    return asked


def test_a_chosen_file_arrives_byte_for_byte_and_is_watched(
    browser: Browser, stack: Stack, film: Path, folder: str
) -> None:
    with tab(browser, stack) as person:
        arrives(person, film, folder)


def arrives(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    page.evaluate("addEventListener('mam-uploaded', ({detail}) => (window.told ??= []).push(detail))")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload", exact=True).click()
    chooser.value.set_files(str(film))
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert is_there(person.site, f"{folder}/film.mp4", film)
    assert page.evaluate("window.told") == [{"bucket": BUCKET, "key": f"{folder}/film.mp4"}]
    expect(row(page, "film.mp4")).to_contain_text("0:", timeout=60_000)  # how long it plays
    row(page, "film.mp4").get_by_role("link", name="Watch film.mp4").click()
    assert urlsplit(page.url).path == f"/watch/{BUCKET}/{folder}/film.mp4"
    assert page.evaluate("localStorage.getItem('mam-uploads')") is None, "nothing is remembered of what is over"
    playlist = person.site.playlist(person.site.stream_url(f"{folder}/film.mp4"))
    assert playlist.segments or playlist.playlists  # the page may have had a ladder made of it by now


def test_a_folder_keeps_its_paths_and_what_is_no_video_is_left_out(
    person: Tab, clip: Path, folder: str, tmp_path: Path
) -> None:
    names = [f"courses/{part}/lesson {n}.mp4" for part in ("one", "two") for n in range(1, 4)]
    for name in names:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(clip.read_bytes())
    (tmp_path / "courses" / "notes.txt").write_text("not a video")
    (tmp_path / "courses" / ".DS_Store").write_text("of the system")
    page = library(person, folder)
    choose(page, tmp_path / "courses", name="folder")
    expect(page.get_by_role("heading", name="6 files uploaded")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("“notes.txt” was skipped")).to_be_visible()
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == {f"{folder}/{name}" for name in names}
    page.get_by_role("button", name="Close uploads").click()
    expect(page.get_by_role("region", name="Uploads")).to_have_count(0)


def test_a_few_parts_are_under_way_at_a_time_whatever_is_chosen(
    person: Tab, media: MediaFolder, tmp_path: Path, folder: str
) -> None:
    films = [padded(media.path(CLIP), tmp_path / f"{n}.mp4", 4 * PART + n) for n in range(3)]
    page = library(person, folder)
    line = Line(page, parts=0)
    choose(page, *films)
    line.wait_until(lambda: line.held == 6, "six parts are under way")
    expect(row(page, "2.mp4")).to_contain_text("Waiting")
    page.get_by_role("button", name="Pause all").click()
    expect(page.get_by_role("heading", name="3 files paused")).to_be_visible()
    line.widen_anew()
    page.get_by_role("button", name="Resume all").click()
    expect(page.get_by_role("heading", name="3 files uploaded")).to_be_visible(timeout=60_000)
    assert line.most <= 6
    assert all(is_there(person.site, f"{folder}/{film.name}", film) for film in films)


def test_dropped_files_and_folders_go_where_the_overlay_says(
    person: Tab, clip: Path, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.mp4").write_bytes(clip.read_bytes())
    page = library(person, folder)
    event = drag(page, clip, tmp_path / "deep")
    expect(page.locator(".drop")).to_contain_text(f"into {BUCKET} / {folder}")
    event("drop")
    expect(page.get_by_role("heading", name="2 files uploaded")).to_be_visible()
    expect(page.locator(".drop")).to_have_count(0)
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == {f"{folder}/clip.mp4", f"{folder}/deep/er/b.mp4"}


def test_what_cannot_be_read_of_a_dropped_folder_is_named_and_the_rest_arrives(
    person: Tab, clip: Path, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / "deep" / name).write_bytes(clip.read_bytes())
    page = library(person, folder)
    page.evaluate("""() => {
      const { getFile } = FileSystemFileHandle.prototype;
      const refused = () => Promise.reject(new DOMException("gone", "NotFoundError"));
      FileSystemFileHandle.prototype.getFile = function () {
        return this.name === "b.mp4" ? refused() : getFile.call(this);
      };
    }""")
    drag(page, tmp_path / "deep")("drop")
    expect(page.get_by_role("heading", name="2 files uploaded")).to_be_visible()
    expect(page.get_by_text("“b.mp4” was skipped: the browser cannot read it.")).to_be_visible()
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == {f"{folder}/deep/{name}" for name in ("a.mp4", "c.mp4")}


def test_subtitles_stay_with_the_video_that_they_came_with(
    person: Tab, clip: Path, folder: str, tmp_path: Path
) -> None:
    site = person.site
    site.put(f"{folder}/talk.mp4", b"somebody else's")
    files = [clip.rename(tmp_path / "talk.mp4")]
    for name in ("talk.srt", "talk.en.forced.srt", "talk.mp4.de.vtt", "alone.srt"):
        files.append(tmp_path / name)
        files[-1].write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n")
    page = library(person, folder)
    choose(page, *reversed(files))  # whatever comes first
    expect(page.get_by_role("heading", name="5 files uploaded")).to_be_visible()
    expect(row(page, "talk.srt")).to_contain_text("The name was taken. It is stored as “talk (2).srt”.")
    ours = ("talk (2).mp4", "talk (2).srt", "talk (2).en.forced.srt", "talk (2).mp4.de.vtt", "alone.srt")
    assert site.keys(f"{folder}/", bucket=BUCKET) == {f"{folder}/{name}" for name in ("talk.mp4", *ours)}


def test_subtitles_do_not_wait_for_a_video_that_is_refused(
    person: Tab, clip: Path, folder: str, tmp_path: Path
) -> None:
    files = [clip.rename(tmp_path / "talk.mp4"), tmp_path / "talk.srt"]
    files[1].write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    page = library(person, folder)
    held: list[Route] = []

    def begin(route: Route) -> None:
        if route.request.method == "POST" and "talk.mp4" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/uploads", begin)
    choose(page, *files)

    def is_begun() -> bool:
        page.wait_for_timeout(POLL_MS)
        return bool(held)

    until(is_begun, "the video is begun")
    expect(row(page, "talk.srt")).to_contain_text("Waiting")
    person.allowed.append("403")
    held.pop().fulfill(status=403, body="refused")
    expect(row(page, "talk.srt")).to_contain_text("Uploaded")
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == {f"{folder}/talk.srt"}


# Chooses as many files as a folder may have, and notes how often each is looked at.
CHOOSE_MANY = """count => {
  const { get } = Object.getOwnPropertyDescriptor(File.prototype, "lastModified");
  window.looks = 0;
  Object.defineProperty(File.prototype, "lastModified", { get() { window.looks += 1; return get.call(this); } });
  const chosen = new DataTransfer();
  for (let n = 0; n < count; n += 1) chosen.items.add(new File(["x"], `${n}.mp4`, { lastModified: n }));
  const input = document.querySelector("mam-upload-button input[name=files]");
  input.files = chosen.files;
  input.dispatchEvent(new Event("change"));
}"""


def test_of_thousands_of_files_each_is_looked_at_once(person: Tab, folder: str) -> None:
    page = library(person, folder)
    page.route("**/uploads", lambda route: None if route.request.method == "POST" else route.continue_())
    page.evaluate(CHOOSE_MANY, 2000)
    expect(page.get_by_role("heading", name="Uploading 2000 files")).to_be_visible()
    assert page.evaluate("window.looks") == 2000
    page.get_by_role("button", name="Pause all").click()
    expect(page.get_by_role("heading", name="2000 files paused")).to_be_visible()
    expect(page.get_by_role("region", name="Uploads").get_by_role("listitem")).to_have_count(30)
    page.unroute("**/uploads")


def test_of_many_that_have_arrived_the_last_ones_are_shown(person: Tab, folder: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.srt" for number in range(33)]
    for file in files:
        file.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    page = library(person, folder)
    choose(page, *files)
    expect(page.get_by_role("heading", name="33 files uploaded")).to_be_visible()
    expect(page.get_by_text("3 more files were uploaded before these.")).to_be_visible()
    expect(page.get_by_role("region", name="Uploads").get_by_role("listitem")).to_have_count(30)
    page.get_by_role("button", name="Close uploads").click()
    expect(page.get_by_role("region", name="Uploads")).to_have_count(0)


def test_a_reload_in_the_middle_costs_no_part_that_has_arrived(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    asked = accept_leaving(page)
    line = Line(page, parts=2)
    choose(page, film)
    line.wait_for(2)
    page.get_by_role("heading", name="Uploading 1 file").click()  # browsers ask only after a click
    person.allowed.append("ERR_ABORTED|ERR_FAILED")
    reload(page)
    assert asked == ["beforeunload"]
    expect(row(page, "film.mp4")).to_contain_text("16.8 MB of 33.6 MB")
    expect(page.get_by_role("heading", name="1 upload was interrupted")).to_be_visible()
    line.widen_anew()
    with page.expect_file_chooser() as chooser:
        row(page, "film.mp4").get_by_role("button", name="Choose the file film.mp4").click()
    chooser.value.set_files(str(film))
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert sorted(line.sent) == [3, 4, 5]
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_a_dropped_file_goes_on_after_a_reload_by_one_click(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    accept_leaving(page)
    line = Line(page, parts=2)
    drag(page, film)("drop")
    line.wait_for(2)
    person.allowed.append("ERR_ABORTED|ERR_FAILED")
    reload(page)
    expect(row(page, "film.mp4")).to_contain_text("can be resumed")
    line.widen_anew()
    row(page, "film.mp4").get_by_role("button", name="Resume film.mp4").click()
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert sorted(line.sent) == [3, 4, 5]
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_another_file_does_not_go_on_with_an_interrupted_one(person: Tab, film: Path, clip: Path, folder: str) -> None:
    page = library(person, folder)
    accept_leaving(page)
    line = Line(page, parts=1)
    choose(page, film)
    line.wait_for(1)
    person.allowed.append("ERR_ABORTED|ERR_FAILED")
    reload(page)
    with page.expect_file_chooser() as chooser:
        row(page, "film.mp4").get_by_role("button", name="Choose the file film.mp4").click()
    chooser.value.set_files(str(clip))
    expect(row(page, "film.mp4")).to_contain_text("This is not the “film.mp4” that was interrupted.")
    row(page, "film.mp4").get_by_role("button", name="Cancel film.mp4").click()
    expect(row(page, "film.mp4")).to_have_count(0)
    until(lambda: not list(Multipart(person.site.settings).unfinished(f"{folder}/")), "the store has no parts of it")


def test_a_lost_network_is_waited_for(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    line = Line(page, parts=2)
    choose(page, film)
    line.wait_for(2)
    person.allowed.append("ERR_INTERNET_DISCONNECTED|ERR_FAILED|ERR_ABORTED")
    line.sent.clear()
    page.context.set_offline(True)
    line.widen()
    expect(row(page, "film.mp4")).to_contain_text("Connection lost. The upload resumes by itself.")
    page.context.set_offline(False)
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert {1, 2}.isdisjoint(line.sent)
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_an_url_that_has_ended_is_asked_for_anew(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    refused: list[str] = []

    def put(route: Route) -> None:
        if route.request.method == "PUT" and not refused:
            refused.append(route.request.url)
            route.continue_(url=route.request.url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))
        else:
            assert route.request.url not in refused
            route.continue_()

    page.route(PUTS, put)
    person.allowed.append("403")
    choose(page, film)
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert refused
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_a_pause_sends_nothing_and_what_was_sent_stays(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    line = Line(page, parts=2)
    choose(page, film)
    line.wait_for(2)
    row(page, "film.mp4").get_by_role("button", name="Pause film.mp4").click()
    expect(row(page, "film.mp4")).to_contain_text("Paused · 16.8 MB of 33.6 MB")
    line.widen_anew()
    page.get_by_role("link", name="Jobs").click()
    expect(row(page, "film.mp4")).to_contain_text("Paused")
    row(page, "film.mp4").get_by_role("button", name="Resume film.mp4").click()
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert sorted(line.sent) == [3, 4, 5]
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_it_goes_on_while_one_looks_at_other_pages(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    line = Line(page, parts=2)
    choose(page, film)
    line.wait_for(2)
    page.get_by_role("link", name="Jobs").click()
    expect(row(page, "film.mp4")).to_contain_text("16.8 MB of 33.6 MB")
    line.widen()
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_a_session_that_ends_in_the_middle_is_taken_up_again(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    line = Line(page, parts=2)
    choose(page, film)
    line.wait_for(2)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    line.widen_anew()
    page.get_by_label("API key").fill(API_KEY)
    page.keyboard.press("Enter")
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert sorted(line.sent) == [3, 4, 5]
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_cancelling_throws_away_what_has_arrived_and_asks_when_that_is_much(
    person: Tab, media: MediaFolder, tmp_path: Path, folder: str
) -> None:
    film = padded(media.path(CLIP), tmp_path / "long.mp4", 6 * PART)
    page = library(person, folder)
    line = Line(page, parts=4)
    choose(page, film)
    line.wait_for(4)
    assert len(list(Multipart(person.site.settings).unfinished(f"{folder}/"))) == 1
    cancel = row(page, "long.mp4").get_by_role("button", name="Cancel long.mp4")
    cancel.click()
    page.get_by_role("dialog").get_by_role("button", name="Keep uploading").click()
    expect(row(page, "long.mp4")).to_be_visible()
    cancel.click()
    assert person.violations() == []
    page.get_by_role("dialog").get_by_role("button", name="Cancel the upload").click()
    expect(row(page, "long.mp4")).to_have_count(0)
    until(lambda: not list(Multipart(person.site.settings).unfinished(f"{folder}/")), "the store has no parts of it")
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == set()
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"


def test_what_is_no_video_is_named_so_and_can_be_removed(person: Tab, tmp_path: Path, folder: str) -> None:
    (tmp_path / "fake.mp4").write_bytes(b"not at all a film" * 100)
    page = library(person, folder)
    choose(page, tmp_path / "fake.mp4")
    found = row(page, "fake.mp4")
    expect(found.get_by_role("button", name="Remove the file fake.mp4")).to_be_visible(timeout=60_000)
    expect(found).to_contain_text("Upload an MP4, MOV or M4A file.")
    assert person.violations() == []
    reload(page)
    expect(found).to_contain_text("Upload an MP4, MOV or M4A file.")
    found.get_by_role("button", name="Remove the file fake.mp4").click()
    expect(found).to_have_count(0)
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == set()


def test_what_is_not_taken_is_named_before_a_byte_goes(person: Tab, tmp_path: Path, folder: str) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "nothing.mp4").touch()
    with (tmp_path / "huge.mp4").open("wb") as huge:
        huge.truncate((50 << 30) + 1)
    page = library(person, folder)
    line = Line(page)
    person.allowed.append("422")
    choose(page, *(tmp_path / name for name in ("notes.pdf", "nothing.mp4", "huge.mp4")))
    expect(row(page, "notes.pdf")).to_contain_text("'notes.pdf' is none of")
    expect(row(page, "notes.pdf")).to_contain_text("Upload an MP4, MOV or M4A file")
    expect(row(page, "nothing.mp4")).to_contain_text("is empty")
    expect(row(page, "huge.mp4")).to_contain_text("MAX_UPLOAD_BYTES")
    assert line.sent == []
    assert person.violations() == []
    row(page, "notes.pdf").get_by_role("button", name="Remove notes.pdf from the list").click()
    expect(row(page, "notes.pdf")).to_have_count(0)


def test_a_taken_name_gets_a_number_and_says_so(person: Tab, clip: Path, folder: str) -> None:
    person.site.put(f"{folder}/clip.mp4", b"there")
    page = library(person, folder)
    choose(page, clip)
    expect(row(page, "clip.mp4")).to_contain_text("The name was taken. It is stored as “clip (2).mp4”.")
    expect(row(page, "clip.mp4")).to_contain_text("Uploaded")
    link = row(page, "clip.mp4").get_by_role("link", name="Watch")
    expect(link).to_have_attribute("href", quote_path(f"/watch/{BUCKET}/{folder}/clip (2).mp4"))
    assert person.site.read(f"{folder}/clip.mp4", bucket=BUCKET) == b"there"


def test_a_second_tab_does_not_send_what_the_first_one_sends(
    browser: Browser, person: Tab, film: Path, folder: str
) -> None:
    page = library(person, folder)
    line = Line(page, parts=2)
    choose(page, film)
    line.wait_for(2)
    with tab(browser, person.site, context=page.context) as other:
        second = Line(other.page)
        other.open(f"/?bucket={BUCKET}&folder={folder}/")
        expect(other.page.get_by_role("button", name="Sign out")).to_be_visible()
        expect(other.page.get_by_role("region", name="Uploads")).to_have_count(0)
        choose(other.page, film)
        expect(row(other.page, "film.mp4")).to_contain_text("Uploading in another tab")
        line.widen()
        expect(row(page, "film.mp4")).to_contain_text("Uploaded")
        expect(row(other.page, "film.mp4")).to_contain_text("Uploaded")
        assert second.sent == []
    assert person.site.keys(f"{folder}/", bucket=BUCKET) == {f"{folder}/film.mp4"}


def test_a_second_tab_goes_on_when_the_first_one_is_closed(
    browser: Browser, person: Tab, film: Path, folder: str
) -> None:
    page = library(person, folder)
    with tab(browser, person.site, context=page.context) as first:
        first.open(f"/?bucket={BUCKET}&folder={folder}/")
        line = Line(first.page, parts=2)
        choose(first.page, film)
        line.wait_for(2)
        second = Line(page)
        choose(page, film)
        expect(row(page, "film.mp4")).to_contain_text("Uploading in another tab")
    expect(row(page, "film.mp4")).to_contain_text("Uploaded")
    assert {1, 2}.isdisjoint(second.sent)
    assert is_there(person.site, f"{folder}/film.mp4", film)


def test_it_works_with_the_keyboard_alone(person: Tab, film: Path, folder: str) -> None:
    page = library(person, folder)
    line = Line(page, parts=2)
    choosers: list[FileChooser] = []

    def asked_for_files(chooser: FileChooser) -> None:
        choosers.append(chooser)

    page.on("filechooser", asked_for_files)
    page.get_by_role("button", name="More ways to upload").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Upload files …")).to_be_focused()
    assert person.violations() == []
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Upload a folder …")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="More ways to upload")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    line.wait_until(lambda: choosers, "it asks for files")
    choosers[0].set_files(str(film))
    line.wait_for(2)
    reached(page, "Pause film.mp4")
    page.keyboard.press("Enter")
    expect(row(page, "film.mp4")).to_contain_text("Paused")
    reached(page, "Cancel film.mp4")
    page.keyboard.press("Space")
    expect(row(page, "film.mp4")).to_have_count(0)
    until(lambda: not list(Multipart(person.site.settings).unfinished(f"{folder}/")), "the store has no parts of it")


def reached(page: Page, name: str) -> None:
    """Tabs on until the button of that name has the focus."""
    for _ in range(40):
        if page.evaluate("document.activeElement?.getAttribute('aria-label')") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Nobody gets to {name!r} with Tab.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_tray_is_accessible_and_fits(
    browser: Browser, site: Stack, film: Path, clip: Path, tmp_path: Path, folder: str, scheme: str, size: str
) -> None:
    options: dict[str, Any] = {"viewport": PHONE, "is_mobile": True} if size == "phone" else {}
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.4")
    with tab(browser, site, color_scheme=scheme, **options) as person:
        page = library(person, folder)
        line = Line(page, parts=2)
        person.allowed.append("422")
        choose(page, film, clip, tmp_path / "notes.pdf")
        expect(row(page, "notes.pdf")).to_contain_text("is none of")
        expect(row(page, "clip.mp4")).to_contain_text("Uploaded · ", timeout=60_000)
        assert person.violations() == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
        page.get_by_role("button", name="Collapse uploads").click()
        expect(row(page, "film.mp4")).to_have_count(0)
        assert person.violations() == []
        page.get_by_role("button", name="Expand uploads").click()
        line.widen()
        expect(row(page, "film.mp4")).to_contain_text("Uploaded")


def test_what_went_wrong_stands_above_what_went_well(person: Tab, folder: str, tmp_path: Path, clip: Path) -> None:
    person.allowed.append("422")
    good = [tmp_path / f"{name}.mp4" for name in ("a", "b")]
    for path in good:
        path.write_bytes(clip.read_bytes())
    bad = tmp_path / "z.mp4"
    bad.write_bytes(b"no film" * 1000)
    page = library(person, folder)
    choose(page, *good, bad)
    expect(page.get_by_role("heading", name="1 file could not be used")).to_be_visible(timeout=60_000)
    names = page.get_by_role("region", name="Uploads").locator(".upload-name")
    expect(names.first).to_have_text("z.mp4")
    page.get_by_role("button", name="Close uploads").click()
    page.reload()
    card = page.locator(".asset", has_text="z")
    expect(card).to_contain_text("Failed")
    expect(card).to_contain_text("does not begin like an MP4 file")


def test_it_is_said_where_uploads_go(person: Tab, site: Stack, folder: str, clip: Path) -> None:
    site.put(f"{folder}/a.mp4", b"x", bucket=OTHER_BUCKET)
    one = f"http://{site.vod.address}/assets/{OTHER_BUCKET}/{folder}/a.mp4"
    assert site.get(one, headers={"x-api-key": API_KEY}).ok
    page = person.sign_in(f"/?bucket={OTHER_BUCKET}&folder={folder}/")
    expect(page.get_by_role("button", name=f"Upload into {BUCKET}")).to_be_visible()
    page.goto(f"{person.origin}/")
    expect(page.get_by_role("button", name=f"Upload into {BUCKET}")).to_be_visible()
    page.goto(f"{person.origin}/?bucket={BUCKET}&folder={folder}/")
    button = page.get_by_role("button", name="Upload", exact=True)
    expect(button).to_have_attribute("title", f"Upload into {BUCKET} / {folder}")
    choose(page, clip)
    expect(page.get_by_role("region", name="Uploads")).to_contain_text(f"into {BUCKET}")
    expect(row(page, "clip.mp4")).to_contain_text("Uploaded · ", timeout=60_000)


def test_subtitles_that_come_later_are_taken_up(
    person: Tab, site: Stack, folder: str, media: MediaFolder, tmp_path: Path
) -> None:
    key = site.put_listed(f"{folder}/talk.mp4", media.path(CLIP))
    name = site.convert(key, profile="auto")
    before = site.revision(name)
    text = tmp_path / "talk.en.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:04,000\nHello\n")
    page = library(person, folder)
    expect(page.locator(".asset", has_text="talk")).to_contain_text("Live")
    choose(page, text)
    expect(page.get_by_text("is being converted again with these subtitles")).to_be_visible(timeout=60_000)
    until(lambda: site.revision(name) != before, "it is made anew")
    until(lambda: "TYPE=SUBTITLES" in site.get(site.video_url(name)).text, "its playlist has them")
