"""Who may see what, in a browser."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Browser, Route, expect

from tests.integration.system import API_KEY, Stack, is_problem
from tests.pages.browsing import PHONE, Tab, tab

pytestmark = pytest.mark.browser


def test_the_library_asks_for_the_key_and_lets_in_who_has_it(person: Tab) -> None:
    page = person.open("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert person.violations() == []
    page.get_by_label("API key").fill("wrong")
    person.allowed.append("403")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The API key is wrong.")
    page.get_by_label("API key").fill(API_KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_the_key_is_in_no_page_and_the_cookie_is_out_of_reach_of_scripts(person: Tab) -> None:
    page = person.sign_in()
    assert API_KEY not in page.content()
    assert API_KEY not in page.url
    assert page.evaluate("document.cookie") == ""
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], API_KEY in cookie["value"]) == (True, "Strict", False)
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"


def test_signing_out_ends_the_session_in_every_tab(browser: Browser, person: Tab) -> None:
    page = person.sign_in()
    with tab(browser, person.site, context=page.context) as other:
        other.open("/")
        expect(other.page.get_by_role("button", name="Sign out")).to_be_visible()
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        stolen = requests.get(f"{person.origin}/api/jobs", cookies=cookies, timeout=10)
        assert is_problem(stolen, 401, "session_expired")
        other.page.reload()
        expect(other.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_expired_session_asks_again_where_one_was(person: Tab) -> None:
    page = person.sign_in("/jobs")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    for key in person.site.redis.scan_iter("mam:session:*"):
        person.site.redis.delete(key)
    person.allowed.append("401|403")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("API key").fill(API_KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert page.url.endswith("/jobs")


def test_a_service_that_cannot_say_who_one_is_is_asked_again(person: Tab) -> None:
    problem = {"type": "about:blank", "title": "Redis is away", "status": 503, "code": "redis_unavailable"}
    told = {**problem, "detail": "Redis cannot be reached.", "hint": "Start it."}
    person.page.route("**/session", lambda route: route.fulfill(status=503, json=told))
    person.allowed.append("503")
    page = person.open("/")
    expect(page.get_by_role("alert")).to_contain_text("Redis cannot be reached.Start it.")
    assert person.violations() == []
    page.unroute("**/session")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("is_back", [True, False])
def test_a_page_whose_parts_went_with_an_update_is_loaded_anew_once(person: Tab, is_back: bool) -> None:
    page = person.sign_in()
    loads: list[str] = []
    page.on("request", lambda request: loads.append(request.url) if request.is_navigation_request() else None)

    def gone(route: Route) -> None:
        if "/page-" in route.request.url and not (is_back and loads):
            route.fulfill(status=404)
        else:
            route.continue_()

    page.route("**/static/*.js", gone)
    person.allowed.append("404|dynamically imported")
    page.get_by_role("link", name="Jobs").click()
    if is_back:
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    else:
        expect(page.get_by_role("alert")).to_contain_text("A part of this page is missing.")
        expect(page.get_by_role("button", name="Reload the page")).to_be_visible()
    assert loads == [f"{person.origin}/jobs"]


def test_an_address_that_was_typed_with_a_percent_sign_is_read(person: Tab) -> None:
    person.allowed.append("404")
    page = person.open("/watch/myvideos/50% off %C3%BCber.mp4")
    expect(page.get_by_role("heading", name="50% off über", level=1)).to_be_visible()


def test_a_page_works_on_a_phone(browser: Browser, site: Stack) -> None:
    with tab(browser, site, viewport=PHONE, color_scheme="dark") as person:
        page = person.open("/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert person.violations() == []


def test_pages_allow_nothing_inline_and_nobody_else(site: Stack) -> None:
    for path in ("/", "/jobs", "/watch/myvideos/a.mp4", "/embed/myvideos/a.mp4"):
        answer = site.get(f"http://{site.vod.address}{path}")
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert ("frame-ancestors *" in policy) == path.startswith("/embed/")
        assert not re.search(r"<script[^>]*>[^<]|<style|style=|https?://", answer.text)


def test_scripts_are_compressed_and_never_asked_for_again(site: Stack) -> None:
    page = site.get(f"http://{site.vod.address}/").text
    files = re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page)
    assert files
    total = 0
    for file in files:
        answer = site.http.get(
            f"http://{site.vod.address}{file}", headers={"accept-encoding": "gzip"}, stream=True, timeout=10
        )
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        total += int(answer.headers["content-length"])
    assert total < 150_000


def test_what_changes_something_wants_a_header_that_no_form_sends(site: Stack) -> None:
    base = f"http://{site.vod.address}"
    bare = site.http.post(f"{base}/session", json={"api_key": API_KEY}, timeout=10)
    assert is_problem(bare, 403, "forbidden")
    visitor = requests.Session()
    visitor.trust_env = False
    headers = {"x-mam-request": "1"}
    assert visitor.post(f"{base}/session", json={"api_key": API_KEY}, headers=headers, timeout=10).status_code == 200
    assert visitor.get(f"{base}/api/jobs", timeout=10).status_code == 200
    assert is_problem(visitor.delete(f"{base}/cache/none", timeout=10), 403, "forbidden")
    assert visitor.delete(f"{base}/cache/none", headers=headers, timeout=10).status_code == 200


def test_guessing_keys_is_slow(site: Stack) -> None:
    # From an address of its own, which uvicorn believes, since it comes from this machine.
    url, headers = f"http://{site.vod.address}/session", {"x-mam-request": "1", "x-forwarded-for": "203.0.113.77"}
    site.redis.delete("mam:tries:203.0.113.77")
    codes = [site.http.post(url, json={"api_key": str(n)}, headers=headers, timeout=10).status_code for n in range(12)]
    assert codes == [403] * 10 + [429] * 2
    right = site.http.post(url, json={"api_key": API_KEY}, headers=headers, timeout=10)
    assert is_problem(right, 429, "too_many_attempts")
