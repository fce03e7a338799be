"""What pages ask of the transcoding service, by way of the VoD service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from dev.servers import Server
from tests.integration.system import API_KEY, BUCKET, S3, Stack, configuration, is_problem
from tests.media import FILM, MediaFolder

KEY = {"x-api-key": API_KEY}


def base(stack: Stack) -> str:
    return f"http://{stack.vod.address}/api"


def events(answer: requests.Response) -> Iterator[tuple[str, dict[str, object]]]:
    kind = ""
    for line in answer.iter_lines(decode_unicode=True):
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def test_calls_and_their_errors_are_passed_on_as_they_are(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
    order = {"asset_bucket": BUCKET, "asset_object": key, "wait": False}
    begun = one_stack.http.post(f"{base(one_stack)}/transcode", json=order, headers=KEY, timeout=60)
    assert (begun.status_code, begun.json()["video"]) == (202, f"{folder}/a")
    job = begun.json()["job"]
    through = one_stack.http.get(f"{base(one_stack)}/jobs/{job}", headers=KEY, timeout=10).json()
    assert through["id"] == one_stack.job(job).json()["id"] == job
    missing = one_stack.http.get(f"{base(one_stack)}/jobs/{'0' * 12}", headers=KEY, timeout=10)
    assert is_problem(missing, 404, "job_not_found")
    wrong = one_stack.http.post(f"{base(one_stack)}/transcode", json={}, headers=KEY, timeout=10)
    assert is_problem(wrong, 422, "invalid_request")
    listed = one_stack.http.get(f"{base(one_stack)}/jobs?bucket={BUCKET}&limit=1", headers=KEY, timeout=10).json()
    assert len(listed["jobs"]) == 1


@pytest.mark.parametrize("path", ["jobs", "fleet", "events", f"jobs/{'0' * 12}"])
def test_nobody_gets_through_without_key_or_session(one_stack: Stack, path: str) -> None:
    assert is_problem(one_stack.get(f"{base(one_stack)}/{path}"), 403, "forbidden")


def test_nothing_else_is_passed_on(one_stack: Stack) -> None:
    for path in ("metrics", "docs", "jobs/../metrics", f"jobs/{'0' * 12}/seek"):
        answer = one_stack.http.get(f"{base(one_stack)}/{path}", headers=KEY, timeout=10)
        assert answer.status_code in (404, 405), path


def test_a_body_that_no_call_has_is_refused(one_stack: Stack) -> None:
    answer = one_stack.http.post(f"{base(one_stack)}/plan", data=b" " * 100_000, headers=KEY, timeout=10)
    assert is_problem(answer, 413, "body_too_large")


def test_events_come_as_they_happen(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    with one_stack.http.get(f"{base(one_stack)}/events", headers=KEY, stream=True, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = events(answer)
        assert any(kind == "fleet" for kind, _ in found)
        key = one_stack.put(f"{folder}/a.mp4", media.path(FILM))
        one_stack.transcode(key, wait=False)
        assert any(told.get("asset_object") == key and told["state"] == "succeeded" for _, told in found)


def test_events_end_with_the_session_that_they_were_asked_for_by(one_stack: Stack) -> None:
    visitor = requests.Session()
    visitor.trust_env = False
    url, headers = f"http://{one_stack.vod.address}/session", {"x-mam-request": "1"}
    assert visitor.post(url, json={"api_key": API_KEY}, headers=headers, timeout=10).status_code == 200
    with visitor.get(f"{base(one_stack)}/events", stream=True, timeout=60) as answer, ThreadPoolExecutor(1) as pool:
        found = events(answer)
        assert next(found)
        rest = pool.submit(list, found)
        visitor.delete(url, headers=headers, timeout=10)
        try:
            rest.result(timeout=10)
        finally:
            answer.close()


def test_a_service_with_another_key_is_no_matter_of_who_asks(one_s3: S3, redis_server: Server, tmp_path: Path) -> None:
    env = configuration(one_s3.server.address, redis_server.port, db=12, EMBEDDED_WORKERS="0")
    with Stack(one_s3, env, tmp_path).running() as stack:
        stack.vod.stop(20)
        stack.env["TRANSCODE_API_KEY"] = "another key of the tests no secret"
        stack.start_vod()
        stack.wait_for(stack.vod)
        for path in ("jobs", "events"):
            answer = stack.http.get(
                f"{base(stack)}/{path}", headers={"x-api-key": "another key of the tests no secret"}, timeout=30
            )
            assert is_problem(answer, 503, "transcoder_unavailable")
            assert answer.json()["detail"] == "The transcoding service refuses this service's API key."


def test_a_service_that_is_away_is_said_to_be(one_s3: S3, redis_server: Server, tmp_path: Path) -> None:
    env = configuration(one_s3.server.address, redis_server.port, db=12, EMBEDDED_WORKERS="0")
    with Stack(one_s3, env, tmp_path).running() as stack:
        with stack.http.get(f"{base(stack)}/events", headers=KEY, stream=True, timeout=60) as answer:
            assert next(events(answer))
            stack.transcoder.stop(20)
            list(events(answer))  # it ends
        for path in ("jobs", "events"):
            away = stack.http.get(f"{base(stack)}/{path}", headers=KEY, timeout=30)
            assert is_problem(away, 503, "transcoder_unavailable")
