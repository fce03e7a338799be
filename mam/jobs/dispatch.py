"""Queues tasks by name: services know each task's name and arguments, and import none of its code."""

from __future__ import annotations

import uuid
from typing import Any

from celery import Celery

from mam.jobs import queues
from mam.jobs.order import Order
from mam.jobs.queues import Priority, task_id

PLAN, MAKE, COMMIT = "mam.plan", "mam.make", "mam.commit"
SEEK, AHEAD, PREVIEW = "mam.seek", "mam.ahead", "mam.preview"
RUNG, REMOVE_RUNG = "mam.rung", "mam.remove-rung"
POSTER, STORYBOARD, DISCARD = "mam.poster", "mam.storyboard", "mam.discard"

app = Celery("mam")
app.config_from_object("mam.jobs.celeryconfig")


def queue(task: str, order: Order, name: str, *arguments: Any, queue_name: str | None = None) -> None:
    """Queues a task of a job. `name`: its name in the job's state. Raises KombuError."""
    app.send_task(
        task,
        (order.to_dict(), *arguments),
        queue=queue_name,
        task_id=task_id(order.job, order.epoch, name, uuid.uuid4().hex[:8]),
    )


def first_task(order: Order) -> str:
    """The task that starts a job: it plans the conversion, or starts a rung of a planned one."""
    return RUNG if order.group else PLAN


def queue_pictures(order: Order, priority: Priority) -> None:
    """Queues the poster and the storyboard of a live video. Raises KombuError."""
    queue(POSTER, order, "poster")
    queue(STORYBOARD, order, "storyboard", queue_name=queues.pictures(priority.queue))
