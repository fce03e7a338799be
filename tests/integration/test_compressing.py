"""Answers are small on the way: JSON in gzip where it is worth it and wanted, jobs without what is long where that is
not asked for, and event streams as they come."""

from __future__ import annotations

import json

import pytest

from tests.integration.system import API_KEY, BUCKET, Stack, is_problem, raw, until
from tests.media import CLIP, MediaFolder

KEY = {"x-api-key": API_KEY}
LONG = {"streams", "command", "ffmpeg_log", "said"}


@pytest.fixture
def job(one_stack: Stack, media: MediaFolder, folder: str) -> str:
    """A job that has ended."""
    one_stack.convert(one_stack.put(f"{folder}/clip.mp4", media.path(CLIP)))
    url = f"http://{one_stack.transcoder.address}/jobs?bucket={BUCKET}&object={folder}/clip.mp4"
    (found,) = one_stack.get(url, headers=KEY).json()["jobs"]
    return str(found["id"])


def test_json_comes_in_gzip_to_whoever_takes_it(one_stack: Stack, job: str) -> None:
    vod, transcoder = one_stack.vod, one_stack.transcoder
    paths = ["/api/jobs", f"/api/jobs/{job}", "/assets", "/openapi.json", "/api/fleet", "/uploads", "/session", "/jobs"]
    for service, path in [(vod, path) for path in paths[:-1]] + [(transcoder, path) for path in paths[-1:]]:
        headers = {"x-api-key": API_KEY, "accept": "application/json"}
        _, plain, body = raw(service, "GET", path, **headers, accept_encoding="identity")
        status, packed, smaller = raw(service, "GET", path, **headers, accept_encoding="gzip")
        assert status == 200, path
        assert "content-encoding" not in plain
        assert ("content-encoding" in packed) == (len(body) >= 1000), (path, len(body))
        if len(body) >= 1000:
            assert len(smaller) < len(body), path
            assert "accept-encoding" in packed["vary"].lower()


def test_event_streams_come_as_they_are(one_stack: Stack) -> None:
    for url in (f"http://{one_stack.transcoder.address}/events", f"http://{one_stack.vod.address}/api/events"):
        headers = {**KEY, "accept-encoding": "gzip"}
        with one_stack.http.get(url, headers=headers, stream=True, timeout=30) as answer:
            assert "content-encoding" not in answer.headers
            assert next(answer.iter_lines()).startswith(b":")


def test_a_brief_list_has_everything_but_what_is_long(one_stack: Stack, job: str) -> None:
    until(lambda: one_stack.job(job).json()["storyboard"], "nothing changes any more")
    url = f"http://{one_stack.transcoder.address}/jobs?limit=5"
    whole = one_stack.get(url, headers=KEY).json()
    brief = one_stack.get(f"{url}&brief=true", headers=KEY).json()
    assert [found["id"] for found in brief["jobs"]] == [found["id"] for found in whole["jobs"]]
    mine, short = (next(found for found in answer["jobs"] if found["id"] == job) for answer in (whole, brief))
    assert mine["streams"]
    assert {name: value for name, value in mine.items() if name not in LONG} == short


def test_pages_hear_of_jobs_in_brief_and_others_as_documented(one_stack: Stack, job: str) -> None:
    wanted = {
        f"http://{one_stack.transcoder.address}/events": LONG,
        f"http://{one_stack.transcoder.address}/events?brief=true": set[str](),
        f"http://{one_stack.vod.address}/api/events": set[str](),
    }
    for url, expected in wanted.items():
        with one_stack.http.get(url, headers=KEY, stream=True, timeout=30) as answer:
            lines = (line.removeprefix("data: ") for line in answer.iter_lines(decode_unicode=True) if "data:" in line)
            told = next(found for line in lines if (found := json.loads(line)).get("id") == job)
        assert LONG & set(told) == expected, url


@pytest.mark.parametrize("path", ["/nonsense", "/jobs/nonsense", "/watch", "/a/b/c.html", "/%F0%9F%90%9F"])
def test_what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs(one_stack: Stack, path: str) -> None:
    url = f"http://{one_stack.vod.address}{path}"
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    page = one_stack.get(url, headers=browser)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<mam-app>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for accept in ("application/json", "*/*"):
        assert is_problem(one_stack.get(url, headers={"accept": accept}), 404, "not_found")
    assert is_problem(one_stack.http.post(url, headers=browser, timeout=30), 404, "not_found")
    missing = one_stack.get(f"http://{one_stack.vod.address}/video/{'x' * 9}/playlist.m3u8", headers=browser)
    assert is_problem(missing, 404, "video_not_found")  # what an API says of its things stays so
    assert until(lambda: one_stack.get(f"http://{one_stack.vod.address}/healthz").ok, "it is up")
