"""Killing a conversion half way leaves no commit; whoever is left, or comes back, completes it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mam.naming import commit_key
from tests.integration.steering import clear
from tests.integration.system import S3, Stack, descendants, own_stack, until
from tests.media import TALK, MediaFolder, complaints, frames

MADE_SECONDS = 60.0


@pytest.fixture(scope="module")
def system(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system with a Redis of its own, to be broken; it encodes slowly enough to be met at work."""
    more = {"H264_PRESET": "medium", "TASK_LEASE_SECONDS": "4"}
    with own_stack(one_s3, tmp_path_factory.mktemp("fragile"), **more) as stack:
        yield stack


@pytest.fixture
def fragile(system: Stack) -> Iterator[Stack]:
    """The same, well and without work before each test."""
    yield system
    if system.transcoder.process.poll() is not None:
        system.start_transcoder()
        system.wait_until_ready()
    clear(system)


def half_way(stack: Stack, key: str) -> str:
    """Starts a re-encode of `key`; returns its job as soon as a first segment is said to be made."""
    with stack.redis.pubsub() as events:  # type: ignore[no-untyped-call]
        events.psubscribe("mam:job:*")
        answer = stack.transcode(key, reencode=True, wait=False)
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + MADE_SECONDS
        while time.monotonic() < deadline:
            message = events.get_message(ignore_subscribe_messages=True, timeout=1)
            if message and json.loads(message["data"])["event"] == "made":
                return str(answer.json()["job"])
    raise AssertionError(f"No segment was made within {MADE_SECONDS:.0f} s.")


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # some die with others
            os.kill(pid, signal.SIGKILL)


def is_half_way(stack: Stack, video: str) -> bool:
    """Whether there is something, and neither everything nor a commit."""
    made = len(stack.making(video))
    total = len(stack.plan(video).timeline)
    assert 1 <= made < total, f"{made} of {total} segments"
    return commit_key(video) not in stack.keys(f"{video}/")


def is_whole(stack: Stack, video: str, media: MediaFolder) -> bool:
    """Whether the video is live with every frame of its source, once."""
    shown = sorted(frame.pts for data in stack.segments(video) for frame in frames(data, "video"))
    assert len(shown) == len(set(shown)) == len(frames(media.path(TALK), "video"))
    assert complaints(stack.video_url(video)) == ""
    return True


def alive(pids: dict[int, str]) -> dict[int, str]:
    """Those of the processes that still run: a number may belong to another one by now."""
    running = descendants(1) | descendants(os.getpid())
    return {pid: command for pid, command in pids.items() if running.get(pid) == command}


def test_killing_the_workers_half_way_leaves_no_commit_and_their_successors_complete_the_job(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = fragile.put(f"{folder}/a.mp4", media.path(TALK)), f"{folder}/a"
    job = half_way(fragile, key)
    kill(*descendants(fragile.transcoder.process.pid))
    assert is_half_way(fragile, video)
    assert fragile.job(job).json()["state"] == "running"

    assert fragile.convert(key, reencode=True) == video  # joins it, and waits
    assert fragile.job(job).json()["progress"]["percent"] == 100.0
    assert fragile.revision(video) == job
    assert is_whole(fragile, video, media)


def test_a_killed_task_takes_its_ffmpeg_with_it_and_is_done_again(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = fragile.put(f"{folder}/a.mp4", media.path(TALK)), f"{folder}/a"
    half_way(fragile, key)
    below = descendants(fragile.transcoder.process.pid)
    encoders = {pid: command for pid, command in below.items() if "-filter_complex" in command}
    tasks = [pid for pid in below if set(descendants(pid)) & set(encoders) and pid not in encoders]
    innermost = max(tasks)  # the worker's main process is its parent
    kill(innermost)
    until(lambda: not alive(encoders), "ffmpeg has ended")
    assert is_half_way(fragile, video)
    assert fragile.convert(key, reencode=True) == video
    assert is_whole(fragile, video, media)


def test_killing_the_whole_service_half_way_leaves_no_commit_and_a_repeated_request_completes_it(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = fragile.put(f"{folder}/a.mp4", media.path(TALK)), f"{folder}/a"
    job = half_way(fragile, key)
    below = descendants(fragile.transcoder.process.pid)
    assert below
    fragile.transcoder.kill()
    fragile.transcoder.process.wait()
    until(lambda: not alive(below), "its workers and their ffmpeg have died with it")
    assert is_half_way(fragile, video)

    fragile.start_transcoder()
    fragile.wait_until_ready()
    assert commit_key(video) not in fragile.keys(f"{video}/")
    assert fragile.convert(key, reencode=True) == video
    assert fragile.revision(video) == job
    assert is_whole(fragile, video, media)


def test_with_redis_wiped_half_way_what_was_made_is_found_and_not_made_again(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = fragile.put(f"{folder}/a.mp4", media.path(TALK)), f"{folder}/a"
    half_way(fragile, key)
    fragile.transcoder.kill()
    fragile.transcoder.process.wait()
    made = fragile.making(video)
    fragile.redis.flushall()

    fragile.start_transcoder()
    fragile.wait_until_ready()
    assert fragile.convert(key, reencode=True) == video
    assert is_whole(fragile, video, media)
    now = fragile.making(video)
    assert len(now) > len(made) >= 1
    assert {name: now[name] for name in made} == made


def test_stopping_the_service_half_way_leaves_no_process_no_commit_and_no_half_segment(
    fragile: Stack, media: MediaFolder, folder: str
) -> None:
    key, video = fragile.put(f"{folder}/a.mp4", media.path(TALK)), f"{folder}/a"
    half_way(fragile, key)
    below = descendants(fragile.transcoder.process.pid)
    assert any("celery" in command for command in below.values())
    fragile.transcoder.stop(60)
    assert alive(below) == {}
    plan, made = fragile.plan(video), fragile.making(video)
    assert 1 <= len(made) < len(plan.timeline)
    assert commit_key(video) not in fragile.keys(f"{video}/")
    for name in made:
        number = int(name.rpartition("/")[2].removesuffix(".ts"))
        assert len(frames(fragile.read(name), "video")) == plan.frames[number]
