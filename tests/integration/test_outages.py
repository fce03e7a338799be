"""Redis or the store being away: what can be answered is, the rest says so, and all comes back by itself."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import redis_adapter
from dev.servers import LOOPBACK, Server, free_port, start_redis, start_s3
from tests.conftest import KINDS
from tests.integration.system import (
    ACCESS_KEY,
    API_KEY,
    S3,
    SECRET_KEY,
    Stack,
    is_problem,
    own,
    until,
)
from tests.media import CLIP, FILM, LONG, MediaFolder, complaints


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Server]:
    with start_redis(tmp_path / "redis", persist=False) as server:
        yield server


class OwnStore:
    """A system over an S3 server of its own, which can be away for a while."""

    def __init__(self, redis: Server, path: Path) -> None:
        self._path = path
        self._server = self._started(None)
        self.stack = Stack(S3.of(KINDS[0], self._server), own(self._server.address, redis.port), path / "services")

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        """The same again: what it held is there."""
        self._server = self._started(self._server.port)

    def _started(self, port: int | None) -> Server:
        return start_s3(self._path / "s3", port=port, access_key=ACCESS_KEY, secret_key=SECRET_KEY, kind=KINDS[0])


@pytest.fixture
def own_store(own_redis: Server, tmp_path: Path) -> Iterator[OwnStore]:
    if not KINDS:
        pytest.skip("no S3 server here")
    store = OwnStore(own_redis, tmp_path)
    try:
        with store.stack.running():
            yield store
    finally:
        store.stop()


def test_without_redis_live_videos_play_and_with_it_everything_is_back(
    one_s3: S3, own_redis: Server, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    stack = Stack(one_s3, own(one_s3.server.address, own_redis.port), tmp_path / "services")
    with stack.running():
        live, cold = (stack.put(f"{folder}/{name}.mp4", media.path(CLIP)) for name in ("live", "cold"))
        video = stack.convert(live)

        own_redis.kill()
        own_redis.process.wait()
        for url in (stack.video_url(video), stack.stream_url(live)):
            assert complaints(url) == ""
        assert is_problem(stack.transcode(cold), 503, "redis_unavailable")
        assert is_problem(stack.get(stack.stream_url(cold)), 503, "redis_unavailable")
        assert is_problem(stack.job("0123456789ab"), 503, "redis_unavailable")
        assert is_problem(stack.delete(stack.cache_url(video)), 503, "redis_unavailable")
        for service in (stack.transcoder, stack.vod):
            assert stack.get(f"http://{service.address}/healthz").status_code == 200
            ready = stack.get(f"http://{service.address}/readyz")
            assert (ready.status_code, ready.json()["checks"]["store"]) == (503, "ok")
            assert ready.json()["checks"]["redis"] != "ok"

        with start_redis(tmp_path / "another", port=own_redis.port, persist=False):  # and it remembers nothing
            stack.wait_until_ready()
            assert stack.convert(cold) == f"{folder}/cold"
            assert complaints(stack.stream_url(cold)) == ""
            assert stack.delete(stack.cache_url(video)).status_code == 200
            assert stack.get(stack.video_url(video)).status_code == 200


def test_without_the_store_both_services_say_so_and_with_it_everything_is_back(
    own_store: OwnStore, media: MediaFolder, folder: str
) -> None:
    stack = own_store.stack
    live, cold = (stack.put(f"{folder}/{name}.mp4", media.path(FILM)) for name in ("live", "cold"))
    video = stack.convert(live)
    own_store.stop()
    assert is_problem(stack.transcode(cold), 503, "store_unavailable")
    assert is_problem(stack.get(stack.stream_url(cold)), 503, "store_unavailable")
    assert is_problem(stack.get(stack.video_url(f"{folder}/cold")), 503, "store_unavailable")
    assert int(stack.transcode(cold).headers["retry-after"]) > 0
    for service in (stack.transcoder, stack.vod):
        assert stack.get(f"http://{service.address}/healthz").status_code == 200
        ready = stack.get(f"http://{service.address}/readyz")
        assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, "ok")

    own_store.start()
    stack.wait_until_ready()
    assert stack.convert(cold) == f"{folder}/cold"
    assert complaints(stack.stream_url(cold)) == ""
    assert complaints(stack.video_url(video)) == ""


def test_what_a_cancelled_job_left_is_removed_once_the_store_is_back(
    own_store: OwnStore, media: MediaFolder, folder: str
) -> None:
    stack = own_store.stack
    key = stack.put(f"{folder}/a.mp4", media.path(LONG))
    job = stack.transcode(key, reencode=True, wait=False).json()["job"]
    until(lambda: stack.making(f"{folder}/a"), "something is made")
    own_store.stop()
    assert stack.delete(f"http://{stack.transcoder.address}/jobs/{job}").status_code == 200
    until(lambda: not stack.job(job).json()["running"], "nobody is at it any more")
    tried = re.compile("mam.discard.*StoreUnavailable")
    until(lambda: tried.search(stack.transcoder.log.read_text()), "it cannot be removed")
    own_store.start()
    until(lambda: not stack.keys(f"{folder}/"), "what was made is gone")


def test_a_store_that_is_away_at_the_start_does_not_keep_the_services_from_starting(
    own_redis: Server, one_s3: S3, tmp_path: Path
) -> None:
    env = own(f"{LOOPBACK}:{free_port()}", own_redis.port, EMBEDDED_WORKERS="0")
    stack = Stack(one_s3, env, tmp_path / "services")
    stack.start_transcoder()
    stack.start_vod()
    try:
        for service in (stack.transcoder, stack.vod):
            until(lambda service=service: answers(stack, service), f"{service.name} answers")  # type: ignore[misc]
            assert stack.get(f"http://{service.address}/readyz").status_code == 503
        assert is_problem(stack.transcode("a.mp4"), 503, "store_unavailable")
        assert is_problem(stack.get(stack.video_url("a")), 503, "store_unavailable")
    finally:
        stack.stop()


def answers(stack: Stack, service: Server) -> bool:
    assert service.process.poll() is None, f"{service.name} has ended:\n{service.last_lines()}"
    try:
        return stack.get(f"http://{service.address}/healthz").status_code == 200
    except OSError:
        return False


def test_without_the_transcoding_service_live_videos_play(
    one_stack: Stack, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    live, cold = (one_stack.put(f"{folder}/{name}.mp4", media.path(CLIP)) for name in ("live", "cold"))
    one_stack.convert(live)
    lonely = Stack(one_stack.s3, one_stack.env, tmp_path)  # its TRANSCODE_API_URL leads nowhere
    lonely.start_vod()
    try:
        lonely.wait_for(lonely.vod)
        assert complaints(lonely.stream_url(live)) == ""
        assert is_problem(lonely.get(lonely.stream_url(cold)), 503, "transcoder_unavailable")
    finally:
        lonely.vod.stop()


def test_cold_viewers_of_a_service_that_says_nothing_are_in_nobodys_way(
    one_stack: Stack, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    live = one_stack.put(f"{folder}/live.mp4", media.path(CLIP))
    one_stack.convert(live)
    waiting = Stack(one_stack.s3, one_stack.env, tmp_path)
    port = int(waiting.settings.transcode_api_url.rpartition(":")[2])
    with ExitStack() as stack, socket.create_server((LOOPBACK, port)) as silent:
        silent.settimeout(30)
        waiting.start_vod()
        stack.callback(waiting.vod.stop)
        waiting.wait_for(waiting.vod)
        for number in range(40):  # more than there are threads
            viewer = stack.enter_context(socket.create_connection((LOOPBACK, waiting.vod.port)))
            target = urlsplit(waiting.stream_url(f"{folder}/cold-{number}.mp4")).path
            viewer.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            stack.enter_context(silent.accept()[0])  # the VoD service has connected, and asks
        for url in (waiting.stream_url(live), f"http://{waiting.vod.address}/readyz"):
            assert waiting.http.get(url, timeout=30).status_code == 200


def test_a_wrong_key_between_the_services_is_told_apart_from_a_viewers_mistake(
    one_stack: Stack, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    cold = one_stack.put(f"{folder}/cold.mp4", media.path(CLIP))
    stranger = Stack(
        one_stack.s3, {**one_stack.env, "TRANSCODE_API_KEY": "another key of the tests no secret"}, tmp_path
    )
    stranger.env["TRANSCODE_API_URL"] = f"http://{one_stack.transcoder.address}/transcode"
    stranger.start_vod()
    try:
        stranger.wait_for(stranger.vod)
        assert is_problem(stranger.get(stranger.stream_url(cold)), 503, "transcoder_unavailable")
        assert API_KEY not in stranger.vod.log.read_text()
    finally:
        stranger.vod.stop()


# redis_adapter's functions


@pytest.fixture
def adapter_redis(own_redis: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The Redis that redis_adapter's functions use."""
    monkeypatch.setenv("REDIS_HOST", LOOPBACK)
    monkeypatch.setenv("REDIS_PORT", str(own_redis.port))
    redis_adapter._client.cache_clear()
    redis_adapter._settings.cache_clear()
    yield own_redis
    redis_adapter._client.cache_clear()
    redis_adapter._settings.cache_clear()


def test_a_cached_playlist_is_found_until_it_is_invalidated(adapter_redis: Server) -> None:
    assert redis_adapter.get_cached_playlist("a/ü 🎬") is None
    redis_adapter.set_cached_playlist("a/ü 🎬", "#EXTM3U\nfirst\n")
    redis_adapter.set_cached_playlist("a", "#EXTM3U\nother\n")
    assert redis_adapter.get_cached_playlist("a/ü 🎬") == "#EXTM3U\nfirst\n"
    redis_adapter.set_cached_playlist("a/ü 🎬", "#EXTM3U\nsecond\n")
    assert redis_adapter.get_cached_playlist("a/ü 🎬") == "#EXTM3U\nsecond\n"
    redis_adapter.invalidate_playlist_cache("a/ü 🎬")
    assert redis_adapter.get_cached_playlist("a/ü 🎬") is None
    assert redis_adapter.get_cached_playlist("a") == "#EXTM3U\nother\n"


def test_a_cached_playlist_is_forgotten_in_time(adapter_redis: Server) -> None:
    redis_adapter.set_cached_playlist("a", "#EXTM3U\n")
    left = redis_adapter._client().ttl("mam:playlist:a")
    assert isinstance(left, int)
    assert 2690 < left <= 2700


def test_without_redis_the_adapter_finds_nothing_and_raises_nothing(adapter_redis: Server) -> None:
    redis_adapter.set_cached_playlist("a", "#EXTM3U\n")
    adapter_redis.stop()
    redis_adapter.set_cached_playlist("a", "#EXTM3U\n")
    assert redis_adapter.get_cached_playlist("a") is None
    redis_adapter.invalidate_playlist_cache("a")


def test_what_the_adapter_caches_the_service_gives_out(
    one_stack: Stack, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REDIS_HOST", "REDIS_PORT", "REDIS_DB"):
        monkeypatch.setenv(name, one_stack.env[name])
    redis_adapter._client.cache_clear()
    redis_adapter._settings.cache_clear()
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-ENDLIST\n"
    redis_adapter.set_cached_playlist(f"{folder}/a", text)
    try:
        assert one_stack.get(one_stack.video_url(f"{folder}/a")).text == text
        redis_adapter.invalidate_playlist_cache(f"{folder}/a")
        assert is_problem(one_stack.get(one_stack.video_url(f"{folder}/a")), 404, "video_not_found")
    finally:
        redis_adapter._client.cache_clear()
        redis_adapter._settings.cache_clear()
