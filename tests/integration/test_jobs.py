"""Steering conversions: what callers see of jobs, and what they can do with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mam.naming import commit_key
from mam.processes import cores
from tests.integration.steering import HEADERS, SLOW, begun, call, clear, encoders, running
from tests.integration.system import BUCKET, S3, Stack, is_problem, own_stack, until
from tests.media import CLIP, LONG, TALK, VP9, MediaFolder, complaints


@pytest.fixture(scope="module")
def system(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with own_stack(one_s3, tmp_path_factory.mktemp("slow"), MAX_QUEUED_JOBS="3", **SLOW) as stack:
        yield stack


@pytest.fixture
def slow(system: Stack) -> Iterator[Stack]:
    """A system that encodes slowly, on one slot, and has nothing to do."""
    yield system
    clear(system)


def test_a_running_job_is_cancelled_at_once_with_its_ffmpeg_and_its_leftovers(
    slow: Stack, media: MediaFolder, folder: str
) -> None:
    key = slow.put(f"{folder}/a.mp4", media.path(LONG))
    job = running(slow, key)
    asked = time.monotonic()
    answer = call(slow, "DELETE", f"/jobs/{job}")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    until(lambda: not encoders(slow), "ffmpeg has ended")
    assert time.monotonic() - asked < 5  # the bar is one second on an idle machine: `bench cancel`
    until(lambda: not slow.keys(f"{folder}/"), "what was made is gone")
    until(lambda: not slow.keys(".unfinished/"), "the note of unfinished work is gone too")
    assert is_problem(call(slow, "DELETE", f"/jobs/{job}"), 409, "job_ended")


def test_a_queued_job_is_cancelled_and_never_begun(slow: Stack, media: MediaFolder, folder: str) -> None:
    first = running(slow, slow.put(f"{folder}/a.mp4", media.path(LONG)))
    second = begun(slow, slow.put(f"{folder}/b.mp4", media.path(LONG)), reencode=True)
    assert call(slow, "DELETE", f"/jobs/{second}").status_code == 200
    assert call(slow, "DELETE", f"/jobs/{first}").status_code == 200
    until(lambda: not slow.keys(f"{folder}/"), "what was made is gone")
    assert slow.job(second).json()["progress"]["segments_done"] == 0
    assert slow.job(second).json()["command"] is None  # no ffmpeg was started for it


def test_who_waits_for_a_job_that_is_cancelled_is_told_so(slow: Stack, media: MediaFolder, folder: str) -> None:
    key = slow.put(f"{folder}/a.mp4", media.path(LONG))
    answers: list[requests.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(slow.transcode(key, reencode=True)))
    waiting.start()
    (job,) = until(lambda: call(slow, "GET", "/jobs", params={"state": "running"}).json()["jobs"], "it is begun")
    call(slow, "DELETE", f"/jobs/{job['id']}")
    waiting.join(30)
    assert is_problem(answers[0], 409, "cancelled")


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_a_job_is_begun_again_from_every_end(slow: Stack, media: MediaFolder, folder: str, end: str) -> None:
    recipe = VP9 if end == "failed" else CLIP
    key = slow.put(f"{folder}/a.mp4", media.path(recipe))
    if end == "cancelled":
        key = slow.put(f"{folder}/long.mp4", media.path(LONG))
        job = running(slow, key)
        call(slow, "DELETE", f"/jobs/{job}")
    else:
        answer = slow.transcode(key)
        assert (answer.status_code == 200) == (end == "succeeded")
        job = next(job["id"] for job in call(slow, "GET", "/jobs").json()["jobs"] if job["asset_object"] == key)
    until(lambda: slow.job(job).json()["state"] == end, "it has ended")
    began = slow.job(job).json()["created_at"]
    answer = call(slow, "POST", f"/jobs/{job}/retry")
    assert (answer.status_code, answer.json()["id"]) == (202, job)
    assert answer.json()["created_at"] > began
    if end == "cancelled":
        until(lambda: slow.job(job).json()["progress"]["segments_done"], "it gets on")
        assert is_problem(call(slow, "POST", f"/jobs/{job}/retry"), 409, "job_active")
        call(slow, "DELETE", f"/jobs/{job}")
    else:
        until(lambda: slow.job(job).json()["state"] == end, "it ends the same way again")
        assert (commit_key(f"{folder}/a") in slow.keys(f"{folder}/")) == (end == "succeeded")


def test_a_job_tells_how_far_it_is_and_who_is_at_it(slow: Stack, media: MediaFolder, folder: str) -> None:
    job = running(slow, slow.put(f"{folder}/a.mp4", media.path(LONG)))
    waiting = begun(slow, slow.put(f"{folder}/b.mp4", media.path(LONG)), reencode=True, priority="low")
    view = until(lambda: (found := slow.job(job).json())["progress"]["eta_seconds"] and found, "its speed is known")
    progress = view["progress"]
    assert view["state"] == "running"
    assert view["playable"]
    assert 0 < progress["percent"] < 100
    assert progress["segments_done"] < progress["segments_total"]
    assert progress["speed"] > 0
    assert progress["eta_seconds"] > 0
    assert progress["queue_position"] is None
    assert view["attempts"] == 1
    assert any(task["name"].startswith("make:") and ":" in task["worker"] for task in view["running"])
    assert "libx264" in view["command"]
    assert f"-threads {cores()} " in view["command"]  # its worker has one slot
    assert slow.job(waiting).json()["priority"] == "low"

    fleet = call(slow, "GET", "/fleet").json()
    assert fleet["slots"] == sum(worker["slots"] for worker in fleet["workers"]) == 3
    assert set(fleet["queues"]) == {"interactive", "ahead", "high", "batch", "low"}
    assert fleet["queues"]["low"] > 0
    shown = slow.get(f"http://{slow.transcoder.address}/metrics").text
    assert "mam_worker_slots 3.0" in shown
    assert 'mam_queue_length{queue="low"}' in shown
    assert 'mam_media_seconds_total{profile="h264",worker="' in shown


def test_a_plan_is_shown_at_once_though_the_slot_for_conversions_is_busy(
    slow: Stack, media: MediaFolder, folder: str
) -> None:
    job = running(slow, slow.put(f"{folder}/a.mp4", media.path(LONG)))
    body = {"asset_bucket": BUCKET, "asset_object": slow.put(f"{folder}/b.mp4", media.path(CLIP))}
    assert call(slow, "POST", "/plan", json=body).status_code == 200
    assert slow.job(job).json()["state"] == "running"


def test_a_job_of_higher_priority_goes_before_the_others(slow: Stack, media: MediaFolder, folder: str) -> None:
    first = running(slow, slow.put(f"{folder}/a.mp4", media.path(LONG)))
    second = begun(slow, slow.put(f"{folder}/b.mp4", media.path(LONG)), reencode=True)
    third = begun(slow, slow.put(f"{folder}/c.mp4", media.path(CLIP)), reencode=True)
    answer = call(slow, "PATCH", f"/jobs/{third}", json={"priority": "high"})
    assert answer.json()["priority"] == "high"
    until(lambda: slow.job(third).json()["state"] == "succeeded", "it is done", seconds=90)
    assert slow.job(second).json()["progress"]["segments_done"] == 0
    for job in (first, second):
        call(slow, "DELETE", f"/jobs/{job}")
    assert is_problem(call(slow, "PATCH", f"/jobs/{third}", json={"priority": "low"}), 409, "job_ended")


def test_what_is_being_made_in_another_profile_stays_when_one_is_committed(
    slow: Stack, media: MediaFolder, folder: str
) -> None:
    job = running(slow, key := slow.put(f"{folder}/a.mp4", media.path(LONG)))
    until(lambda: slow.job(job).json()["progress"]["segments_done"], "the first segment is made")
    made = {name for name in slow.making(f"{folder}/a") if job in name}
    assert slow.convert(key, priority="high") == f"{folder}/a"
    assert slow.job(job).json()["state"] == "running"
    assert made <= set(slow.making(f"{folder}/a"))


def test_beyond_the_limit_new_work_is_refused_and_viewers_come_last(
    slow: Stack, media: MediaFolder, folder: str
) -> None:
    keys = [slow.put(f"{folder}/{number}.mp4", media.path(LONG)) for number in range(5)]
    jobs = [begun(slow, key, reencode=True) for key in keys[:3]]
    refused = slow.transcode(keys[3], reencode=True, wait=False)
    assert is_problem(refused, 429, "too_many_jobs")
    assert int(refused.headers["retry-after"]) > 0
    assert slow.transcode(keys[0], reencode=True, wait=False).json()["job"] == jobs[0]  # joins what is under way
    assert slow.get(slow.stream_url(keys[4])).status_code == 200  # a viewer
    for job in jobs:
        call(slow, "DELETE", f"/jobs/{job}")


def test_jobs_are_listed_newest_first_by_page_and_by_state(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    made = []
    for number in range(5):
        key = one_stack.put(f"{folder}/{number}.mp4", media.path(CLIP))
        assert one_stack.transcode(key, wait=False).status_code in (200, 202)
        one_stack.convert(key)
        made.append(f"{folder}/{number}.mp4")
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = call(one_stack, "GET", "/jobs", params=query).json()
        seen += page["jobs"]
        cursor = page["next_cursor"]
        if cursor is None or len(seen) > 500:
            break
    ours = [job["asset_object"] for job in seen if job["asset_object"].startswith(folder)]
    assert ours == made[::-1]
    assert len({job["id"] for job in seen}) == len(seen)
    created = [job["created_at"] for job in seen]
    assert created == sorted(created, reverse=True)
    failed = call(one_stack, "GET", "/jobs", params={"state": "failed", "limit": "500"}).json()["jobs"]
    assert {job["state"] for job in failed} <= {"failed"}
    assert is_problem(call(one_stack, "GET", "/jobs", params={"cursor": "nonsense"}), 422, "invalid_request")
    assert is_problem(call(one_stack, "GET", "/jobs", headers={"x-api-key": "wrong"}), 403, "forbidden")


def test_a_jobs_events_are_streamed_until_it_ends(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(LONG))
    job = begun(one_stack, key, reencode=True)
    url = f"http://{one_stack.transcoder.address}/jobs/{job}/events"
    with one_stack.http.get(url, headers=HEADERS, stream=True, timeout=120) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines(decode_unicode=True) if line.startswith("data: ")]
    views = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert views[-1]["state"] == "succeeded"
    done = [view["progress"]["segments_done"] for view in views]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert is_problem(call(one_stack, "GET", "/jobs/000000000000/events"), 404, "job_not_found")


def test_the_same_idempotency_key_means_the_same_job(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    body = {"asset_bucket": "myvideos", "asset_object": key, "wait": False}
    headers = {"Idempotency-Key": folder}
    first = call(one_stack, "POST", "/transcode", json=body, headers=headers)
    one_stack.convert(key)
    one_stack.put(key, media.path(LONG))  # even where the asset has changed meanwhile
    second = call(one_stack, "POST", "/transcode", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json()["video"] == first.json()["video"]
    other = call(one_stack, "POST", "/transcode", json={**body, "reencode": True}, headers=headers)
    assert is_problem(other, 422, "idempotency_key_reused")


def test_after_redis_was_wiped_the_conversion_is_finished_without_a_human(
    one_s3: S3, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    with own_stack(one_s3, tmp_path, TASK_LEASE_SECONDS="4", H264_PRESET="slow") as stack:
        key, video = stack.put(f"{folder}/a.mp4", media.path(CLIP)), f"{folder}/a"
        other = running(stack, stack.put(f"{folder}/b.mp4", media.path(TALK)))
        job = begun(stack, key, reencode=True)
        stack.redis.flushall()
        until(lambda: commit_key(video) in stack.keys(f"{video}/"), "it is live", seconds=120)
        assert stack.revision(video) == job
        assert complaints(stack.video_url(video)) == ""
        until(lambda: stack.job(other).status_code == 200, "so is the other one known again")
        call(stack, "DELETE", f"/jobs/{other}")
        until(lambda: not stack.keys(".unfinished/"), "nothing is left unfinished")


def test_a_conversion_that_nobody_watches_stops_and_goes_on_when_somebody_does(
    one_s3: S3, media: MediaFolder, folder: str, tmp_path: Path
) -> None:
    with own_stack(one_s3, tmp_path, STOP_IDLE_MINUTES="0.05", TASK_LEASE_SECONDS="3", **SLOW) as stack:
        key = stack.put(f"{folder}/a.mp4", media.path(LONG))
        playlist = stack.playlist(stack.stream_url(key, reencode="true"))
        job = stack.plan(f"{folder}/a").revision
        until(lambda: stack.job(job).json()["state"] == "cancelled", "it stops")
        made = set(stack.making(f"{folder}/a"))
        assert 0 < len(made) < len(playlist.segments)
        last = playlist.segments[-1].absolute_uri
        assert stack.get(last).status_code == 200
        assert stack.job(job).json()["state"] == "running"
        assert made < set(stack.making(f"{folder}/a"))  # what there was is still there
