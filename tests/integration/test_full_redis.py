"""Redis is full of something else: what can be answered is, the rest says so, and so do operators' views."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import requests

from mam.http.auth import PAGE_HEADER
from tests.integration.system import API_KEY, S3, Stack, is_problem, own_stack, until
from tests.media import CLIP, MediaFolder, complaints

SOON = 2.0  # seconds: a process whose word is missing would be waited for for three


@contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    """While no write that needs memory is taken."""
    used = int(client.info("memory")["used_memory"])
    client.set("filler", b"x" * (8 << 20))
    client.config_set("maxmemory", used + (6 << 20))
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)
        client.delete("filler")


def test_with_redis_full_live_videos_play_and_everyone_hears_why_the_rest_does_not(
    one_s3: S3, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    with own_stack(one_s3, tmp_path) as stack:
        warm, uncached, cold = (
            stack.put(f"{folder}/{name}.mp4", media.path(CLIP)) for name in ("warm", "uncached", "cold")
        )
        video = stack.convert(warm)
        stack.convert(uncached)
        assert stack.get(stack.stream_url(warm)).status_code == 200
        with full(stack.redis):
            for key in (warm, uncached):
                assert complaints(stack.stream_url(key)) == ""
            assert is_problem(stack.transcode(cold), 503, "redis_full")
            assert is_problem(stack.get(stack.stream_url(cold)), 503, "redis_full")
            assert is_problem(sign_in(stack), 503, "redis_full")
            assert cleared_in(stack, video) <= SOON
            assert stack.get(stack.video_url(video)).status_code == 200
            for service in (stack.transcoder, stack.vod):
                ready = stack.get(f"http://{service.address}/readyz", headers={"x-api-key": API_KEY})
                assert (ready.status_code, ready.json()["checks"]["store"]) == (503, "ok")
                assert "maxmemory" in ready.json()["checks"]["redis"]
            assert "redis_full" in notes(stack)
            used, most = (gauge(stack, f"mam_redis_memory_{name}") for name in ("bytes", "most_bytes"))
            assert 0 < most < used

        until(lambda: stack.transcode(cold).status_code == 200, "it is converted", seconds=60)
        assert sign_in(stack).status_code == 200
        until(lambda: "redis_full" not in notes(stack), "the fleet has room again")


def sign_in(stack: Stack) -> requests.Response:
    url = f"http://{stack.vod.address}/session"
    return stack.http.post(url, json={"api_key": API_KEY}, headers={PAGE_HEADER: "1"}, timeout=30)


def cleared_in(stack: Stack, video: str) -> float:
    began = time.monotonic()
    assert stack.delete(stack.cache_url(video)).status_code == 200
    return time.monotonic() - began


def notes(stack: Stack) -> set[str]:
    answer = stack.get(f"http://{stack.transcoder.address}/fleet", headers={"x-api-key": API_KEY})
    return {note["code"] for note in answer.json()["notes"]}


def gauge(stack: Stack, name: str) -> float:
    shown = stack.get(f"http://{stack.transcoder.address}/metrics").text
    return float(next(line for line in shown.splitlines() if line.startswith(f"{name} ")).split()[1])
