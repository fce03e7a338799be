"""Redis or the store hangs, which is worse than being away: it takes connections and says nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import requests
from fastapi import FastAPI

import video_transcoding_main_server
import vod_main_server
from dev.servers import Server, start_redis, start_s3
from mam.credentials.api_keys import master_keys
from mam.http.audit import SESSION_COOKIE
from mam.http.auth import PAGE_HEADER
from mam.http.streams import MEDIA_TYPE
from tests.conftest import KINDS
from tests.integration.system import (
    ACCESS_KEY,
    API_KEY,
    BUCKET,
    S3,
    SECRET_KEY,
    UPLOAD_KEY,
    Stack,
    is_problem,
    own,
    stopped,
    until,
)
from tests.media import CLIP, MediaFolder, complaints

WARM_SECONDS, ANSWER_SECONDS, BACK_SECONDS = 1.0, 10.0, 10.0
ALONE_SECONDS = 2.0  # for what does not need the dependency at all, also while many wait for it
CROWD = 40  # more than a service has threads
WATCHED_SECONDS = 4.0  # longer than a process may answer from its memory
UNKNOWN = "0123456789ab"
KEY_ID = next(iter(master_keys([API_KEY]).values())).id

Dependency = Literal["redis", "store"]
CODES: dict[Dependency, str] = {"redis": "redis_unavailable", "store": "store_unavailable"}

# What is answered without any dependency, and what besides without the one or the other. Every other route, a new one
# too, must say that the dependency is away.
ALWAYS = {
    "/docs", "/docs/{name}", "/openapi.json", "/metrics", "/healthz", "/static/{name}",
    "/", "/watch/{bucket}/{path}", "/embed/{bucket}/{path}", "/fleet", "/events", "/api/fleet", "/api/events",
    "/shared/{bucket}/{path}", "/s/{key}", "/contents/{bucket}/{folder}",  # without a link
    "/playback/tokens", "/segment/{token}/{video_name}/{revision}/{rendition}/{file}",
}  # fmt: skip
WITHOUT: dict[Dependency, set[str]] = {
    "redis": {  # what the bucket knows, and the library's memory
        "/assets", "/assets/{bucket}/{path}",
        "/video/{video_name}/playlist.m3u8", "/video/{video_name}/poster.jpg", "/video/{video_name}/storyboard.vtt",
        "/stream/{bucket}/{path}/{revision}/{rendition}/{file}", "/video/{video_name}/{revision}/{rendition}/{file}",
        "/video/{video_name}/{revision}/{sheet}", "/stream/{bucket}/{path}/~/{file}", "/video/{video_name}/~/{file}",
        "/download/{bucket}/{path}",
    },
    "store": {  # what Redis knows
        "/jobs", "/jobs/{job_id}", "/jobs/{job_id}/events", "/jobs/{job_id}/chunks", "/jobs/{job_id}/seek",
        "/jobs/{job_id}/retry", "/api/jobs", "/api/jobs/{job_id}", "/api/jobs/{job_id}/events",
        "/api/jobs/{job_id}/chunks", "/api/jobs/{job_id}/retry", "/assets", "/session", "/cache/{video_name}",
        "/uploads/{upload}", "/uploads/{upload}/parts", "/uploads/{upload}/complete",
        "/playback/tokens/{jti}", "/playback/denials", "/playback/denials/{claim}/{value}", "/audit",
    },
}  # fmt: skip
ALSO: dict[Dependency, set[str]] = {"redis": {"GET vod /jobs", "HEAD vod /jobs"}, "store": {"GET vod /uploads"}}


def bodies(key: str) -> dict[str, Any]:
    """By method and path; the asset `key` was never converted."""
    asset = {"asset_bucket": BUCKET, "asset_object": key}
    return {
        "POST /transcode": {**asset, "wait": False},
        "POST /plan": asset,
        "POST /api/transcode": {**asset, "wait": False},
        "POST /api/plan": asset,
        "POST /jobs/{job_id}/seek": {"segment": 0},
        "PATCH /jobs/{job_id}": {"priority": "high"},
        "PATCH /api/jobs/{job_id}": {"priority": "high"},
        "POST /uploads": {"name": "a.mp4", "size": 100, "fingerprint": key, "folder": "hanging/"},
        "POST /uploads/{upload}/parts": {"numbers": [1]},
        "POST /session": {"api_key": API_KEY},
        "POST /playback/tokens": {"sub": f"{BUCKET}/{key}"},
        "POST /shares": {"sub": f"{BUCKET}/hanging/"},
        "POST /playback/denials": {"claim": "vid", "value": key},
    }


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a route. `path`: its template, without the kinds of its parameters."""

    service: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.service} {self.path}"

    def is_answered_without(self, dependency: Dependency) -> bool:
        return self.path in ALWAYS | WITHOUT[dependency] or str(self) in ALSO[dependency]


def calls(service: str, app: FastAPI) -> list[Call]:
    return [
        Call(service, method, re.sub(r":\w+}", "}", route.path))
        for route in routes(app.routes)
        for method in sorted(route.methods)
    ]


def routes(found: Iterable[Any]) -> Iterator[Any]:
    for route in found:
        inner = getattr(route, "original_router", None)  # what an included router is to some versions of FastAPI
        if inner is not None:
            yield from routes(inner.routes)
        elif getattr(route, "methods", None):
            yield route


CALLS = [*calls("vod", vod_main_server.app), *calls("transcoder", video_transcoding_main_server.app)]


class Hanging:
    """A system whose Redis and store can be stopped in the middle."""

    def __init__(self, folder: Path, media: MediaFolder, **settings: str) -> None:
        redis = start_redis(folder / "redis", persist=False)
        store = start_s3(
            folder / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY, more_keys=[UPLOAD_KEY], kind=KINDS[0]
        )
        self.servers: dict[Dependency, Server] = {"redis": redis, "store": store}
        self.stack = Stack(S3.of(KINDS[0], store), own(store.address, redis.port, **settings), folder / "services")
        self._clip = media.path(CLIP)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()

    @contextmanager
    def hangs(self, dependency: Dependency) -> Iterator[None]:
        with stopped(self.servers[dependency].process.pid):
            yield

    def put(self, key: str) -> str:
        return self.stack.put(key, self._clip)

    def ask(self, call: Call, video: str) -> tuple[requests.Response, float]:
        """The answer with its body, but for a stream's, and how many seconds it took. `video`: never converted."""
        server = self.stack.vod if call.service == "vod" else self.stack.transcoder
        path = call.path.format(
            bucket=BUCKET, path=f"{video}.mp4", video_name=video, name="x.js", job_id=UNKNOWN, upload=32 * "0",
            revision=UNKNOWN, rendition="main", file="00000.ts", sheet="storyboard-00.jpg", jti="id", claim="vid",
            value="viewer", token="x", key="x", folder="none/", share=UNKNOWN,
        )  # fmt: skip
        began = time.monotonic()
        answer = requests.request(
            call.method, f"http://{server.address}{path}",
            params={"video": video} if call.path == "/jobs/{job_id}/segments" else {},
            json=bodies(f"{video}.mp4").get(f"{call.method} {call.path}"),
            headers={"x-api-key": API_KEY, PAGE_HEADER: "1"},
            cookies={SESSION_COOKIE: f"{KEY_ID}.a session"}, allow_redirects=False, stream=True, timeout=60,
        )  # fmt: skip
        if not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
            assert answer.content is not None
        answer.close()
        return answer, time.monotonic() - began


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Hanging]:
    """It must be well again after each test."""
    if not KINDS:
        pytest.skip("no S3 server here")
    system = Hanging(tmp_path_factory.mktemp("hanging"), media)
    try:
        with system.stack.running():
            yield system
    finally:
        system.stop()


def library(stack: Stack) -> Any:
    return stack.get(f"http://{stack.vod.address}/assets", headers={"x-api-key": API_KEY}).json()


def is_ready(stack: Stack, service: Server) -> bool:
    return stack.get(f"http://{service.address}/readyz").status_code == 200


@pytest.mark.parametrize("dependency", CODES)
def test_while_a_dependency_hangs_live_videos_play_and_every_other_route_answers_soon(
    hanging: Hanging, folder: str, dependency: Dependency
) -> None:
    stack = hanging.stack
    live, cold = (stack.stream_url(hanging.put(f"{folder}/{name}.mp4")) for name in ("live", "cold"))
    stack.convert(f"{folder}/live.mp4")
    text = stack.get(live).text
    until(lambda: library(stack)["complete"], "the library knows all")
    with hanging.hangs(dependency):
        stopped = time.monotonic()
        while (began := time.monotonic()) < stopped + WATCHED_SECONDS:
            assert len(stack.get(live).text) == len(text)
            assert time.monotonic() - began <= WARM_SECONDS

        with ThreadPoolExecutor(CROWD) as crowd:  # all at once: more wait for the dependency than there are threads
            answers = dict(zip(CALLS, crowd.map(lambda call: hanging.ask(call, f"{folder}/cold"), CALLS), strict=True))
        late = {str(call): seconds for call, (_, seconds) in answers.items() if seconds > ANSWER_SECONDS}
        assert not late
        for call, (answer, _) in answers.items():
            if call.path == "/readyz":
                assert answer.status_code == 503
                assert answer.json()["checks"][dependency] != "ok"
            elif call.is_answered_without(dependency):
                assert answer.status_code < 500 or call.path == "/openapi.json", call
            elif call.method == "HEAD":
                assert answer.status_code == 503, call
            else:
                assert is_problem(answer, 503, CODES[dependency]), call

        began = time.monotonic()  # by now it is known, and costs no time
        assert is_problem(stack.get(cold), 503, CODES[dependency])
        assert time.monotonic() - began <= WARM_SECONDS

    for service in (stack.transcoder, stack.vod):
        until(lambda service=service: is_ready(stack, service), f"{service.name} is ready", seconds=BACK_SECONDS)  # type: ignore[misc]
    until(lambda: stack.get(cold).status_code == 200, "a cold video begins", seconds=BACK_SECONDS)
    assert complaints(cold) == complaints(live) == ""
    assert stack.get(f"http://{stack.vod.address}/uploads", headers={"x-api-key": API_KEY}).status_code == 200
    assert stack.delete(stack.cache_url(f"{folder}/live")).status_code == 200


def test_while_the_store_hangs_what_waits_for_it_is_not_in_the_way_of_what_needs_redis_alone(hanging: Hanging) -> None:
    stack = hanging.stack
    with hanging.hangs("store"), ThreadPoolExecutor(CROWD) as crowd:
        waiting = [crowd.submit(stack.transcode, f"{number}.mp4") for number in range(CROWD)]
        while not any(each.done() for each in waiting):
            began = time.monotonic()
            assert stack.job(UNKNOWN).status_code == 404
            assert time.monotonic() - began <= ALONE_SECONDS
        assert all(is_problem(each.result(), 503, "store_unavailable") for each in waiting)
    until(lambda: is_ready(stack, stack.transcoder), "the store answers again", seconds=BACK_SECONDS)


@pytest.mark.parametrize("dependency", CODES)
def test_a_dependency_that_hangs_at_the_start_does_not_keep_the_services_from_answering(
    tmp_path: Path, media: MediaFolder, dependency: Dependency
) -> None:
    system = Hanging(tmp_path, media)
    stack = system.stack
    try:
        with system.hangs(dependency):
            stack.start_transcoder()
            stack.start_vod()
            for service in (stack.transcoder, stack.vod):
                until(lambda service=service: answers(stack, service), f"{service.name} answers", seconds=20)  # type: ignore[misc]
                ready = stack.get(f"http://{service.address}/readyz")
                assert (ready.status_code, ready.json()["checks"][dependency] != "ok") == (503, True)
        stack.wait_until_ready()
    finally:
        stack.stop()
        system.stop()


def answers(stack: Stack, service: Server) -> bool:
    try:
        return stack.get(f"http://{service.address}/healthz").status_code == 200
    except requests.ConnectionError:
        return False
