"""The queues that tasks wait in: their names, their order, and their contents.

An operator chooses which of QUEUES a worker serves. Each queue of chunks has two companions that its workers also
serve: one before it for short tasks (chunks whose picture is copied), one behind it for pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import chain
from typing import Any

import redis

from mam import connections, stored
from mam.settings import Settings

INTERACTIVE = "interactive"  # Viewers wait for these tasks: plans, requested segments, commits.
AHEAD = "ahead"  # This queue holds segments that a viewer will probably request next, posters and plan previews.
HIGH, BATCH, LOW = "high", "batch", "low"  # These queues hold the chunks of conversions, by priority.
QUEUES = (INTERACTIVE, AHEAD, HIGH, BATCH, LOW)  # Workers serve the queues in this order.
VIEWERS = (INTERACTIVE, AHEAD)  # These queues hold tasks for viewers.
SHORT, PICTURES = ".short", ".pictures"  # A queue's companions have these suffixes.
UNACKNOWLEDGED = "unacked"  # This hash of kombu's holds the messages that workers are processing.
OVERTAKEN = "mam:overtaken"  # This hash counts, per queue, the short tasks that overtook its own since one was let in.
MOST_OVERTAKING = 50  # At most this many short tasks overtake a waiting long one: together they take about as long.


class Priority(str, Enum):
    """The priority of a conversion; the values are those of the API."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @classmethod
    def read(cls, name: str | None) -> Priority:
        """The priority of that name; NORMAL where there is none."""
        return next((priority for priority in cls if priority.value == name), cls.NORMAL)

    @property
    def queue(self) -> str:
        return BATCH if self is Priority.NORMAL else self.value


def short(queue: str) -> str:
    """The companion of a queue of chunks for tasks that take a second or two."""
    return queue + SHORT


def pictures(queue: str) -> str:
    """The companion of a queue of chunks for storyboards: no viewer waits for them, and each may take long."""
    return queue + PICTURES


def base(queue: str) -> str:
    """The queue that a companion belongs to; for any other queue, that queue."""
    return queue.removesuffix(SHORT).removesuffix(PICTURES)


def served(queues: Iterable[str]) -> tuple[str, ...]:
    """All lists that a worker of these queues serves, in order: the queues and their companions."""
    groups = ((short(queue), queue, pictures(queue)) if queue in (HIGH, BATCH, LOW) else (queue,) for queue in queues)
    return tuple(dict.fromkeys(chain.from_iterable(groups)))


LISTS = served(QUEUES)  # Tasks wait in these lists of Redis.


def broker_client(settings: Settings) -> redis.Redis:
    """A client for the database of Celery's queues."""
    return connections.for_threads(settings, connections.REQUEST, db=settings.broker_db)


def lengths(broker: redis.Redis) -> dict[str, int]:
    """How many tasks wait in each of LISTS."""
    with broker.pipeline(transaction=False) as pipe:
        for queue in LISTS:
            pipe.llen(queue)
        replies = pipe.execute(raise_on_error=False)
    return {queue: length if isinstance(length, int) else 0 for queue, length in zip(LISTS, replies, strict=True)}


def together(lengths: Mapping[str, int]) -> dict[str, int]:
    """The lengths of QUEUES, each together with its companions."""
    return {queue: sum(length for name, length in lengths.items() if base(name) == queue) for queue in QUEUES}


def place(broker: redis.Redis, state: redis.Redis, queue: str, served_queues: Iterable[str]) -> str:
    """The list in which a short task of this queue waits: its companion, before the long tasks. Now and then a long
    task is moved there first.

    `served_queues`: all queues that any worker serves; a worker of an earlier version knows no companions.
    """
    if short(queue) not in served_queues:
        return queue
    if broker.llen(queue) and state.hincrby(OVERTAKEN, queue, 1) > MOST_OVERTAKING:
        broker.lmove(queue, short(queue), "RIGHT", "LEFT")  # the oldest long task, behind all short ones
        state.hdel(OVERTAKEN, queue)
    return short(queue)


def task_id(job: str, epoch: int, name: str, unique: str) -> str:
    """The id of a task in Celery's tools: its job, epoch and name."""
    return f"{job}.{epoch}.{name}.{unique}"


def jobs_with_tasks(broker: redis.Redis) -> set[tuple[str, int]]:
    """(job, epoch) of every task that waits in a queue or is held by a worker.

    Reads all messages, of a kilobyte or two each: it is called only when a job seems lost.
    """
    return {owner for message in _messages(broker) if (owner := _owner(message))}


def _messages(broker: redis.Redis) -> Iterator[Any]:
    """All messages as JSON values; None for one that cannot be read."""
    for queue in LISTS:
        yield from map(stored.read_json, broker.lrange(queue, 0, -1))
    for held in map(stored.read_json, broker.hvals(UNACKNOWLEDGED)):
        yield held[0] if isinstance(held, list) and held else None  # message, exchange, routing key


def _owner(message: Any) -> tuple[str, int] | None:
    try:
        job, _, suffix = str(message["headers"]["id"]).partition(".")
    except (TypeError, LookupError):
        return None
    epoch = suffix.partition(".")[0]
    return (job, int(epoch)) if epoch.isdecimal() and epoch.isascii() else None
