"""Which queue a task waits in."""

from __future__ import annotations

from mam.jobs import celeryconfig
from mam.jobs.queues import BATCH, LISTS, QUEUES, VIEWERS, base, pictures, served, short, together
from mam.worker import tasks

TASKS = sorted(name for name in tasks.app.tasks if name.startswith("mam."))


def test_every_task_has_its_queue() -> None:
    assert sorted(celeryconfig.task_routes) == TASKS
    assert {route["queue"] for route in celeryconfig.task_routes.values()} <= set(QUEUES)


def test_what_somebody_waits_for_is_taken_by_the_viewers_workers() -> None:
    waited_for = {"mam.plan", "mam.seek", "mam.commit", "mam.preview"}
    assert {celeryconfig.task_routes[name]["queue"] for name in waited_for} <= set(VIEWERS)


def test_who_serves_a_queue_of_chunks_serves_short_tasks_before_it_and_pictures_behind_it() -> None:
    assert served([BATCH]) == (short(BATCH), BATCH, pictures(BATCH))
    assert served(VIEWERS) == VIEWERS
    assert served(served(QUEUES)) == served(QUEUES) == LISTS  # also where somebody names the companions


def test_each_list_is_counted_with_the_queue_that_people_know() -> None:
    assert {base(name) for name in LISTS} == set(QUEUES)
    lengths = {name: 10**number for number, name in enumerate(LISTS)}
    assert sum(together(lengths).values()) == sum(lengths.values())
    assert together(lengths)[BATCH] == sum(lengths[name] for name in (short(BATCH), BATCH, pictures(BATCH)))
