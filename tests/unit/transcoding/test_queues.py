"""Which queue a task waits in."""

from __future__ import annotations

from mam.transcoding import celeryconfig
from mam.transcoding.queues import QUEUES, VIEWERS
from mam.transcoding.tasks import app

TASKS = sorted(name for name in app.tasks if name.startswith("mam."))


def test_every_task_has_its_queue() -> None:
    assert sorted(celeryconfig.task_routes) == TASKS
    assert {route["queue"] for route in celeryconfig.task_routes.values()} <= set(QUEUES)


def test_what_somebody_waits_for_is_taken_by_the_viewers_workers() -> None:
    waited_for = {"mam.plan", "mam.seek", "mam.commit", "mam.preview"}
    assert {celeryconfig.task_routes[name]["queue"] for name in waited_for} <= set(VIEWERS)
