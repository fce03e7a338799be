"""The progress of a job by chunk: the existing segments and the worker of each."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mam.hls.plan import Chunk, Plan
from mam.jobs.job import Job, RunningTask, State
from mam.jobs.progress import Progress
from mam.jobs.state import Jobs
from mam.naming import revision_and_group, revision_plan_key
from mam.store.objects import Store
from mam.transcoding.views import ChunksView, ChunkView

KNOWN_LAYOUTS = 64  # The chunks of this many revisions are remembered: pages request the same ones repeatedly.


@dataclass(frozen=True, slots=True)
class Layout:
    """The chunks of a plan. `times`: the seconds at which its segments start, and the end."""

    times: tuple[float, ...]
    chunks: tuple[Chunk, ...]

    @classmethod
    def of(cls, plan: Plan) -> Layout:
        first, scale = plan.timeline.boundaries[0], plan.timeline.timescale
        times = tuple(round((boundary - first) / scale, 3) for boundary in plan.timeline.boundaries)
        return cls(times, tuple(plan.chunks()))

    @property
    def segments(self) -> int:
        return len(self.times) - 1


class ChunkProgress:
    """The progress of jobs by chunk. Blocking: call it from a thread."""

    def __init__(self, store: Store, bucket: str, jobs: Jobs, progress: Progress) -> None:
        self._store = store
        self._bucket = bucket
        self._jobs = jobs
        self._progress = progress
        self._known: OrderedDict[str, Layout] = OrderedDict()

    def view(self, job_id: str) -> ChunksView:
        """A job's progress by chunk. Raises JobNotFound, StoreUnavailable, InvalidPlan."""
        job = self._jobs.get(job_id)
        layout = self._layout(job)
        if layout is None:
            return ChunksView()
        if job.state is State.SUCCEEDED:
            return view(layout, [True] * layout.segments, ())
        made = self._progress.made_segments(job.id, layout.segments)
        return view(layout, made, () if job.state.is_final else job.running)

    def _layout(self, job: Job) -> Layout | None:
        """The job's chunks; None before the plan is written and after it was removed."""
        if job.segments_total is None:
            return None
        layout = self._known.get(job.id)
        if layout is None:
            revision, group = revision_and_group(job.id)
            data = self._store.get(self._bucket, revision_plan_key(job.video, revision))
            if data is None:
                return None
            layout = self._known[job.id] = Layout.of(Plan.from_json(data).of_groups(group))
            if len(self._known) > KNOWN_LAYOUTS:
                self._known.popitem(last=False)
        return layout


def view(layout: Layout, made: Sequence[bool], running: Sequence[RunningTask]) -> ChunksView:
    """The chunks as pages see them. `made`: whether each segment exists; `running`: the job's tasks."""
    workers: dict[int, str] = {}
    for task in running:
        number = chunk_number(layout, task.name)
        if number is not None:
            workers.setdefault(number, task.worker)
    chunks = []
    for number, chunk in enumerate(layout.chunks):
        count = sum(made[chunk.first : chunk.last])
        worker = workers.get(number) if count < len(chunk) else None
        chunks.append(
            ChunkView(
                first=chunk.first,
                last=chunk.last,
                start=layout.times[chunk.first],
                end=layout.times[chunk.last],
                state="made" if count == len(chunk) else "running" if worker else "waiting",
                made=count,
                worker=worker,
            )
        )
    return ChunksView(
        segments=layout.segments, duration=layout.times[-1], chunks=chunks, made=ranges(layout.times, made)
    )


def chunk_number(layout: Layout, task: str) -> int | None:
    """The number of the chunk that a task makes, by the task's name; None for a task that makes none."""
    kind, _, number = task.partition(":")
    if kind == "plan":
        return 0  # for a viewer, the plan task makes the first segment
    if not number.isdigit():
        return None
    if kind == "make":
        return int(number) if int(number) < len(layout.chunks) else None
    if kind in ("seek", "ahead") and int(number) < layout.segments:
        return bisect_right([chunk.first for chunk in layout.chunks], int(number)) - 1
    return None


def ranges(times: Sequence[float], made: Sequence[bool]) -> list[tuple[float, float]]:
    """The time ranges of existing segments, in seconds. `times`: the segments' starts, and the end."""
    bits = [False, *made, False]
    edges = [number for number, (previous, current) in enumerate(pairwise(bits)) if previous != current]
    return [(times[start], times[stop]) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
