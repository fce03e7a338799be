"""What workers count in Redis, as Prometheus metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from mam.jobs.lua import BY_HOST
from mam.jobs.state import Jobs

# Counters in Redis, which workers add to: name there -> name, help and labels as metrics have them.
COUNTED = {
    "media_seconds": ("mam_media_seconds", "Seconds of media made.", ("profile", "worker")),
    "segments": ("mam_segments", "Segments made.", ("profile", "worker")),
    "tasks": ("mam_tasks", "Tasks ended, by outcome.", ("task", "outcome", "worker")),
    "task_seconds": ("mam_task_seconds", "Seconds spent on tasks.", ("task", "worker")),
    "ffmpeg_failures": ("mam_ffmpeg_failures", "Times that ffmpeg gave up, by reason.", ("reason",)),
    "jobs_ended": ("mam_jobs_ended", "Jobs ended, by state.", ("state",)),
    "webhooks": ("mam_webhooks", "Webhooks, by outcome.", ("outcome",)),
}


def counted(jobs: Jobs, host: str | None = None) -> Iterator[Metric]:
    """All counters, or those of the workers of one machine."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for (name, *values), amount in jobs.counters().items():
        if name in COUNTED and len(values) == len(COUNTED[name][2]):
            found[name][tuple(values)] = amount
    for key, (metric, text, labels) in COUNTED.items():
        if host is not None and key not in BY_HOST:
            continue
        family = CounterMetricFamily(metric, text, labels=labels)
        for labelled, amount in found[key].items():
            if len(labelled) == len(labels) and (host is None or labelled[-1] == host):
                family.add_metric(labelled, amount)
        yield family
