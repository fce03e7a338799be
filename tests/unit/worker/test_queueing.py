"""Where the chunks of a job wait: by its priority, and of a rung by whether somebody watches it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from mam.hls.plan import Plan
from mam.jobs.order import Order
from mam.jobs.queues import Priority
from mam.worker import queueing

REVISION = "0123456789ab"


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("idle", [False, True], ids=["watched", "idle"])
@pytest.mark.parametrize("group", ["", "v540"], ids=["base", "rung"])
def test_chunks_of_a_rung_that_nobody_watches_any_more_come_last(
    monkeypatch: pytest.MonkeyPatch, priority: Priority, idle: bool, group: str
) -> None:
    context = SimpleNamespace(
        viewers=SimpleNamespace(is_idle=lambda job, minutes: idle),
        jobs=SimpleNamespace(priority=lambda job: priority),
    )
    queued: list[str] = []
    monkeypatch.setattr(queueing, "worker_context", lambda: context)
    monkeypatch.setattr(queueing, "queue", lambda *_, queue_name, **__: queued.append(queue_name))
    order = cast(Order, SimpleNamespace(job=f"{REVISION}-{group}" if group else REVISION, group=group))
    queueing.queue_chunk(order, cast(Plan, SimpleNamespace(is_short=False)), 3)
    assert queued == [(Priority.LOW if group and idle else priority).queue]
