"""What pages are told: everything that happens as one stream, the fleet with its notes, and a job's parts."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.servers import LOOPBACK, Server, start_redis
from mam.events import sync_client
from mam.jobs.state import Jobs
from tests.integration.steering import HEADERS, SLOW, begun, call, running
from tests.integration.system import API_KEY, S3, Stack, is_problem, own, until
from tests.media import CLIP, LONG, MediaFolder

FAT = ["x" * 1000] * 40  # lines that an ffmpeg might say: more than connections hold, in a few hundred jobs


class Listening:
    """A listener, as a thread that keeps what it is told."""

    def __init__(self, stack: Stack) -> None:
        self.jobs: dict[str, list[dict[str, Any]]] = {}
        self.fleet: list[dict[str, Any]] = []
        url = f"http://{stack.transcoder.address}/events"
        self._answer = requests.get(url, headers=HEADERS, stream=True, timeout=60)
        assert self._answer.headers["content-type"].startswith("text/event-stream")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        kind = ""
        with suppress(requests.RequestException, AttributeError):  # closed
            for line in self._answer.iter_lines(decode_unicode=True):
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    told = json.loads(line.removeprefix("data: "))
                    if kind == "job":
                        self.jobs.setdefault(told["id"], []).append(told)
                    else:
                        self.fleet.append(told)

    def last(self, job: str) -> dict[str, Any]:
        return self.jobs.get(job, [{"state": None, "progress": {"queue_position": None}}])[-1]

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def listening(stack: Stack) -> Iterator[Listening]:
    listener = Listening(stack)
    try:
        yield listener
    finally:
        listener.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Server]:
    with start_redis(tmp_path / "redis", persist=False) as server:
        yield server


@pytest.fixture
def slow(one_s3: S3, own_redis: Server, tmp_path: Path) -> Iterator[Stack]:
    """A system of one's own that encodes slowly, on one slot."""
    env = {**own(one_s3.server.address, own_redis.port), **SLOW}
    with Stack(one_s3, env, tmp_path / "services").running() as stack:
        yield stack


@pytest.fixture
def unmanned(one_s3: S3, own_redis: Server, tmp_path: Path) -> Iterator[Stack]:
    """A system of one's own without workers."""
    env = own(one_s3.server.address, own_redis.port, EMBEDDED_WORKERS="0")
    with Stack(one_s3, env, tmp_path / "services").running() as stack:
        yield stack


def queued(stack: Stack, key: str) -> str:
    """The job of a conversion that nobody begins."""
    with suppress(requests.Timeout):
        call_url = f"http://{stack.transcoder.address}/transcode"
        body = {"asset_bucket": "myvideos", "asset_object": key, "wait": False}
        requests.post(call_url, json=body, headers=HEADERS, timeout=0.5)
    query = {"bucket": "myvideos", "object": key}
    (job,) = until(lambda: call(stack, "GET", "/jobs", params=query).json()["jobs"], "it is claimed")
    return str(job["id"])


def test_all_who_listen_see_a_job_get_on_to_its_end(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(LONG))
    with listening(one_stack) as early, listening(one_stack) as other:
        until(lambda: early.fleet and other.fleet, "both are told of the fleet")
        job = begun(one_stack, key, reencode=True)
        for listener in (early, other):
            until(lambda heard=listener: heard.last(job)["state"] == "succeeded", "it ends", seconds=120)  # type: ignore[misc]
            views = listener.jobs[job]
            done = [view["progress"]["segments_done"] for view in views]
            assert done == sorted(done)
            assert len(set(done)) > 2
            assert views[-1] == one_stack.job(job).json()
            assert views[-1]["running"] == []
            assert {view["state"] for view in views} >= {"running", "succeeded"}
            assert any(fleet["speed"] > 0 for fleet in listener.fleet)
        with listening(one_stack) as late:
            until(lambda: late.last(job)["state"] == "succeeded", "who comes later is told how it ended")


def test_only_who_has_the_key_may_listen(one_stack: Stack) -> None:
    answer = call(one_stack, "GET", "/events", headers={"x-api-key": "wrong"})
    assert is_problem(answer, 403, "forbidden")


def test_without_workers_the_fleet_says_why_nothing_moves_and_positions_stay_true(
    unmanned: Stack, media: MediaFolder, folder: str
) -> None:
    with listening(unmanned) as listener:
        jobs = [queued(unmanned, unmanned.put(f"{folder}/{number}.mp4", media.path(CLIP))) for number in range(3)]

        def positions() -> list[int | None]:
            return [listener.last(job)["progress"]["queue_position"] for job in jobs]

        until(lambda: positions() == [1, 2, 3], "all know their place")
        (note,) = until(lambda: listener.fleet[-1]["notes"], "it is told why")
        assert note["code"] == "no_workers"
        assert "EMBEDDED_WORKERS" in note["hint"]
        assert [note["code"] for note in call(unmanned, "GET", "/fleet").json()["notes"]] == ["no_workers"]
        assert call(unmanned, "DELETE", f"/jobs/{jobs[0]}").status_code == 200
        until(lambda: positions() == [None, 1, 2], "those behind move up", seconds=30)
        assert listener.last(jobs[0])["state"] == "cancelled"
        for job in jobs[1:]:  # else whoever asked for them still waits
            call(unmanned, "DELETE", f"/jobs/{job}")


def test_while_redis_is_away_the_fleet_says_so_and_listeners_are_told_when_it_is_back(
    unmanned: Stack, own_redis: Server, tmp_path: Path, media: MediaFolder, folder: str
) -> None:
    with listening(unmanned) as listener:
        until(lambda: listener.fleet, "it is told of the fleet")
        own_redis.kill()
        own_redis.process.wait()
        until(lambda: listener.fleet[-1]["notes"][0]["code"] == "redis_unavailable", "it is told so")
        answer = call(unmanned, "GET", "/fleet")
        assert [note["code"] for note in answer.json()["notes"]] == ["redis_unavailable"]
        with start_redis(tmp_path / "another", port=own_redis.port, persist=False):
            until(lambda: listener.fleet[-1]["notes"][0]["code"] == "no_workers", "all else is told again")
            job = queued(unmanned, unmanned.put(f"{folder}/a.mp4", media.path(CLIP)))
            until(lambda: listener.last(job)["state"] == "queued", "also of jobs")


def test_a_running_jobs_parts_and_its_worker_are_shown(slow: Stack, media: MediaFolder, folder: str) -> None:
    job = running(slow, slow.put(f"{folder}/a.mp4", media.path(LONG)))

    def chunks() -> dict[str, Any]:
        found: dict[str, Any] = call(slow, "GET", f"/jobs/{job}/chunks").json()
        return found

    shown = until(lambda: (found := chunks())["made"] and found, "something is made")
    assert shown["segments"] == slow.job(job).json()["progress"]["segments_total"]
    assert shown["duration"] == pytest.approx(90, abs=0.1)
    assert [chunk["first"] for chunk in shown["chunks"][1:]] == [chunk["last"] for chunk in shown["chunks"][:-1]]
    at_it = until(lambda: [c for c in chunks()["chunks"] if c["state"] == "running"], "a part is being made")
    assert ":" in at_it[0]["worker"]
    assert "waiting" in {chunk["state"] for chunk in chunks()["chunks"]}
    assert sum(chunk["made"] for chunk in shown["chunks"]) > 0
    workers = until(lambda: [w for w in call(slow, "GET", "/fleet").json()["workers"] if w["tasks"]], "it is at it")
    assert workers[0]["tasks"][0]["job"] == job
    assert workers[0]["tasks"][0]["video"] == f"{folder}/a"
    assert call(slow, "DELETE", f"/jobs/{job}").json()["running"] == []
    assert {chunk["state"] for chunk in chunks()["chunks"]} <= {"made", "waiting"}
    assert is_problem(call(slow, "GET", "/jobs/000000000000/chunks"), 404, "job_not_found")


def test_all_parts_of_a_job_that_succeeded_are_made(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    one_stack.convert(one_stack.put(f"{folder}/a.mp4", media.path(CLIP)))
    shown = call(one_stack, "GET", f"/jobs/{one_stack.revision(f'{folder}/a')}/chunks").json()
    assert {chunk["state"] for chunk in shown["chunks"]} == {"made"}
    assert shown["made"] == [[0.0, shown["duration"]]]


def test_an_assets_jobs_are_found_by_it(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    keys = [one_stack.put(f"{folder}/{number}.mp4", media.path(CLIP)) for number in range(2)]
    for key in keys:
        one_stack.convert(key)
    one_stack.convert(keys[0], reencode=True)
    query = {"bucket": "myvideos", "object": keys[0]}
    found = call(one_stack, "GET", "/jobs", params=query).json()["jobs"]
    assert [(job["asset_object"], job["profile"]) for job in found] == [(keys[0], "h264"), (keys[0], "source")]
    page = call(one_stack, "GET", "/jobs", params={**query, "limit": 1}).json()
    assert page["jobs"] == found[:1]
    assert call(one_stack, "GET", "/jobs", params={**query, "cursor": page["next_cursor"]}).json()["jobs"] == found[1:]
    assert is_problem(call(one_stack, "GET", "/jobs", params={"object": keys[0]}), 422, "invalid_request")


def test_who_reads_nothing_holds_up_neither_others_nor_the_end(unmanned: Stack) -> None:
    jobs = Jobs(sync_client(unmanned.settings))
    ids = [f"{number:012x}" for number in range(300)]
    for job in ids:
        jobs.claim(job, {"bucket": "myvideos", "key": job, "said": json.dumps(FAT)}, viewer=False)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((LOOPBACK, unmanned.transcoder.port))
        deaf.sendall(f"GET /events HTTP/1.1\r\nhost: x\r\nx-api-key: {API_KEY}\r\n\r\n".encode())
        with listening(unmanned) as listener:
            until(lambda: set(ids) <= set(listener.jobs), "others are told of all jobs")
            changed = [jobs.claim(job, {"video": "new"}, viewer=False)[1] for job in ids]
            assert changed == [1] * len(ids)
            jobs.cancel(ids[0], 1)
            until(lambda: listener.last(ids[0])["state"] == "cancelled", "and of what changes")
            unmanned.transcoder.terminate()
            until(lambda: unmanned.transcoder.process.poll() is not None, "the service has ended", seconds=15)
            until(lambda: listener.ended, "so have the streams")
