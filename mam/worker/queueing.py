"""How tasks queue the tasks that follow: a job's next chunks, its pictures; and what waits before them."""

from __future__ import annotations

from math import ceil
from typing import Any

from mam.hls.plan import Plan
from mam.jobs import queues
from mam.jobs.dispatch import MAKE, POSTER, STORYBOARD, app, queue
from mam.jobs.order import Order
from mam.jobs.presence import Presence
from mam.jobs.queues import INTERACTIVE
from mam.worker.context import worker_context

# Chunks of one job that are queued or under way at a time, for each slot: all are busy, half as many again wait, which
# is what autoscalers see, and what the first chunk of another job has to wait for.
WINDOW_PER_SLOT, LEAST_WINDOW = 1.5, 2
ALONE = 1 << 20  # an earlier version's worker would queue the chunk that follows so many later: there is none


def queue_next(order: Order, made: Plan, *, by: str) -> None:
    """Queues as many of the job's chunks as there is room for. `by`: the chunk that is done, or `plan`."""
    context, chunks = worker_context(), made.chunks()
    window = _window(context.jobs.priority(order.job).queue)
    for number in context.progress.next_chunks(order.job, order.epoch, by, window):
        if number < len(chunks):
            queue_chunk(order, made, number)


def queue_chunk(order: Order, made: Plan, number: int) -> None:
    """Queues a chunk by the job's priority as it is now, and by what it takes."""
    to = worker_context().jobs.priority(order.job).queue
    queue(MAKE, order, f"make:{number}", number, ALONE, to=place(to) if made.is_short else to)


def place(to: str) -> str:
    """Where a short task of that queue is to wait."""
    state = worker_context().redis
    served = {name for worker in Presence.all(state) for name in worker.queues}
    with app.pool.acquire(block=True) as connection:
        return queues.place(connection.default_channel.client, state, to, served)


def _window(to: str) -> int:
    """How many chunks of one job are queued or under way at a time. `to`: the queue that they wait in."""
    slots = sum(worker.slots for worker in Presence.all(worker_context().redis) if to in worker.queues)
    return max(LEAST_WINDOW, ceil(WINDOW_PER_SLOT * slots))


def somebody_waits(task: Any) -> bool:
    """Whether a viewer's segment waits for a worker: it goes before what a viewer may ask for next."""
    with task.app.pool.acquire(block=True) as connection:
        return bool(connection.default_channel.client.llen(INTERACTIVE))


def queue_pictures(order: Order, made: Plan, *, poster_too: bool = True, storyboard_too: bool = True) -> None:
    """Where all is copied the storyboard follows the commit: by itself it may take as long as the rest of the job."""
    if made.video_track is None:
        return
    if poster_too:
        queue(POSTER, order, "poster")
    if storyboard_too:
        priority = worker_context().jobs.priority(order.job)
        queue(STORYBOARD, order, "storyboard", to=queues.pictures(priority.queue))
