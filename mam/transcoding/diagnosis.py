"""Why conversions do not progress, in sentences: one rule for each fault of the fleet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mam.errors import RedisFull, RedisUnavailable, StoreUnavailable
from mam.jobs.job import SILENT_LEASES, ActiveJob, RunningTask
from mam.jobs.presence import Worker
from mam.jobs.queues import QUEUES

SHORT = 0.9  # Redis is short of memory above this share of maxmemory: dropping cached playlists did not help then.
NAMED = 3  # A note names this many videos, and this many reasons are noted.
START = f"celery -A mam.worker.tasks worker -Q {','.join(QUEUES)}"


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a Redis in bytes: in use, and its maxmemory; 0 without a limit."""

    used: int = 0
    most: int = 0

    @property
    def is_short(self) -> bool:
        return 0 < self.most * SHORT <= self.used


@dataclass(frozen=True, slots=True)
class Facts:
    """The state of the fleet at one moment.

    `queues`: waiting tasks by queue; `counts`: active jobs by state; `started`: the active jobs that have started;
    `picturing`: jobs whose pictures a task is making, which may have ended; `speed`: seconds of media made per second.
    `memory`: of Redis. `redis`, `store`: why it does not answer; without Redis the other fields are empty.
    """

    workers: tuple[Worker, ...] = ()
    queues: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    started: tuple[ActiveJob, ...] = ()
    picturing: tuple[ActiveJob, ...] = ()
    speed: float = 0.0
    memory: Memory = Memory()
    redis: str | None = None
    store: str | None = None

    def tasks(self) -> Iterator[tuple[ActiveJob, RunningTask]]:
        """The running tasks, each with its job."""
        for job in {job.id: job for job in (*self.picturing, *self.started)}.values():
            for task in job.running:
                yield job, task


@dataclass(frozen=True, slots=True)
class Note:
    """A fault. `code` is stable, `message` describes the fault, `hint` says what to do."""

    code: str
    message: str
    hint: str


def notes(facts: Facts, *, now: float, embedded: int, lease: float) -> list[Note]:
    """What prevents conversions from progressing, the gravest first; empty when all is well.

    `now`: Unix seconds; `embedded`: the number of worker processes that the service itself starts; `lease`: seconds.
    """
    return [
        *_away(facts),
        *([] if facts.redis else _workers(facts, embedded)),
        *_silent(facts, now, lease),
        *_troubled(facts),
    ]


def _away(facts: Facts) -> Iterator[Note]:
    if facts.redis:
        yield Note(RedisUnavailable.code, f"Redis does not answer: {facts.redis}.", RedisUnavailable.hint)
    if facts.memory.is_short:
        used, most = (f"{size / (1 << 20):.0f} MiB" for size in (facts.memory.used, facts.memory.most))
        yield Note(RedisFull.code, f"Redis uses {used} of {most}: it refuses writes, or will soon.", RedisFull.hint)
    if facts.store:
        yield Note(StoreUnavailable.code, f"The object store does not answer: {facts.store}.", StoreUnavailable.hint)


def _workers(facts: Facts, embedded: int) -> Iterator[Note]:
    waiting = {queue: length for queue, length in facts.queues.items() if length}
    if not facts.workers:
        hint = (
            "They start with the service: if none appears within seconds, its log says why."
            if embedded
            else f"Start one ({START}), or set EMBEDDED_WORKERS to 1 or more and start the service again."
        )
        yield Note("no_workers", f"No worker is running, and {_tasks(sum(waiting.values()))}.", hint)
        return
    served = {queue for worker in facts.workers for queue in worker.queues}
    unserved = [queue for queue in waiting if queue not in served]
    if unserved:
        yield Note(
            "queue_unserved",
            f"No worker serves {_listed(unserved)}: {_tasks(sum(waiting[queue] for queue in unserved))}.",
            f"Start a worker that does: celery -A mam.worker.tasks worker -Q {','.join(unserved)}.",
        )
    crowded = [queue for queue in waiting if queue in served and not _free(facts, queue)]
    if crowded:
        slots = sum(worker.slots for worker in facts.workers if not {*crowded}.isdisjoint(worker.queues))
        busy = "The only slot that serves" if slots == 1 else f"All {slots} slots that serve"
        yield Note(
            "all_busy",
            f"{busy} {_listed(crowded)} {'is' if slots == 1 else 'are'} busy: "
            f"{_tasks(sum(waiting[queue] for queue in crowded))}.",
            "Tasks start one after the other. More workers run more at a time.",
        )


def _free(facts: Facts, queue: str) -> int:
    """The number of idle slots that serve the queue."""
    tasks = Counter(task.parent for _, task in facts.tasks())
    return sum(max(worker.slots - tasks[worker.name], 0) for worker in facts.workers if queue in worker.queues)


def _silent(facts: Facts, now: float, lease: float) -> Iterator[Note]:
    """Silent jobs: a worker touches its job several times a lease. A job without a worker may wait in a queue."""
    waiting = sum(facts.queues.values())
    silent = [
        job for job in facts.started if now - job.updated_at > SILENT_LEASES * lease and (job.running or not waiting)
    ]
    if silent:
        longest = max(now - job.updated_at for job in silent)
        yield Note(
            "job_silent",
            f"{_videos(silent)} gave no sign of life for {longest:.0f} s.",
            "A worker may have died: its tasks go to another one by themselves. If that does not help, look at the "
            "workers' logs.",
        )


def _troubled(facts: Facts) -> Iterator[Note]:
    by_reason: dict[str, list[ActiveJob]] = defaultdict(list)
    for job in facts.started:
        if job.trouble:
            by_reason[job.trouble].append(job)
    worst = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, jobs in worst[:NAMED]:
        yield Note(
            "job_troubled",
            f"{_videos(jobs)} {'is' if len(jobs) == 1 else 'are'} tried again: {reason}",
            "It continues by itself once the reason has passed; else the job fails and says why.",
        )


def _videos(jobs: list[ActiveJob]) -> str:
    names = [job.video or job.id for job in jobs]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _listed(queues: list[str]) -> str:
    return f"the queue {queues[0]}" if len(queues) == 1 else f"the queues {', '.join(queues)}"


def _tasks(number: int) -> str:
    if number == 0:
        return "nothing waits yet"
    return "one task waits" if number == 1 else f"{number} tasks wait"
