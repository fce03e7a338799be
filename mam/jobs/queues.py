"""The queues that tasks wait in: their names, their order, and what is in them.

Workers are told which of QUEUES to serve. Each queue of chunks has two companions, which its workers serve too:
short tasks (chunks whose picture is copied) go before it, pictures behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import chain
from typing import Any

import redis

from mam import connections, stored
from mam.settings import Settings

INTERACTIVE = "interactive"  # viewers wait: plans, segments that a viewer asked for, commits
AHEAD = "ahead"  # segments that a viewer is likely to ask for next, posters, plans that are only looked at
HIGH, BATCH, LOW = "high", "batch", "low"  # chunks of conversions, by their priority
QUEUES = (INTERACTIVE, AHEAD, HIGH, BATCH, LOW)  # in the order in which workers look at them
VIEWERS = (INTERACTIVE, AHEAD)
SHORT, PICTURES = ".short", ".pictures"  # behind a queue's name: its companions
UNACKNOWLEDGED = "unacked"  # a hash of kombu's: the messages that workers hold
OVERTAKEN = "mam:overtaken"  # a hash: queue -> short tasks that went before its own since one of those was let in
MOST_OVERTAKING = 50  # short tasks that go before a long one that waits: together they take about as long as it


class Priority(str, Enum):
    """Of a conversion. The values are the API's."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @classmethod
    def read(cls, name: str | None) -> Priority:
        """NORMAL for what is none."""
        return next((priority for priority in cls if priority.value == name), cls.NORMAL)

    @property
    def queue(self) -> str:
        return BATCH if self is Priority.NORMAL else self.value


def short(queue: str) -> str:
    """The companion of a queue of chunks for tasks that take a second or two."""
    return queue + SHORT


def pictures(queue: str) -> str:
    """Its companion for storyboards: no viewer waits for them, and one may take as long as a conversion."""
    return queue + PICTURES


def base(queue: str) -> str:
    """The queue that a companion belongs to; any other queue itself."""
    return queue.removesuffix(SHORT).removesuffix(PICTURES)


def served(queues: Iterable[str]) -> tuple[str, ...]:
    """What a worker looks at that is to serve these queues, in this order."""
    each = ((short(queue), queue, pictures(queue)) if queue in (HIGH, BATCH, LOW) else (queue,) for queue in queues)
    return tuple(dict.fromkeys(chain.from_iterable(each)))


LISTS = served(QUEUES)  # all lists in Redis that tasks wait in


def broker_client(settings: Settings) -> redis.Redis:
    """A client for the database that Celery's queues are in."""
    return connections.for_threads(settings, connections.REQUEST, db=settings.broker_db)


def lengths(broker: redis.Redis) -> dict[str, int]:
    """How many tasks wait in each of LISTS."""
    with broker.pipeline(transaction=False) as pipe:
        for queue in LISTS:
            pipe.llen(queue)
        found = pipe.execute(raise_on_error=False)
    return {queue: length if isinstance(length, int) else 0 for queue, length in zip(LISTS, found, strict=True)}


def together(lengths: Mapping[str, int]) -> dict[str, int]:
    """The same for QUEUES, each with its companions."""
    return {queue: sum(length for name, length in lengths.items() if base(name) == queue) for queue in QUEUES}


def place(broker: redis.Redis, state: redis.Redis, queue: str, served_by: Iterable[str]) -> str:
    """Where a short task of this queue is to wait: before the long ones, of which now and then one is let in first.

    `served_by`: all queues that a worker serves; one of an earlier version knows no companions.
    """
    if short(queue) not in served_by:
        return queue
    if broker.llen(queue) and state.hincrby(OVERTAKEN, queue, 1) > MOST_OVERTAKING:
        broker.lmove(queue, short(queue), "RIGHT", "LEFT")  # the one that has waited longest, behind all short ones
        state.hdel(OVERTAKEN, queue)
    return short(queue)


def task_id(job: str, epoch: int, name: str, unique: str) -> str:
    """The id of a task as Celery's tools show it: whose it is, and what it does."""
    return f"{job}.{epoch}.{name}.{unique}"


def jobs_at_hand(broker: redis.Redis) -> set[tuple[str, int]]:
    """(job, epoch) of every task that waits in a queue or is held by a worker.

    Reads all messages, a kilobyte or two each: for when there is reason to ask.
    """
    return {found for message in _messages(broker) if (found := _owner(message))}


def _messages(broker: redis.Redis) -> Iterator[Any]:
    """What is there, read as JSON; None for what cannot be read."""
    for queue in LISTS:
        yield from map(stored.read_json, broker.lrange(queue, 0, -1))
    for held in map(stored.read_json, broker.hvals(UNACKNOWLEDGED)):
        yield held[0] if isinstance(held, list) and held else None  # message, exchange, routing key


def _owner(message: Any) -> tuple[str, int] | None:
    try:
        job, _, rest = str(message["headers"]["id"]).partition(".")
    except (TypeError, LookupError):
        return None
    epoch = rest.partition(".")[0]
    return (job, int(epoch)) if epoch.isdecimal() and epoch.isascii() else None
