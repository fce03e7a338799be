"""The queues that tasks wait in: their names, their order, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

import redis

from mam import connections
from mam.settings import Settings

INTERACTIVE = "interactive"  # somebody waits: plans, segments that a viewer asked for, commits
AHEAD = "ahead"  # segments that a viewer is likely to ask for next, posters, plans that are only looked at
HIGH, BATCH, LOW = "high", "batch", "low"  # chunks of conversions, by their priority
QUEUES = (INTERACTIVE, AHEAD, HIGH, BATCH, LOW)  # in the order in which workers look at them
VIEWERS = (INTERACTIVE, AHEAD)
UNACKNOWLEDGED = "unacked"  # a hash of kombu's: the messages that workers hold


class Priority(str, Enum):
    """Of a conversion. The values are the API's."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def queue(self) -> str:
        return BATCH if self is Priority.NORMAL else self.value


def broker_client(settings: Settings) -> redis.Redis:
    """A client for the database that Celery's queues are in."""
    return connections.for_threads(settings, connections.REQUEST, db=settings.broker_db)


def lengths(broker: redis.Redis) -> dict[str, int]:
    """How many tasks wait in each queue."""
    with broker.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            pipe.llen(queue)
        return dict(zip(QUEUES, pipe.execute(), strict=True))


def task_id(job: str, epoch: int, name: str, unique: str) -> str:
    """The id of a task as Celery's tools show it: whose it is, and what it does."""
    return f"{job}.{epoch}.{name}.{unique}"


def jobs_at_hand(broker: redis.Redis) -> set[tuple[str, int]]:
    """(job, epoch) of every task that waits in a queue or is held by a worker.

    Reads all messages, a kilobyte or two each: for when there is reason to ask.
    """
    return {found for message in _messages(broker) if (found := _owner(message))}


def _messages(broker: redis.Redis) -> Iterator[dict[str, Any]]:
    for queue in QUEUES:
        for raw in broker.lrange(queue, 0, -1):
            yield json.loads(raw)
    for raw in broker.hvals(UNACKNOWLEDGED):
        yield json.loads(raw)[0]  # message, exchange, routing key


def _owner(message: dict[str, Any]) -> tuple[str, int] | None:
    job, _, rest = str(message["headers"].get("id", "")).partition(".")
    epoch = rest.partition(".")[0]
    return (job, int(epoch)) if epoch.isdigit() else None
