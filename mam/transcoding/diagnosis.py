"""Why conversions do not move, in sentences: a rule for each thing that may be wrong with the fleet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mam.errors import RedisFull, RedisUnavailable, StoreUnavailable
from mam.jobs.job import SILENT_LEASES, ActiveJob, RunningTask
from mam.jobs.presence import Worker
from mam.jobs.queues import QUEUES

SHORT = 0.9  # of Redis's maxmemory in use: cached playlists have made room by then, and it did not help
NAMED = 3  # videos, and reasons, that are named; of more, their number is told
START = f"celery -A mam.worker.tasks worker -Q {','.join(QUEUES)}"


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a Redis: what is in use, and its maxmemory; 0 where it has none, and then it is never full."""

    used: int = 0
    most: int = 0

    @property
    def is_short(self) -> bool:
        return 0 < self.most * SHORT <= self.used


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the fleet at one moment.

    `queues`: tasks that wait, by queue; `counts`: jobs that have not ended, by state; `begun`: those that were begun;
    `picturing`: jobs, ended ones too, whose pictures a task is making; `speed`: seconds of media made in a second.
    `memory`: of Redis. `redis`, `store`: why one of them does not answer; the rest is empty where Redis does not.
    """

    workers: tuple[Worker, ...] = ()
    queues: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    begun: tuple[ActiveJob, ...] = ()
    picturing: tuple[ActiveJob, ...] = ()
    speed: float = 0.0
    memory: Memory = Memory()
    redis: str | None = None
    store: str | None = None

    def tasks(self) -> Iterator[tuple[ActiveJob, RunningTask]]:
        """What workers are at, each with its job."""
        for job in {job.id: job for job in (*self.picturing, *self.begun)}.values():
            for task in job.running:
                yield job, task


@dataclass(frozen=True, slots=True)
class Note:
    """`code` never changes, `message` says what is so, `hint` what to do."""

    code: str
    message: str
    hint: str


def notes(facts: Facts, *, now: float, embedded: int, lease: float) -> list[Note]:
    """What keeps conversions from getting on, the gravest first; nothing when all is well.

    `now`: Unix seconds; `embedded`: the workers' processes that this service starts itself; `lease`: seconds.
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
        yield Note(
            RedisFull.code, f"Redis uses {used} of {most}: soon nothing more is taken, or already.", RedisFull.hint
        )
    if facts.store:
        yield Note(StoreUnavailable.code, f"The object store does not answer: {facts.store}.", StoreUnavailable.hint)


def _workers(facts: Facts, embedded: int) -> Iterator[Note]:
    waiting = {queue: length for queue, length in facts.queues.items() if length}
    if not facts.workers:
        hint = (
            "They start with the service: if none comes within seconds, its log says why."
            if embedded
            else f"Start one ({START}), or set EMBEDDED_WORKERS to 1 or more and start the service again."
        )
        yield Note("no_workers", f"No worker is there, and {_tasks(sum(waiting.values()))}.", hint)
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
            "They are begun one after the other. More workers make more at a time.",
        )


def _free(facts: Facts, queue: str) -> int:
    """Slots that serve the queue and have nothing to do."""
    tasks = Counter(task.parent for _, task in facts.tasks())
    return sum(max(worker.slots - tasks[worker.name], 0) for worker in facts.workers if queue in worker.queues)


def _silent(facts: Facts, now: float, lease: float) -> Iterator[Note]:
    """A worker that runs a job says so several times a lease. A job without a worker may wait in a queue."""
    waiting = sum(facts.queues.values())
    silent = [
        job for job in facts.begun if now - job.updated_at > SILENT_LEASES * lease and (job.running or not waiting)
    ]
    if silent:
        longest = max(now - job.updated_at for job in silent)
        yield Note(
            "job_silent",
            f"{_videos(silent)} gave no sign of life for {longest:.0f} s.",
            "A worker may have died: what it was at is given to another by itself. If that helps nothing, look at the "
            "workers' logs.",
        )


def _troubled(facts: Facts) -> Iterator[Note]:
    by_reason: dict[str, list[ActiveJob]] = defaultdict(list)
    for job in facts.begun:
        if job.trouble:
            by_reason[job.trouble].append(job)
    worst = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, jobs in worst[:NAMED]:
        yield Note(
            "job_troubled",
            f"{_videos(jobs)} {'is' if len(jobs) == 1 else 'are'} tried again: {reason}",
            "It goes on by itself once the reason has passed; else the job fails and says why.",
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
