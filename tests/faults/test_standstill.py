"""What stands still, or forgets everything: others go on, and whoever comes back late does no harm."""

from __future__ import annotations

import pytest

from tests.faults.system import LEASE_SECONDS, Fragile
from tests.integration.system import stopped, until

pytestmark = [pytest.mark.faults, pytest.mark.parametrize("reencode", [False, True], ids=["remux", "encode"])]


def test_a_worker_that_stands_still_past_its_lease_is_replaced_and_does_no_harm_when_it_goes_on(
    system: Fragile, folder: str, reencode: bool
) -> None:
    job = system.begin(f"{folder}/a", reencode=reencode)
    job.await_made(5)
    # The viewers' workers take over no chunks: another worker is what a fleet has.
    with stopped(*system.workers(), *system.pool(), *system.encoders()), system.another_worker():
        job.fault("worker stopped", lambda: None)
        until(job.is_live, "it is live", seconds=60)
    late = system.begin(f"{folder}/b", reencode=False)  # the worker that stood still works again
    assert late.is_whole(faults=0)
    assert job.is_whole(faults=1)
    assert max(job.pauses()) < 4 * LEASE_SECONDS + 5


def test_after_redis_was_wiped_the_conversion_is_finished_without_a_human(
    system: Fragile, folder: str, reencode: bool
) -> None:
    job = system.begin(f"{folder}/a", reencode=reencode)
    job.await_made(5)
    job.fault("redis wiped", system.wipe_redis)
    assert job.is_whole(faults=1)


def test_after_everything_was_killed_at_once_the_conversion_is_finished_without_a_human(
    system: Fragile, folder: str, reencode: bool
) -> None:
    job = system.begin(f"{folder}/a", reencode=reencode)
    job.await_made(5)
    job.fault("everything killed", system.kill_everything)
    assert job.is_whole(faults=1)
