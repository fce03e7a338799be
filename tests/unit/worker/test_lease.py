"""How a task is told to end in the middle of what blocks it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from mam.worker.lease import Lease, Preempted

PATIENCE = 10


def preempted_lease(interrupt: Callable[[], None]) -> Lease:
    """Of a task that something more urgent waits for from the beginning."""
    return Lease(
        SimpleNamespace(app=None, request=SimpleNamespace(properties={})),
        seconds=60,
        stall_seconds=60,
        is_ours=lambda: True,
        touch=lambda: None,
        interrupt=interrupt,
        preempted=lambda: True,
    )


def test_whatever_begins_to_block_after_the_interruption_is_interrupted_too() -> None:
    blocking, interrupted = threading.Event(), threading.Event()

    def interrupt() -> None:
        (interrupted if blocking.is_set() else early).set()

    early = threading.Event()
    with pytest.raises(Preempted), preempted_lease(interrupt):
        early.wait(PATIENCE)
        blocking.set()  # as an ffmpeg that is started only now
        interrupted.wait(PATIENCE)
        raise BrokenPipeError
    assert early.is_set()
    assert interrupted.is_set()


def test_work_that_ends_well_is_not_held_up_by_its_interruption() -> None:
    asked = threading.Event()
    with preempted_lease(asked.set) as lease:
        assert asked.wait(PATIENCE)
        with pytest.raises(Preempted):
            lease.alive()
