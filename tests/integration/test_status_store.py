"""What is known of assets: who may overwrite whom. On a real Redis, with the jobs' own scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from dev.servers import LOOPBACK, Server
from mam.errors import EncoderFailed, Failure
from mam.events import channel
from mam.jobs.progress import Progress
from mam.jobs.state import Jobs, Mode
from mam.jobs.viewers import Viewers
from mam.library.lua import CHANNEL, COMPLETE, HASH
from mam.library.status import FOREIGN, AssetStatus, foreign_field
from mam.library.status_store import StatusStore
from mam.naming import Asset

ASSET = Asset("films", "a.mp4")
OLD, NEWER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    client = redis.Redis(LOOPBACK, redis_server.port, 7)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def jobs(client: redis.Redis) -> Jobs:
    return Jobs(client)


@pytest.fixture
def progress(client: redis.Redis) -> Progress:
    return Progress(client)


@pytest.fixture
def known(client: redis.Redis) -> StatusStore:
    return StatusStore(client)


def claim(jobs: Jobs, job: str, mode: Mode = Mode.ASK) -> int:
    fields = {"bucket": ASSET.bucket, "key": ASSET.key, "video": "a", "version": f"v-{job}"}
    return jobs.claim(job, fields, viewer=False, mode=mode)[1]


def plan(progress: Progress, job: str, epoch: int, duration: float = 12.5) -> None:
    progress.planned(job, epoch, segments=2, duration=duration, streams="[]")


def make(progress: Progress, job: str, epoch: int) -> None:
    progress.made(job, epoch, {0: 6.0}, task="make:0", profile="auto", host="w")


def record(known: StatusStore) -> AssetStatus | None:
    return known.load().records.get(str(ASSET))


def state(known: StatusStore) -> tuple[str, str]:
    found = record(known) or AssetStatus()
    return found.state, found.revision


def test_a_job_is_followed_from_its_claim_to_its_commit(jobs: Jobs, progress: Progress, known: StatusStore) -> None:
    epoch = claim(jobs, OLD)
    assert record(known) == AssetStatus(video="a", job=OLD, stage="making", version=f"v-{OLD}")
    plan(progress, OLD, epoch)
    assert record(known) == AssetStatus(video="a", job=OLD, stage="making", version=f"v-{OLD}", duration=12.5)
    make(progress, OLD, epoch)
    assert (found := record(known)) and found.is_playable
    jobs.succeed(OLD, epoch)
    assert record(known) == AssetStatus(video="a", live=OLD, duration=12.5, is_playable=True)


def test_a_failure_has_its_reason_and_a_retry_has_none(jobs: Jobs, known: StatusStore) -> None:
    epoch = claim(jobs, OLD)
    jobs.fail(OLD, epoch, EncoderFailed("It said no.", hint="Do this."))
    assert (found := record(known))
    assert (found.state, found.error) == ("failed", Failure("encoder_failed", "It said no.", "Do this."))
    claim(jobs, OLD, Mode.RETRY)
    assert (found := record(known))
    assert (found.state, found.error) == ("making", None)


def test_what_an_earlier_leader_reports_is_not_noted(jobs: Jobs, progress: Progress, known: StatusStore) -> None:
    earlier = claim(jobs, OLD)
    now = claim(jobs, OLD, Mode.REVIVE)
    jobs.fail(OLD, earlier, EncoderFailed("late"))
    make(progress, OLD, earlier)
    assert (found := record(known)) and not found.is_playable
    assert state(known) == ("making", OLD)
    jobs.succeed(OLD, now)
    assert state(known) == ("live", OLD)


def test_an_old_job_does_not_speak_while_a_newer_one_is_at_work(jobs: Jobs, known: StatusStore) -> None:
    old = claim(jobs, OLD)
    newer = claim(jobs, NEWER)
    jobs.fail(OLD, old, EncoderFailed("late"))
    assert state(known) == ("making", NEWER)
    jobs.succeed(NEWER, newer)
    assert state(known) == ("live", NEWER)


def test_what_was_committed_last_is_live_whichever_job_it_is_of(jobs: Jobs, known: StatusStore) -> None:
    old, newer = claim(jobs, OLD), claim(jobs, NEWER)
    jobs.succeed(OLD, old)
    found = record(known)
    assert found
    assert (found.live, found.job) == (OLD, NEWER)
    jobs.succeed(NEWER, newer)
    assert state(known) == ("live", NEWER)


def test_a_cancelled_job_leaves_what_was_live(jobs: Jobs, known: StatusStore) -> None:
    jobs.succeed(OLD, claim(jobs, OLD))
    jobs.cancel(NEWER, claim(jobs, NEWER))
    assert state(known) == ("live", OLD)


def test_a_job_that_was_replaced_leaves_its_successor(jobs: Jobs, known: StatusStore) -> None:
    old = claim(jobs, OLD)
    claim(jobs, NEWER)
    jobs.replace(OLD, old, NEWER)
    assert state(known) == ("making", NEWER)


def test_what_is_deleted_is_new_again_unless_another_revision_is_live(jobs: Jobs, known: StatusStore) -> None:
    jobs.succeed(OLD, claim(jobs, OLD))
    assert not known.deleted(str(ASSET), NEWER)
    assert state(known) == ("live", OLD)
    assert known.deleted(str(ASSET), OLD)
    assert state(known) == ("new", "")


def test_pictures_are_those_of_what_plays_or_will(jobs: Jobs, known: StatusStore) -> None:
    epoch = claim(jobs, OLD)
    assert known.pictured(ASSET, OLD, "poster")
    assert (found := record(known)) and found.poster == OLD
    jobs.succeed(OLD, epoch)
    assert (found := record(known)) and found.poster == OLD
    epoch = claim(jobs, NEWER)
    assert known.pictured(ASSET, NEWER, "poster")
    assert (found := record(known)) and found.poster == OLD, "what plays has its own"
    jobs.succeed(NEWER, epoch)
    assert (found := record(known)) and found.poster == NEWER
    assert not known.pictured(ASSET, OLD, "poster")


def test_a_poster_is_shown_before_there_is_a_storyboard(jobs: Jobs, known: StatusStore) -> None:
    claim(jobs, OLD)
    known.pictured(ASSET, OLD, "poster")
    assert (found := record(known)) and (found.poster, found.storyboard) == (OLD, "")
    known.pictured(ASSET, OLD, "storyboard")
    assert (found := record(known)) and (found.poster, found.storyboard) == (OLD, OLD)


def test_pictures_of_the_revision_before_the_last_are_forgotten(jobs: Jobs, known: StatusStore) -> None:
    jobs.succeed(OLD, claim(jobs, OLD))
    known.pictured(ASSET, OLD, "poster")
    for job, expected in ((NEWER, OLD), ("c" * 12, "")):  # the commit after the next sweeps them
        jobs.succeed(job, claim(jobs, job))
        assert (found := record(known)) and found.poster == expected


def test_what_is_found_in_the_bucket_overwrites_nothing_that_was_reported(jobs: Jobs, known: StatusStore) -> None:
    seen = {str(ASSET): AssetStatus(video="a", live=OLD, duration=3.0)}
    known.found(seen)
    assert state(known) == ("live", OLD)
    jobs.succeed(NEWER, claim(jobs, NEWER))
    known.found(seen)
    assert state(known) == ("live", NEWER)
    known.deleted(str(ASSET), NEWER)
    known.found(seen)
    assert state(known) == ("new", ""), "whoever looked before it was deleted saw what is no more"


def test_what_is_live_is_found_behind_what_is_being_made(jobs: Jobs, known: StatusStore) -> None:
    claim(jobs, NEWER)
    known.found({str(ASSET): AssetStatus(video="a", live=OLD, duration=3.0, poster=OLD)})
    assert (found := record(known))
    assert (found.state, found.job, found.poster, found.duration) == ("live", NEWER, OLD, 3.0)


def test_where_nothing_was_found_is_told_from_where_nobody_looked(client: redis.Redis, known: StatusStore) -> None:
    known.found({str(ASSET): AssetStatus()})
    assert record(known) == AssetStatus()
    assert "films/b.mp4" not in known.load().records


def test_all_is_known_only_if_redis_still_knows_who_looked(client: redis.Redis, known: StatusStore) -> None:
    client.set("lock", "token")
    assert not known.completed("lock", "another")
    client.flushdb()
    assert not known.completed("lock", "token")
    assert not known.load().complete
    client.set("lock", "token")
    assert known.completed("lock", "token")
    assert known.load().complete
    assert client.hexists(HASH, COMPLETE)


def test_what_redis_loses_while_it_is_read_is_not_taken_for_all(
    client: redis.Redis, known: StatusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.found({str(ASSET): AssetStatus(live=OLD, video="a")})
    client.hset(HASH, COMPLETE, "1")
    assert known.load().complete
    scan = client.hscan_iter

    def wiped_first(*arguments: Any, **options: Any) -> Any:
        client.flushdb()
        return scan(*arguments, **options)

    monkeypatch.setattr(client, "hscan_iter", wiped_first)
    assert not known.load().complete


def test_a_tree_of_another_tool_comes_and_goes(known: StatusStore) -> None:
    field = foreign_field("a")
    known.found({field: AssetStatus(video="a", live=FOREIGN)})
    assert known.load().records[field].state == "live"
    known.deleted(field, FOREIGN)
    assert known.load().records[field].state == "new"


def test_each_change_is_told_once(client: redis.Redis, jobs: Jobs, progress: Progress, known: StatusStore) -> None:
    with client.pubsub() as listening:  # type: ignore[no-untyped-call]
        listening.subscribe(channel(client, CHANNEL))
        listening.get_message(timeout=5)
        epoch = claim(jobs, OLD)
        progress.touch(OLD, epoch)
        progress.said(OLD, epoch, ["something"])
        make(progress, OLD, epoch)
        make(progress, OLD, epoch)
        jobs.succeed(OLD, epoch)
        told = []
        while message := listening.get_message(timeout=1):
            told.append(json.loads(message["data"])["known"][str(ASSET)])
    assert [(one.get("state"), one.get("live"), one.get("playable")) for one in told] == [
        ("making", None, None),
        ("making", None, True),
        (None, OLD, None),
    ]


def test_who_makes_pictures_of_a_job_that_has_ended_is_known(jobs: Jobs, progress: Progress) -> None:
    epoch = claim(jobs, OLD)
    jobs.succeed(OLD, epoch)
    for name in ("poster", "storyboard"):
        assert progress.attempt_picture(OLD, epoch, name, "host:7", parent="anything@host") == 1
    (found,) = jobs.picturing()
    assert (found.id, found.video) == (OLD, "a")
    assert [(task.name, task.worker, task.parent) for task in found.running] == [
        ("poster", "host:7", "anything@host"),
        ("storyboard", "host:7", "anything@host"),
    ]
    progress.ended(OLD, "poster")
    assert [task.name for task in jobs.picturing()[0].running] == ["storyboard"]
    progress.ended(OLD, "storyboard")
    assert jobs.picturing() == []


def test_what_happens_is_told_within_the_database_alone(client: redis.Redis, redis_server: Server, jobs: Jobs) -> None:
    with (
        redis.Redis(LOOPBACK, redis_server.port, 8) as elsewhere,
        client.pubsub() as ours,  # type: ignore[no-untyped-call]
        elsewhere.pubsub() as theirs,
    ):
        for listening, there in ((ours, client), (theirs, elsewhere)):
            listening.psubscribe(channel(there, "mam:*"))
            listening.get_message(timeout=5)
        jobs.succeed(OLD, claim(jobs, OLD))
        Viewers(client).drop_seek(OLD, [3])
        heard = [message["channel"].decode() for message in iter(lambda: ours.get_message(timeout=1), None)]
        assert {name.partition("@")[0] for name in heard} == {f"mam:job:{OLD}", "mam:library"}
        assert theirs.get_message(timeout=0.1) is None
