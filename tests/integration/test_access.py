"""A bucket that is taken off the list is out of reach on every way: by asset, by name, by picture and by segment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.servers import LOOPBACK, Server, free_port
from mam.naming import segment_key
from mam.vod.tokens import Tokens
from tests.integration.system import BUCKET, OTHER_BUCKET, Stack, is_problem, until
from tests.media import CLIP, MediaFolder


@contextmanager
def second_vod(stack: Stack, **settings: str) -> Iterator[Server]:
    """Another VoD service over the same system, with settings of its own."""
    port, before = free_port(), stack.env
    stack.env = {**before, **settings}
    try:
        argv = [sys.executable, "-m", "uvicorn", "vod_main_server:app", "--host", LOOPBACK, "--port", str(port)]
        server = stack.spawn("vod-of-others", argv, port=port)
    finally:
        stack.env = before
    try:
        stack.wait_for(server)
        yield server
    finally:
        server.stop(30)


@pytest.mark.parametrize("cached", [True, False])
def test_a_bucket_off_the_list_is_out_of_reach_on_every_way(
    one_stack: Stack, media: MediaFolder, folder: str, cached: bool
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    revision = one_stack.revision(video)
    name = next(iter(one_stack.making(video))).rpartition("/")[2]
    rendition = next(iter(one_stack.making(video))).split("/")[-2]
    assert segment_key(video, revision, rendition, name) in one_stack.making(video)
    token = Tokens(one_stack.settings).issue(video, revision, ttl=600)
    ways = [
        f"/video/{video}/playlist.m3u8",
        f"/video/{video}/playlist.m3u8?profile=source",
        f"/video/{video}/poster.jpg",
        f"/video/{video}/poster.jpg?revision={revision}",
        f"/video/{video}/storyboard.vtt",
        f"/video/{video}/storyboard.vtt?revision={revision}",
        f"/stream/{BUCKET}/{key}/playlist.m3u8",
        f"/stream/{BUCKET}/{key}/playlist.m3u8?profile=source",
        f"/stream/{BUCKET}/{key}/status",
        f"/segment/{token}/{video}/{revision}/{rendition}/{name}",
    ]
    here = f"http://{one_stack.vod.address}"
    for way in ways:
        until(lambda way=way: one_stack.get(here + way, allow_redirects=False).status_code in (200, 302), way)  # type: ignore[misc]
    if not cached:
        one_stack.delete(one_stack.cache_url(video))
    with second_vod(one_stack, MINIO_SOURCE_BUCKETS=OTHER_BUCKET, MINIO_UPLOAD_BUCKET="") as others:
        for way in ways:
            answer = one_stack.get(f"http://{others.address}{way}", allow_redirects=False)
            assert is_problem(answer, 404, answer.json()["code"]), way
            missing = one_stack.get(f"http://{others.address}{way.replace(folder, 'missing')}", allow_redirects=False)
            if not way.startswith("/segment/"):  # the token of another video is refused before
                assert (answer.status_code, answer.json()["code"]) == (404, missing.json()["code"]), "alike"
