"""A bucket and a Redis that the version before left: what is live plays, what was begun ends, what waits is done.

`tests/recorded/` holds both, with work in every queue: dev/recording.py tells how they were recorded, and what of.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.fingerprints import tasks
from dev.recording import CLIP, FOLDER, OBJECTS, SETTINGS, STATE, VIDEOS
from dev.servers import LOOPBACK, start_redis
from tests.conftest import KINDS, StartS3
from tests.integration.system import Stack, fetch, own, until
from tests.media import complaints

LEFT = {  # by the version before: the names of its tasks
    "mam.plan", "mam.make", "mam.seek", "mam.ahead", "mam.commit", "mam.discard", "mam.poster", "mam.storyboard",
    "mam.preview",
}  # fmt: skip
DONE_SECONDS = 120.0

pytestmark = pytest.mark.skipif("minio" not in KINDS, reason="the sources' versions are MinIO's ETags")


@dataclass(frozen=True, slots=True)
class Before:
    """What was recorded. `jobs`: {video: the id of its job}."""

    state: dict[str, dict[str, dict[str, Any]]]

    @property
    def jobs(self) -> dict[str, str]:
        rows = {key: row["value"] for key, row in self.state["0"].items() if row["type"] == "hash"}
        return {row["video"].removeprefix(f"{FOLDER}/"): key[8:] for key, row in rows.items() if "video" in row}

    @property
    def messages(self) -> list[Any]:
        """Those that waited, and those that a worker held."""
        lists = [row["value"] for row in self.state["1"].values() if row["type"] == "list"]
        held = [json.loads(each)[0] for each in self.state["1"]["unacked"]["value"].values()]
        return [json.loads(each) for waiting in lists for each in waiting] + held

    def put(self, stack: Stack) -> None:
        """The recorded objects, and the sources."""
        vod = stack.settings.minio_bucket_vod
        for bucket in ("myvideos", vod):
            if not stack.s3.client.bucket_exists(bucket):
                stack.s3.client.make_bucket(bucket)
        for video in VIDEOS:
            stack.put(f"{FOLDER}/{video}.mp4", CLIP)
        for path in OBJECTS.rglob("*"):
            if path.is_file():
                stack.put(path.relative_to(OBJECTS).as_posix(), path, bucket=vod)

    def restore(self, port: int) -> None:
        for database, keys in self.state.items():
            client = redis.Redis(LOOPBACK, port, int(database), encoding="latin-1")
            for key, row in keys.items():
                restored(client, key, row["type"], row["value"])
                if row["ttl"] > 0:
                    client.expire(key, row["ttl"])


def restored(client: redis.Redis, key: str, kind: str, value: Any) -> None:
    if kind == "string":
        client.set(key, value)
    elif kind == "hash":
        client.hset(key, mapping=value)
    elif kind == "zset":
        client.zadd(key, value)
    elif kind == "list":
        client.rpush(key, *value)
    else:
        client.sadd(key, *value)


@pytest.fixture(scope="module")
def before() -> Before:
    return Before(json.loads(STATE.read_text()))


@pytest.fixture(scope="module")
def left(before: Before, start_store: StartS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """This version over what the one before left, not started yet."""
    folder = tmp_path_factory.mktemp("upgraded")
    with start_redis(folder / "redis", persist=False) as server:
        s3 = start_store("minio")
        stack = Stack(s3, own(s3.server.address, server.port, **SETTINGS), folder / "services")
        before.put(stack)
        before.restore(server.port)
        yield stack


@pytest.fixture(scope="module")
def put_at(left: Stack) -> dict[str, datetime]:
    """The moments at which the recorded objects were put."""
    return moments(left)


@pytest.fixture(scope="module")
def upgraded(left: Stack, put_at: dict[str, datetime]) -> Iterator[Stack]:
    """The same once it has been started, and nothing waits any more."""
    with left.running():
        broker = redis.Redis(LOOPBACK, left.settings.redis_port, left.settings.broker_db)
        until(lambda: not tasks(broker), "everything that was left is done", seconds=DONE_SECONDS)
        yield left


def test_every_kind_of_task_was_left(before: Before) -> None:
    assert {message["headers"]["task"] for message in before.messages} == LEFT


def test_the_tasks_that_were_left_are_executed(before: Before, upgraded: Stack) -> None:
    """By the counters, as far as these count them; what no worker knows is dropped, with a line in the log."""
    counters = [key for key in upgraded.redis.keys("mam:counters:*") if isinstance(key, str)]
    rows = [upgraded.hash(key) for key in counters]
    executed = ended_tasks(rows)
    executed.subtract(ended_tasks([before.state["0"][key]["value"] for key in before.state["0"] if key in counters]))
    waited = Counter(message["headers"]["task"].removeprefix("mam.") for message in before.messages)
    for name in ("plan", "make", "seek", "ahead", "commit", "poster", "storyboard"):
        assert executed[name] >= waited[name] > 0, name
    assert "unregistered" not in upgraded.transcoder.log.read_text()


def test_a_video_that_was_live_plays_and_is_not_converted_again(before: Before, upgraded: Stack) -> None:
    key, video = f"{FOLDER}/live.mp4", f"{FOLDER}/live"
    made = upgraded.making(video)
    for url in (upgraded.stream_url(key), upgraded.video_url(video)):
        segments = upgraded.playlist(url).segments
        assert [fetch(segment.uri)[0] for segment in segments] == [200] * 5
        assert f"/{before.jobs['live']}/" in segments[0].uri
        assert complaints(url) == ""
    assert upgraded.convert(key) == video
    assert upgraded.making(video) == made
    assert jobs_of(upgraded, key) == [before.jobs["live"]]


@pytest.mark.parametrize("name", ["half", "made", "waiting"])
def test_a_conversion_that_was_not_ended_goes_on_by_the_tasks_that_were_left(
    before: Before, upgraded: Stack, name: str
) -> None:
    """A conversion that was taken up anew would have another epoch."""
    video, job = f"{FOLDER}/{name}", before.jobs[name]
    state = upgraded.hash(f"mam:job:{job}")
    assert (state["state"], state["epoch"]) == ("succeeded", "1")
    assert upgraded.revision(video) == job
    assert len(upgraded.playlist(upgraded.video_url(video)).segments) == len(upgraded.plan(video).timeline)
    assert complaints(upgraded.video_url(video)) == ""
    assert jobs_of(upgraded, f"{video}.mp4") == [job]
    assert job_of(upgraded, job)["poster"] and job_of(upgraded, job)["storyboard"]


def test_what_was_made_is_not_made_again(before: Before, upgraded: Stack, put_at: dict[str, datetime]) -> None:
    files = [f"{FOLDER}/{video}/{job}/" for video, job in before.jobs.items() if video != "cancelled"]
    made = {key for key in put_at if key.startswith(tuple(files)) and key.endswith((".ts", ".m4s"))}
    assert len(made) == 5 + 1 + 5
    now = moments(upgraded)
    assert {key: now[key] for key in made} == {key: put_at[key] for key in made}


def test_what_a_cancelled_conversion_left_is_removed(before: Before, upgraded: Stack) -> None:
    assert job_of(upgraded, before.jobs["cancelled"])["state"] == "cancelled"
    assert upgraded.keys(f"{FOLDER}/cancelled/") == set()
    assert upgraded.keys(".unfinished/") == set()


def test_with_redis_lost_too_the_unfinished_conversions_go_on(
    before: Before, start_store: StartS3, tmp_path: Path
) -> None:
    s3 = start_store("minio")
    with start_redis(tmp_path / "redis", persist=False) as server:
        stack = Stack(s3, own(s3.server.address, server.port, **SETTINGS), tmp_path / "services")
        before.put(stack)
        with stack.running():
            until(lambda: not stack.keys(".unfinished/"), "nothing is unfinished", seconds=DONE_SECONDS)
            for name in ("live", "half", "made"):
                assert stack.revision(f"{FOLDER}/{name}") == before.jobs[name]
                assert complaints(stack.video_url(f"{FOLDER}/{name}")) == ""


def ended_tasks(counters: Iterable[Mapping[str, str]]) -> Counter[str]:
    """How many tasks of each name have ended, however they did."""
    found: Counter[str] = Counter()
    for row in counters:
        for name, count in row.items():
            if name.startswith("tasks|"):
                found[name.split("|")[1]] += int(count)
    return found


def moments(stack: Stack) -> dict[str, datetime]:
    """{key: the moment at which it was last written} of all objects in the VoD bucket."""
    found = stack.s3.client.list_objects(stack.settings.minio_bucket_vod, recursive=True)
    return {item.object_name: item.last_modified for item in found if item.object_name and item.last_modified}


def job_of(stack: Stack, job: str) -> Any:
    return stack.job(job).json()


def jobs_of(stack: Stack, key: str) -> list[str]:
    """Of an asset, as the service lists them."""
    url = f"http://{stack.transcoder.address}/jobs?bucket=myvideos&object={key}"
    answer = stack.get(url, headers={"x-api-key": stack.settings.transcode_api_key.get_secret_value()})
    assert answer.status_code == 200, answer.text
    return [str(job["id"]) for job in answer.json()["jobs"]]
