"""What lies in Redis is read, or is unknown: nothing that can be there makes a reader fail."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from mam import events, stored
from mam.cache.store import CachedPlaylist, _from_bytes
from mam.errors import InvalidPlan
from mam.hls.recipe import Profile
from mam.jobs.job import Job, parse, running_tasks
from mam.jobs.order import Order
from mam.jobs.presence import Worker
from mam.jobs.queues import _owner
from mam.library.snapshot import Base, Change, _unpacked
from mam.library.status import AssetStatus
from mam.transcoding.webhooks import _Webhook
from mam.uploads.records import _read as read_upload
from tests.recipes import recipe_of

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)
raw = st.binary() | st.text() | plain.map(json.dumps) | st.sampled_from([b"1e999", b"9" * 400, "[" * 10_000])
FIELDS = sorted({field.name for field in fields(Job)} | {"bucket", "key", "version", "segments", "speed"})
ORDER = Order(
    job="0123456789ab", epoch=1, video="a", bucket="myvideos", key="a.mp4", version="1", etag=None, size=1,
    recipe=recipe_of(Profile.H264),
    sidecars=({"key": "a.srt", "version": "1", "size": 1},),
)  # fmt: skip


@given(raw)
def test_no_reader_fails(found: Any) -> None:
    for kind in (Worker, Order, Base, _Webhook):
        stored.read(kind, found)
    stored.read_json(found), stored.text(found), stored.number(found), stored.whole(found)
    AssetStatus.parse(found), Change.parse(found), events.read_event(found)
    if isinstance(found, bytes):
        _from_bytes(found), _unpacked(found)


@given(plain)
def test_no_owner_of_a_message_makes_who_looks_for_it_fail(message: Any) -> None:
    for each in (message, {"headers": message}, {"headers": {"id": message}}):
        found = _owner(each)
        assert found is None or isinstance(found[1], int)


@given(
    st.dictionaries(st.sampled_from(FIELDS), st.text() | st.sampled_from(["running", "failed", "1", "9" * 40, "nan"]))
)
def test_a_job_is_read_whatever_its_fields_hold(fields: dict[str, str]) -> None:
    job = parse("0123456789ab", fields, done=0, attempts={}, running={}, position=None)
    assert (job is None) or (job.percent >= 0 and job.failure().status >= 400)


@given(st.dictionaries(st.text(), st.text() | plain.map(json.dumps)))
def test_tasks_of_a_job_are_read_whatever_is_said_of_them(found: dict[str, str]) -> None:
    assert len(running_tasks(found, {})) <= len(found)


@given(st.dictionaries(st.sampled_from([b"begun", b"touched", b"arrived", b"verdict"]), st.binary()))
def test_a_record_of_an_upload_is_read_whatever_it_holds(row: dict[bytes, bytes]) -> None:
    read_upload(row)


def test_a_job_without_an_epoch_is_unknown_and_one_with_odd_fields_is_known_without_them() -> None:
    def job(**held: str) -> Any:
        return parse("0123456789ab", held, done=0, attempts={}, running={}, position=None)

    assert job(state="running") is job(epoch="1") is job(state="of a later version", epoch="1") is None
    odd = job(state="running", epoch="1", created_at="1e300", streams="{}", said="7", pictures="poster hologram")
    assert (odd.created_at, odd.streams, odd.said, [each.value for each in odd.pictures]) == (0.0, (), (), ["poster"])


# rolling upgrades: the same data from the version before and from the version after


@pytest.mark.parametrize("how", [Order.of, lambda found: Order.from_json(json.dumps(found))])
def test_an_order_of_another_version_is_read(how: Any) -> None:
    later = {**ORDER.to_dict(), "ladder": [1080, 720], "policy": {"who": "all"}}
    earlier = {name: value for name, value in ORDER.to_dict().items() if name not in ("sidecars", "callback", "viewer")}
    assert how(json.loads(json.dumps(later))) == ORDER
    assert how(earlier).sidecars == ()
    with pytest.raises(InvalidPlan):
        how({"job": ORDER.job})


def test_what_other_versions_say_more_is_left_out() -> None:
    worker = Worker("a@b", "b", 1, 2, ("batch",), 1.0, 2.0)
    assert stored.read(Worker, json.dumps({**asdict(worker), "memory": 1})) == worker
    assert AssetStatus.parse('{"live": "0123456789ab", "video": "a", "groups": {}}') == AssetStatus(
        video="a", live="0123456789ab", is_playable=True
    )
    assert AssetStatus.parse('{"state": "making", "job": "x", "ahead": {"poster": true}}') == AssetStatus(
        job="x", stage="making", poster="x"
    )
    event = {"job": "x", "event": "made", "segments": [1], "group": "720p"}
    assert events.read_event(json.dumps(event)) == event


def test_a_playlist_comes_back_as_it_was_kept_and_one_that_is_not_text_does_not() -> None:
    kept = CachedPlaylist(b"\x1f\x8b...", "myvideos/a.mp4", "auto", 7)
    assert _from_bytes(kept.to_bytes()) == kept
    assert _from_bytes(kept.to_bytes().replace(b"myvideos", b"\xff\xfe")) is None


def test_a_key_of_another_type_is_unknown_and_any_other_failure_is_redis() -> None:
    assert stored.answers([1, redis.ResponseError("WRONGTYPE Operation against"), b"x"]) == [1, None, b"x"]
    with pytest.raises(redis.ResponseError):
        stored.answers([redis.ResponseError("OOM command not allowed")])
