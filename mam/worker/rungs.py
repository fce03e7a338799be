"""The rungs of a ladder: their initialization sections, and who fills them.

Each rung has a job of its own. Where all rungs are to be made (LADDER_FILL=all), the tasks of one job, the leading one,
make the segments of all rungs: one decode of the source serves every encode.
"""

from __future__ import annotations

from mam.errors import Superseded
from mam.hls.plan import Chunk, Plan
from mam.jobs.job import Job, State
from mam.jobs.order import Order
from mam.media.encode import ChunkEncoder
from mam.media.muxing import SegmentFiles
from mam.media.source import MediaSource
from mam.naming import job_id, revision_prefix
from mam.worker.context import WorkerContext, worker_context
from mam.worker.publishing import existing, inventory


def start(order: Order) -> bool:
    """Records what exists of a rung, and makes its initialization section. True when no segment of it is missing."""
    context = worker_context()
    plan, media = context.open(order)
    files = inventory(context, plan)
    initialization(context, order, plan, media)
    timeline = plan.timeline
    duration = float(timeline.duration)
    if not context.progress.planned(order.job, order.epoch, segments=len(timeline), duration=duration, streams="[]"):
        raise Superseded("The job was cancelled or taken over.")
    present = existing(plan, {*files, *map(plan.init, plan.renditions)})
    return bool(present) and context.progress.found(order.job, order.epoch, plan.seconds(present))


def initialization(context: WorkerContext, order: Order, plan: Plan, media: MediaSource) -> SegmentFiles:
    """The initialization section of a rung: the existing one, or one that is made and stored now."""
    known = f"{order.job}.{order.epoch}"  # the video may have been deleted since an earlier leader's time
    if known not in context.initializations:
        rung = plan.of_groups(order.group)
        (name,) = map(rung.init, rung.renditions)
        data = context.store.get(context.bucket, revision_prefix(plan.video, plan.revision) + name)
        files = {name: memoryview(data)} if data else ChunkEncoder(media, rung).initialization()
        if data is None:
            context.put(rung, files)
        context.progress.initialized(order.job, list(files))
        context.initializations[known] = files
    return context.initializations[known]


def leading(plan: Plan) -> Order | None:
    """The order of the rung whose tasks make the segments of all rungs: the first one that is not whole.

    None where all are whole, and while a rung has not been started: the start of the last one decides.
    """
    jobs = _jobs(plan)
    if any(job is None or job.state is State.QUEUED for job in jobs):
        return None
    lacking = next((job for job in jobs if job and _lacks(job)), None)
    return Order.of(worker_context().jobs.order(lacking.id)) if lacking else None


def together(order: Order, plan: Plan, chunk: Chunk) -> list[Order]:
    """The order, and those of the ladder's other rungs of which the same segments of the chunk are missing.

    `plan`: with all groups.
    """
    context = worker_context()
    if not order.group or context.settings.ladder_fill != "all":
        return [order]
    missing = context.progress.is_made(order.job, chunk)
    others = [job for job in _jobs(plan) if job and job.id != order.job and _lacks(job)]
    fitting = [job for job in others if context.progress.is_made(job.id, chunk) == missing]
    return [order, *(Order.of(context.jobs.order(job.id)) for job in fitting)]


def _lacks(job: Job) -> bool:
    """Whether the job has been started, and segments of it are missing."""
    return job.state is State.RUNNING and job.segments_done < (job.segments_total or 0)


def _jobs(plan: Plan) -> list[Job | None]:
    """The jobs of the plan's rungs; None for an unknown one."""
    return worker_context().jobs.find([job_id(plan.revision, group) for group in plan.groups if group])
