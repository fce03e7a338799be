"""A plan as clients see it before a conversion, with an estimate of its cost."""

from __future__ import annotations

import shlex

from mam.hls.plan import Plan
from mam.jobs.previews import PlanView, RenditionView
from mam.media.encode import ChunkEncoder
from mam.media.source import MediaSource
from mam.processes import cores

# Approximate throughput of a two-core machine per second.
COPIED_BYTES = 150 << 20
ENCODED_PIXELS = 120_000_000
ENCODED_AUDIO_SECONDS = 150


def view(media: MediaSource, plan: Plan, *, live: bool) -> PlanView:
    """A plan as clients see it. The estimates are those of its base: rungs are made when they are requested."""
    base = plan.of_groups("")
    chunks = base.chunks()
    encoder = ChunkEncoder(media, base, threads=cores()) if base.encodes else None
    duration = float(plan.timeline.duration)
    return PlanView(
        video=plan.video,
        revision=plan.revision,
        live=live,
        profile=plan.profile,
        format=plan.format,
        duration_seconds=round(duration, 6),
        source_bytes=plan.source.size,
        streams=list(plan.streams),
        notes=list(plan.notes),
        renditions=[RenditionView.of(rendition) for rendition in plan.renditions],
        segments=len(plan.timeline),
        longest_segment_seconds=max(plan.timeline.durations()) / 1e6,
        tasks=len(chunks),
        estimated_bytes=int(sum(rendition.average_bandwidth for rendition in base.renditions) * duration / 8),
        estimated_seconds=round(_seconds(base, duration), 1),
        command=shlex.join(encoder.command(chunks[0])) if encoder else None,
    )


def _seconds(plan: Plan, duration: float) -> float:
    seconds = plan.source.size / COPIED_BYTES
    for video in plan.encoded_video_tracks:
        seconds += duration * video.frame_rate * video.width * video.height / ENCODED_PIXELS
    return seconds + duration * sum(a.action == "encode" for a in plan.audio_tracks) / ENCODED_AUDIO_SECONDS
