"""The last check before a commit: whether copied segments can be decoded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mam.errors import Undecodable
from mam.hls.plan import Plan
from mam.hls.renditions import Rendition
from mam.media.verification import undecodable
from mam.naming import revision_prefix
from mam.worker.context import WorkerContext

CHECKED = 4  # This many segments of each copied picture are checked: some 20 ms each.
HEAD_BYTES = 1 << 20  # The first part of a segment that is read: it holds the first picture and the first sound.


def verify(context: WorkerContext, plan: Plan, files: Mapping[str, int]) -> None:
    """Decodes the first picture and sound of some copied segments. `files`: sizes by name below the revision.

    Encoded segments are not checked. Raises Undecodable.
    """
    chosen = [
        (rendition, number)
        for rendition in plan.renditions
        if any(track.action == "copy" for track in rendition.tracks)
        for number in (_chosen(len(plan.timeline)) if rendition.video else [0])
    ]
    outcomes = context.pool.map(lambda choice: _broken(context, plan, files, *choice), chosen)
    for (rendition, number), broken in zip(chosen, outcomes, strict=True):
        if broken:
            segment = f"Segment {number} of {rendition.name!r}"
            raise Undecodable(f"{segment} was copied, and no decoder makes anything of its {broken}.")


def _chosen(count: int) -> list[int]:
    """The first two segments, the last, and one between."""
    return sorted({0, min(1, count - 1), *np.linspace(0, count - 1, CHECKED - 1).astype(int).tolist()})


def _broken(
    context: WorkerContext, plan: Plan, files: Mapping[str, int], rendition: Rendition, number: int
) -> str | None:
    """The part of a segment that cannot be decoded; None when all of it can."""
    name, init = plan.file(rendition, number), b""
    if plan.has_init(rendition):
        init = _read(context, plan, plan.init(rendition), files[plan.init(rendition)])
    size = files[name]
    broken = undecodable(init + _read(context, plan, name, min(size, HEAD_BYTES)))
    if broken and size > HEAD_BYTES:  # the first picture may be larger
        broken = undecodable(init + _read(context, plan, name, size))
    return broken


def _read(context: WorkerContext, plan: Plan, name: str, size: int) -> bytes:
    return context.store.read(context.bucket, revision_prefix(plan.video, plan.revision) + name, 0, size)
