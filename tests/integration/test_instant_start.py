"""A video that was never converted plays from the first request on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from mam.jobs.keys import PREFIX
from tests.integration.system import Stack, is_problem, until
from tests.media import FILM, LONG, MediaFolder


def test_the_whole_playlist_is_there_before_the_video_is_live(stack: Stack, media: MediaFolder, folder: str) -> None:
    playlist = stack.playlist(stack.stream_url(stack.put(f"{folder}/long.mp4", media.path(LONG))))
    assert playlist.is_endlist and len(playlist.segments) == 15
    assert all("://" not in segment.uri for segment in playlist.segments)
    last = stack.get(playlist.segments[-1].absolute_uri, allow_redirects=False)
    assert (last.status_code, last.headers["cache-control"]) == (302, "no-store")
    assert stack.get(last.headers["location"]).content[:1] == b"G"  # the sync byte of MPEG-TS


def test_a_revision_that_the_asset_does_not_have_has_no_segments(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    """Nor has the revision of another asset, whatever the bucket holds."""
    urls = [one_stack.stream_url(one_stack.put(f"{folder}/{name}.mp4", media.path(FILM))) for name in "ab"]
    good, others = (one_stack.playlist(url).segments[0].absolute_uri for url in urls)
    revision, other = (uri.split("/")[-3] for uri in (good, others))
    for bad in (good.replace(revision, other), good.replace(revision, 12 * "0"), good.replace("/a.mp4/", "/c.mp4/")):
        assert is_problem(one_stack.get(bad), 404, "not_found")
    assert one_stack.get(good).status_code == 200


def test_a_playlist_of_an_earlier_version_plays_on(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    playlist = one_stack.playlist(one_stack.stream_url(one_stack.put(f"{folder}/film.mp4", media.path(FILM))))
    file = "/".join(playlist.segments[0].uri.split("/")[-3:])
    before = f"http://{one_stack.vod.address}/segment/{32 * 'A'}/{folder}/film/{file}"
    assert one_stack.get(before).content == one_stack.get(playlist.segments[0].absolute_uri).content


def test_a_segment_that_the_plan_does_not_have_is_not_waited_for(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    playlist = one_stack.playlist(one_stack.stream_url(one_stack.put(f"{folder}/film.mp4", media.path(FILM))))
    beyond = playlist.segments[-1].absolute_uri.replace("00003.ts", "00099.ts")
    assert is_problem(one_stack.get(beyond), 404, "not_found")


def test_a_job_that_redis_has_forgotten_is_resumed_by_its_viewers(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    playlist = one_stack.playlist(one_stack.stream_url(one_stack.put(f"{folder}/long.mp4", media.path(LONG))))
    job = one_stack.plan(f"{folder}/long").revision
    one_stack.redis.delete(*one_stack.redis.keys(f"{PREFIX}{job}*"))
    assert {200} == {one_stack.get(segment.absolute_uri).status_code for segment in reversed(playlist.segments)}
    assert f"{folder}/long" == one_stack.convert(f"{folder}/long.mp4")


def test_what_was_given_up_and_is_made_again_is_waited_for(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/long.mp4", media.path(LONG))
    url = one_stack.stream_url(key, reencode="true")
    last = one_stack.playlist(url).segments[-1].absolute_uri
    assert one_stack.get(last).content[:1] == b"G"  # the service knows now that it is there
    job = one_stack.plan(f"{folder}/long").revision
    assert one_stack.delete(f"http://{one_stack.transcoder.address}/jobs/{job}").status_code == 200
    until(lambda: not one_stack.keys(f"{folder}/long/"), "what was made is gone")
    again = one_stack.playlist(url).segments[-1].absolute_uri
    assert one_stack.get(again).content[:1] == b"G"
    one_stack.delete(one_stack.stream_url(key))


def test_a_hundred_viewers_of_one_cold_video_make_one_job(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    url = one_stack.stream_url(one_stack.put(f"{folder}/film.mp4", media.path(FILM)))

    def watch(_: int) -> int:
        playlist = one_stack.playlist(url)
        return one_stack.get(playlist.segments[0].absolute_uri).status_code

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(watch, range(100))) == [200] * 100
    job = one_stack.hash(f"{PREFIX}{one_stack.plan(f'{folder}/film').revision}")
    assert job["epoch"] == "1"


@pytest.fixture
def crowded(one_stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """The running system with a VoD service of several processes."""
    stack = Stack(one_stack.s3, one_stack.env, tmp_path)
    stack.start_vod(workers=3)
    try:
        stack.wait_for(stack.vod)
        yield stack
    finally:
        stack.http.close()
        stack.vod.stop()


def test_no_request_after_the_cache_was_cleared_gets_what_was_cached_from_any_process(
    one_stack: Stack, crowded: Stack, media: MediaFolder, folder: str
) -> None:
    """Also while others ask for the same all the time."""
    key = one_stack.put(f"{folder}/film.mp4", media.path(FILM))
    name = one_stack.convert(key)
    url = crowded.stream_url(key)
    over = threading.Event()

    def ask(_: object = None) -> requests.Response:
        return requests.get(url, timeout=30)  # a connection of its own each time: any of the processes may answer

    def crowd() -> set[int]:
        statuses = set()
        while not over.is_set():
            statuses.add(ask().status_code)
        return statuses

    with ThreadPoolExecutor(20) as pool:
        others = [pool.submit(crowd) for _ in range(4)]
        try:
            for number in range(5):
                text = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{10 + number}\n#EXT-X-ENDLIST\n"
                one_stack.put(f"{name}/index.m3u8", text.encode(), bucket="vod")
                assert crowded.delete(crowded.cache_url(name)).status_code == 200
                assert {text} == {answer.text for answer in pool.map(ask, range(24))}
        finally:
            over.set()
        assert {200} == set().union(*(other.result() for other in others))
