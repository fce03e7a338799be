"""The claim `max`: so many devices of a viewer play at once, in all processes together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from dev.servers import start_redis
from mam.access.streams import PREFIX, SILENT_SECONDS
from mam.http.caller import HEADER
from tests.integration.system import API_KEY, BUCKET, S3, Stack, another_vod, is_problem, own, own_stack, stopped
from tests.media import CLIP, MediaFolder

KEYS = ("streams/a.mp4", "streams/b.mp4")


@dataclass
class Watched:
    """Two signed videos, and a viewer of its own for each test."""

    stack: Stack
    viewer: str = ""

    def token(self, most: int | None = None, **claims: Any) -> str:
        self.viewer = self.viewer or uuid.uuid4().hex
        body = {"sub": f"{BUCKET}/streams/", "vid": self.viewer, **({"max": most} if most else {}), **claims}
        url = f"http://{self.stack.vod.address}/playback/tokens"
        answer = requests.post(url, json=body, headers={HEADER: API_KEY}, timeout=20)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def ask(
        self, token: str, device: str, path: str = "", *, method: str = "GET", vod: Stack | None = None, **headers: str
    ) -> requests.Response:
        url = f"http://{(vod or self.stack).vod.address}/p/{token}{path or playlist(KEYS[0])}"
        return requests.request(
            method, url, headers={"User-Agent": device, **headers}, timeout=30, allow_redirects=False
        )

    @property
    def devices(self) -> dict[str, float]:
        """When each device of the viewer was last seen."""
        (key,) = self.stack.redis.keys(f"{PREFIX}*") or [f"{PREFIX}none"]
        rows: Any = self.stack.redis.zrange(key, 0, -1, withscores=True)
        return {name: float(score) for name, score in rows}

    def age(self) -> None:
        """Lets all devices of the viewer have been silent for too long."""
        (key,) = self.stack.redis.keys(f"{PREFIX}*")
        for name, score in self.devices.items():
            self.stack.redis.zadd(key, {name: score - SILENT_SECONDS - 1})


def playlist(key: str) -> str:
    return f"/stream/{BUCKET}/{key}/playlist.m3u8"


@pytest.fixture(scope="module")
def running(one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Stack]:
    with own_stack(one_s3, tmp_path_factory.mktemp("streams"), PLAYBACK_RULES=f"{BUCKET}/=signed") as stack:
        for key in KEYS:
            stack.convert(stack.put(key, media.path(CLIP)))
        yield stack


@pytest.fixture
def watched(running: Stack) -> Watched:
    for key in running.redis.keys(f"{PREFIX}*"):
        running.redis.delete(key)
    return Watched(running)


def test_of_twenty_devices_at_once_in_two_processes_three_are_admitted_and_stay_so(watched: Watched) -> None:
    token = watched.token(3)
    with another_vod(watched.stack, watched.stack.folder / "second") as second, ThreadPoolExecutor(20) as pool:
        processes = [watched.stack, second]

        def ask(device: int) -> int:
            vod = processes[device % 2]
            return watched.ask(token, f"device {device}", vod=vod).status_code

        first = list(pool.map(ask, range(20)))
        assert sorted(first) == [200] * 3 + [429] * 17
        assert list(pool.map(ask, range(20))) == first
        admitted = [device for device, status in enumerate(first) if status == 200]
        for device in admitted:  # each may change to another video, process and token
            for vod in processes:
                answer = watched.ask(watched.token(3), f"device {device}", playlist(KEYS[1]), vod=vod)
                assert answer.status_code == 200
        assert len(watched.devices) == 3


def test_a_refusal_says_when_to_come_back_and_holds_for_segments_too(watched: Watched) -> None:
    token = watched.token(1)
    segment = next(line for line in watched.ask(token, "first").text.splitlines() if line and line[0] != "#")
    path = f"/stream/{BUCKET}/{KEYS[0]}/{segment}"
    for way in (path, playlist(KEYS[0]), playlist(KEYS[1])):
        for _ in range(2):
            refused = watched.ask(token, "second", way)
            assert is_problem(refused, 429, "too_many_streams"), way
            assert refused.headers["retry-after"] == "30"
        assert watched.ask(token, "first", way).status_code in (200, 302)
    assert watched.ask(watched.token(), "second", path).status_code == 302, "the claim counts, not the viewer"
    assert watched.ask(watched.token(2), "second", path).status_code == 302


def test_a_device_that_stopped_makes_room(watched: Watched) -> None:
    token = watched.token(1)
    assert watched.ask(token, "first").status_code == 200
    assert watched.ask(token, "second").status_code == 429
    watched.age()
    assert watched.ask(token, "second").status_code == 200
    assert len(watched.devices) == 1


def test_most_requests_ask_nothing_of_redis(watched: Watched) -> None:
    token = watched.token(1)
    watched.ask(token, "first")
    before = watched.devices
    assert {watched.ask(token, "first", playlist(key)).status_code for key in KEYS * 10} == {200}
    assert watched.devices == before
    (key,) = watched.stack.redis.keys(f"{PREFIX}*")
    assert 0 < watched.stack.redis.ttl(key) <= SILENT_SECONDS


def test_what_is_no_playing_does_not_count(watched: Watched) -> None:
    token = watched.token(1)
    asset = f"/stream/{BUCKET}/{KEYS[0]}"
    for method, path in (
        ("HEAD", playlist(KEYS[0])), ("OPTIONS", playlist(KEYS[0])), ("GET", f"{asset}/status"),
        ("GET", "/video/streams/a/poster.jpg"), ("GET", "/video/streams/a/storyboard.vtt"),
        ("GET", "/video/streams/a/0123456789ab/storyboard-00.jpg"),
    ):  # fmt: skip
        assert watched.ask(token, path, path, method=method).status_code != 429
    assert watched.devices == {}
    assert watched.ask(token, "first").status_code == 200
    assert watched.ask(token, "second", playlist(KEYS[0]), method="HEAD").status_code == 200


def test_the_page_says_that_too_many_devices_are_playing(watched: Watched) -> None:
    token, page = watched.token(1), f"/watch/{BUCKET}/{KEYS[0]}"
    assert watched.ask(token, "second", page, Accept="text/html").status_code == 200
    assert watched.devices == {}, "a page alone does not play"
    watched.ask(token, "first")
    assert watched.ask(token, "first", page, Accept="text/html").status_code == 200
    refused = watched.ask(token, "second", page, Accept="text/html")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert refused.headers["content-type"].startswith("text/html")
    assert "Too many devices are playing" in refused.text
    assert "Stop the video on another device" in refused.text


@pytest.mark.parametrize("garbage", ["another type", "the future", "huge"])
def test_garbage_in_the_set_of_devices_is_tolerated(watched: Watched, garbage: str) -> None:
    token, redis = watched.token(1), watched.stack.redis
    watched.ask(token, "first")
    (key,) = redis.keys(f"{PREFIX}*")
    redis.delete(key)
    if garbage == "another type":
        redis.set(key, "garbage")
    else:
        redis.zadd(key, {"garbage": time.time() + 1000 if garbage == "the future" else 1e300})
    assert watched.ask(token, "second").status_code == 200
    assert watched.ask(token, "third").status_code == 429


def test_while_redis_hangs_all_may_play(
    one_s3: S3, tmp_path_factory: pytest.TempPathFactory, media: MediaFolder
) -> None:
    folder = tmp_path_factory.mktemp("streams-away")
    with start_redis(folder / "redis", persist=False) as server:
        settings = own(one_s3.server.address, server.port, PLAYBACK_RULES=f"{BUCKET}/=signed")
        with Stack(one_s3, settings, folder / "services").running() as stack:
            stack.convert(stack.put(KEYS[0], media.path(CLIP)))
            watched = Watched(stack)
            token = watched.token(1)
            assert watched.ask(token, "first").status_code == 200
            assert watched.ask(token, "second").status_code == 429
            with stopped(server.process.pid):
                assert watched.ask(token, "second").status_code == 200
                assert watched.ask(token, "first").status_code == 200


def test_a_limit_without_a_viewer_is_refused_in_words(watched: Watched) -> None:
    url = f"http://{watched.stack.vod.address}/playback/tokens"
    unusable, not_understood = (400, "invalid_claim"), (422, "invalid_request")
    for body, words, (status, code) in (
        ({"max": 1}, "vid", unusable),
        ({"max": 0, "vid": "a"}, "max", not_understood),
        ({"max": True, "vid": "a"}, "max", not_understood),
    ):
        request = {"sub": f"{BUCKET}/streams/", **body}
        answer = requests.post(url, json=request, headers={HEADER: API_KEY}, timeout=20)
        assert is_problem(answer, status, code)
        assert words in answer.json()["detail"]
