"""kill -9 of anything at random moments: no video is lost, doubled or wrongly called finished."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial

import pytest

from tests.faults.system import FAULTS, Fragile

FAULTS_PER_JOB = 3

KILLS: dict[str, Callable[[Fragile, random.Random], None]] = {
    "worker": Fragile.kill_worker,
    "child": Fragile.kill_child,
    "ffmpeg": Fragile.kill_encoder,
    "service": Fragile.kill_service,
    "redis": Fragile.kill_redis,
    "store": Fragile.kill_store,
}


@pytest.mark.faults
@pytest.mark.timeout(300 * (1 + FAULTS // FAULTS_PER_JOB))
@pytest.mark.parametrize("reencode", [False, True], ids=["remux", "encode"])
@pytest.mark.parametrize("victim", KILLS)
def test_a_conversion_survives_that_something_is_killed(
    system: Fragile, folder: str, victim: str, reencode: bool
) -> None:
    if victim == "ffmpeg" and not reencode:
        pytest.skip("a remux has no ffmpeg")
    chance = random.Random(f"{victim} {reencode} {os.environ.get('MAM_FAULTS_SEED', '1')}")
    left, number = FAULTS * (2 if victim == "ffmpeg" else 1), 0
    while left:
        faults = min(left, FAULTS_PER_JOB)
        job = system.begin(f"{folder}/{number}", reencode=reencode)
        for point in sorted(chance.sample(range(1, job.total * 3 // 4), faults)):
            job.await_made(point)
            job.fault(f"{victim} killed", partial(KILLS[victim], system, chance))
        assert job.is_whole(faults=faults)
        left, number = left - faults, number + 1
