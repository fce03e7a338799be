"""Who leads a job, on a real Redis."""

from __future__ import annotations

import redis

from dev.servers import LOOPBACK, Server
from mam.jobs.state import Claim, Jobs, Mode
from mam.jobs.viewers import Viewers

JOB = "0123456789ab"


def test_what_has_succeeded_is_begun_again_only_by_who_has_looked_once_more(redis_server: Server) -> None:
    with redis.Redis(LOOPBACK, redis_server.port, 9) as client:
        client.flushdb()
        jobs = Jobs(client)

        def claim(mode: Mode = Mode.ASK) -> tuple[Claim, int]:
            return jobs.claim(JOB, {"video": "a"}, viewer=False, mode=mode)

        assert claim() == (Claim.LEAD, 1)
        assert claim() == claim(Mode.ANEW) == (Claim.JOIN, 1)
        assert jobs.succeed(JOB, 1)
        assert claim() == (Claim.DONE, 1)
        assert claim(Mode.ANEW) == (Claim.LEAD, 2)
        assert claim() == claim(Mode.ANEW) == (Claim.JOIN, 2)
        assert not jobs.succeed(JOB, 1)  # of the leader before


def test_who_watches_a_job_that_has_expired_brings_nothing_to_life(redis_server: Server) -> None:
    with redis.Redis(LOOPBACK, redis_server.port, 9) as client:
        client.flushdb()
        jobs, viewers = Jobs(client), Viewers(client)
        viewers.viewed(JOB)
        assert not client.exists(f"mam:job:{JOB}")
        jobs.claim(JOB, {"video": "a"}, viewer=True)
        viewers.viewed(JOB)
        assert client.hexists(f"mam:job:{JOB}", "viewed_at")
        assert client.ttl(f"mam:job:{JOB}") > 0


def test_a_segment_on_its_way_under_an_earlier_leader_is_requested_again_at_once(redis_server: Server) -> None:
    """Whatever ended the leader: a deletion, a removed rung, a worker that died."""
    with redis.Redis(LOOPBACK, redis_server.port, 9) as client:
        client.flushdb()
        jobs, viewers = Jobs(client), Viewers(client)
        for mode in (Mode.ASK, Mode.RETRY, Mode.REVIVE):
            jobs.claim(JOB, {"video": "a"}, viewer=True, mode=mode)
            assert viewers.take_seek(JOB, [3, 4, 5]) == (True, True)
            assert viewers.take_seek(JOB, [3, 4, 5]) == (False, False)
            assert viewers.take_seek(JOB, [4, 5]) == (True, False)
            assert viewers.take_ahead(JOB, [3, 4, 5, 6]) == [5, 6]
            assert viewers.take_ahead(JOB, [5, 6]) == []
            viewers.drop_seek(JOB, [5])
            assert viewers.take_ahead(JOB, [5, 6]) == [5]
