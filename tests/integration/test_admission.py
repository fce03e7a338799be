"""Viewers begin a limited number of conversions, and are never in the way of requests with the key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dev.servers import LOOPBACK, Server
from mam.errors import TooManyStarts
from mam.http.caller import HEADER
from mam.jobs.admission import HOUR, Admission
from mam.jobs.state import Jobs
from mam.settings import Settings
from tests.integration.steering import begun, call
from tests.integration.system import API_KEY, S3, Stack, is_problem, own_stack
from tests.media import CLIP, LONG, MediaFolder

SLOW = {"H264_PRESET": "placebo", "EMBEDDED_WORKERS": "1"}


@pytest.fixture(scope="module")
def small(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system for four unfinished conversions, two of them viewers', and three new ones of a place in an hour."""
    more = {"MAX_QUEUED_JOBS": "4", "VIEWER_CONVERSIONS_PER_HOUR": "3", **SLOW}
    with own_stack(one_s3, tmp_path_factory.mktemp("small"), **more) as stack:
        yield stack


def test_viewers_have_half_of_the_queue_and_take_nothing_from_requests_with_the_key(
    small: Stack, media: MediaFolder, folder: str
) -> None:
    keys = [small.put(f"{folder}/{number}.mp4", media.path(LONG)) for number in range(8)]
    viewed = [small.stream_url(key, reencode="true") for key in keys[:3]]
    assert [small.get(url).status_code for url in viewed[:2]] == [200, 200]
    assert is_problem(small.get(viewed[2]), 429, "too_many_jobs")
    assert small.get(viewed[0]).status_code == 200  # it is under way
    keyed = [begun(small, key, reencode=True) for key in keys[3:7]]  # four, whatever viewers have asked for
    assert is_problem(small.transcode(keys[7], reencode=True, wait=False), 429, "too_many_jobs")
    for job in [*keyed, *(small.plan(f"{folder}/{number}").revision for number in range(2))]:
        call(small, "DELETE", f"/jobs/{job}")


def test_a_place_begins_so_many_in_an_hour_and_goes_on_watching(small: Stack, media: MediaFolder, folder: str) -> None:
    small.redis.delete(*small.redis.keys("mam:viewer-starts:*"))
    urls = [small.stream_url(small.put(f"{folder}/{number}.mp4", media.path(CLIP))) for number in range(4)]
    for url in urls[:3]:
        assert small.get(url).status_code == 200
        small.convert(url.split("/myvideos/")[1].removesuffix("/playlist.m3u8"))  # so that the queue is free
    refused = small.get(urls[3])
    assert is_problem(refused, 429, "too_many_starts")
    assert int(refused.headers["retry-after"]) > 0
    assert [small.get(url).status_code for url in urls[:3]] == [200] * 3
    assert small.get(urls[3], headers={HEADER: "a key that is wrong"}).status_code == 429
    assert small.get(urls[3], headers={HEADER: API_KEY}).status_code == 200  # whoever has the key has no such limit
    assert small.get(urls[3]).status_code == 200


def test_a_place_may_begin_another_as_time_goes_by(redis_server: Server) -> None:
    client = redis.Redis(LOOPBACK, redis_server.port, 14)
    client.flushdb()
    settings = Settings(
        _env_file=None, transcode_api_key="the key of the tests is no secret", viewer_conversions_per_hour=2
    )
    admission = Admission(settings, client, Jobs(client))

    def ask(place: str = "a") -> bool:
        try:
            admission.check("0123456789ab", viewer=True, client=place)
        except TooManyStarts:
            return False
        return True

    assert [ask(), ask(), ask(), ask("b")] == [True, True, False, True]
    key = "mam:viewer-starts:a"
    client.hset(key, "since", str(float(client.hget(key, "since") or 0) - HOUR / 2))  # half an hour brings one
    assert [ask(), ask()] == [True, False]
    client.hset(key, mapping={"left": "nonsense", "since": "nonsense"})  # what cannot be read is begun anew
    assert ask()
    for _ in range(5):
        admission.check("0123456789ab", viewer=False)
