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
