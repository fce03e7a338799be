"""How tasks queue the tasks that follow them (a job's next chunks, its pictures), and see more urgent ones waiting."""

from __future__ import annotations

from math import ceil
from typing import Any

from mam.hls.plan import Plan
from mam.jobs import queues
from mam.jobs.dispatch import MAKE, POSTER, STORYBOARD, app, queue
from mam.jobs.order import Order
from mam.jobs.presence import Presence
from mam.jobs.queues import INTERACTIVE, Priority
from mam.worker.context import worker_context

# One job has this many chunks queued or running per slot: all slots are busy and half as many chunks wait, which
# autoscalers see, and which the first chunk of another job must wait for.
WINDOW_PER_SLOT, LEAST_WINDOW = 1.5, 2
IDLE_RUNG_MINUTES = 10  # A rung is filled with its job's priority while somebody has watched it so lately.
ALONE = 1 << 20  # An earlier version's worker queues the chunk this many places further on: there is none.


def queue_next(order: Order, plan: Plan, *, done: str) -> None:
    """Queues as many of the job's next chunks as its window allows. `done`: the finished chunk's number, or `plan`."""
    context, chunks = worker_context(), plan.chunks()
    window = _window(_priority(order).queue)
    for number in context.progress.next_chunks(order.job, order.epoch, done, window):
        if number < len(chunks):
            queue_chunk(order, plan, number)


def queue_chunk(order: Order, plan: Plan, number: int) -> None:
    """Queues a chunk by the job's current priority and the chunk's length."""
    queue_name = _priority(order).queue
    queue(MAKE, order, f"make:{number}", number, ALONE, queue_name=place(queue_name) if plan.is_short else queue_name)


def _priority(order: Order) -> Priority:
    """The priority of the job's chunks: a rung that is no longer watched comes after everything else."""
    context = worker_context()
    if order.group and context.viewers.is_idle(order.job, IDLE_RUNG_MINUTES):
        return Priority.LOW
    return context.jobs.priority(order.job)


def place(queue_name: str) -> str:
    """The queue in which a short task of `queue_name` waits: that one, or its companion."""
    client = worker_context().redis
    served_queues = {name for worker in Presence.all(client) for name in worker.queues}
    with app.pool.acquire(block=True) as connection:
        return queues.place(connection.default_channel.client, client, queue_name, served_queues)


def _window(queue_name: str) -> int:
    """How many chunks of one job may be queued or running at a time. `queue_name`: the queue that they wait in."""
    slots = sum(worker.slots for worker in Presence.all(worker_context().redis) if queue_name in worker.queues)
    return max(LEAST_WINDOW, ceil(WINDOW_PER_SLOT * slots))


def viewer_waits(task: Any) -> bool:
    """Whether a viewer's segment waits for a worker: it precedes segments that a viewer may request next."""
    with task.app.pool.acquire(block=True) as connection:
        return bool(connection.default_channel.client.llen(INTERACTIVE))


def queue_pictures(order: Order, plan: Plan, *, poster: bool = True, storyboard: bool = True) -> None:
    """Queues a video's pictures. Where everything is copied, callers queue the storyboard after the commit: it may take
    as long as the rest of the job.
    """
    if plan.video_track is None:
        return
    if poster:
        queue(POSTER, order, "poster")
    if storyboard:
        priority = worker_context().jobs.priority(order.job)
        queue(STORYBOARD, order, "storyboard", queue_name=queues.pictures(priority.queue))
