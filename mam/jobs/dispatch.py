"""Queues tasks by their names: the services know what a task is called and takes, and import none of its code."""

from __future__ import annotations

import uuid
from typing import Any

from celery import Celery

from mam.jobs import queues
from mam.jobs.order import Order
from mam.jobs.queues import Priority, task_id

PLAN, MAKE, COMMIT = "mam.plan", "mam.make", "mam.commit"
SEEK, AHEAD, PREVIEW = "mam.seek", "mam.ahead", "mam.preview"
POSTER, STORYBOARD, DISCARD = "mam.poster", "mam.storyboard", "mam.discard"

app = Celery("mam")
app.config_from_object("mam.jobs.celeryconfig")


def queue(task: str, order: Order, name: str, *arguments: Any, to: str | None = None) -> None:
    """Queues a task of a job. `name`: what it is called in the job's state. Raises KombuError."""
    app.send_task(
        task,
        (order.to_dict(), *arguments),
        queue=to,
        task_id=task_id(order.job, order.epoch, name, uuid.uuid4().hex[:8]),
    )


def queue_pictures(order: Order, priority: Priority) -> None:
    """Has the poster and the storyboard made of a video that is live. Raises KombuError."""
    queue(POSTER, order, "poster")
    queue(STORYBOARD, order, "storyboard", to=queues.pictures(priority.queue))
