"""The end of a conversion in the bucket: the commit that makes a video live, and what is removed afterwards."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping

import redis_adapter
from mam.errors import SourceChanged, Superseded
from mam.hls import multivariant, playlist
from mam.hls.plan import Plan
from mam.hls.rates import Rate, measure
from mam.jobs.order import Order
from mam.library.status_store import StatusStore
from mam.naming import COMMIT, commit_key, index_key, revision_prefix, segment_key, unfinished_key
from mam.origin.revisions import Replaced
from mam.worker.context import WorkerContext, worker_context
from mam.worker.retries import quietly
from mam.worker.verification import verify

log = logging.getLogger(__name__)


def inventory(context: WorkerContext, plan: Plan) -> dict[str, int]:
    """The existing files of the plan's revision: sizes in bytes by name below it, `<rendition>/<file>`."""
    prefix = revision_prefix(plan.video, plan.revision)
    return {
        info.key.removeprefix(prefix): info.size for info in context.store.listing(context.bucket, prefix) if info.size
    }


def existing(plan: Plan, files: Collection[str]) -> set[int]:
    """The segments of the plan that exist in every rendition."""
    return {number for number in range(len(plan.timeline)) if all(name in files for name in plan.files(number))}


def commit(order: Order, plan: Plan) -> list[int]:
    """Lists the job's group of renditions when it is complete; the base makes the video live. Else returns the missing
    segments, which must be made again.

    Raises SourceChanged when the source has changed since it was converted, Undecodable, Superseded.
    """
    context = worker_context()
    files, group = inventory(context, plan), plan.of_groups(order.group)
    complete = existing(group, files)
    missing = [number for number in range(len(plan.timeline)) if number not in complete]
    if missing:
        log.warning(
            "segments are missing", extra={"video": order.video, "revision": order.job, "segments": missing[:9]}
        )
        context.progress.incomplete(order.job, order.epoch, missing)
        return missing
    current = context.store.head(order.bucket, order.key)
    if current is None or current.version != plan.source.version:
        raise SourceChanged("The source was changed or removed before its conversion ended.")
    if not context.progress.touch(order.job, order.epoch):
        raise Superseded("The job was cancelled or taken over.")
    verify(context, group, files)
    groups = _publish(context, order, plan)
    context.jobs.succeed(order.job, order.epoch)
    _note_listed(context, order, plan, groups)
    if order.group:
        return []
    context.store.remove(context.bucket, [unfinished_key(order.job)])
    _note_replaced(context, plan.video)  # last: no request waits for it, and the next commit notes what this one missed
    return []


def _publish(context: WorkerContext, order: Order, plan: Plan) -> list[str]:
    """Makes the revision live, or lists another group of it, and invalidates the video's cached playlists.

    Returns the groups that are listed by then.
    """
    groups = plan.groups
    if len(plan.renditions) == 1:
        text = multivariant.media_playlist(plan, plan.renditions[0], f"{plan.renditions[0].name}/")
        context.revisions.publish(plan, text, is_main=_becomes_main(context, order, plan))
    else:
        for rendition in plan.of_groups(order.group).renditions:
            key = segment_key(plan.video, plan.revision, rendition.name, COMMIT)
            context.store.put(
                context.bucket, key, multivariant.media_playlist(plan, rendition, "").encode(), playlist.CONTENT_TYPE
            )
        groups = _list_groups(context, order, plan)
    redis_adapter.invalidate_playlist_cache(plan.video)
    about = {"video": plan.video, "revision": plan.revision}
    log.info(f"rung {order.group} is live" if order.group else "video is live", extra=about)
    return groups


def _list_groups(context: WorkerContext, order: Order, plan: Plan) -> list[str]:
    """Writes the commit: it lists the groups that are whole, and returns them. Without the base there is none yet.

    Two groups may become whole at once. As long as some are missing, the bucket is looked at again after each commit:
    whoever wrote the last one has seen both.
    """
    listed: list[str] = []
    is_main = _becomes_main(context, order, plan)
    while listed != plan.groups:
        files = inventory(context, plan)
        groups = _whole_groups(plan, files)
        if groups == listed or "" not in groups:
            return listed
        whole = plan.of_groups(*groups)
        variants = multivariant.variants(whole, rates(whole, files))
        text = multivariant.render(
            whole, lambda rendition: f"{rendition.name}/{COMMIT}", multivariant.ordered(variants, variants)
        )
        context.revisions.publish(plan, text, is_main=is_main)
        listed = groups
    return listed


def _note_listed(context: WorkerContext, order: Order, plan: Plan, groups: Collection[str]) -> None:
    """Tells the library how many renditions of a ladder are listed."""
    if plan.ladder and groups:
        made = plan.of_groups(*groups).video_tracks
        quietly(StatusStore(context.redis).listed, order.asset, order.revision, len(made), len(plan.ladder))


def _whole_groups(plan: Plan, files: Collection[str]) -> list[str]:
    """The groups whose renditions all have a playlist."""
    return [
        group
        for group in plan.groups
        if all(f"{rendition.name}/{COMMIT}" in files for rendition in plan.of_groups(group).renditions)
    ]


def _note_replaced(context: WorkerContext, video: str) -> None:
    """Schedules the removal of revisions that serve no requests, for when their last signatures have run out."""
    for idle in context.revisions.idle(video):
        until = time.time() + context.settings.longest_signature(float(idle.timeline.duration))
        context.revisions.note_replaced(Replaced(video, idle.revision, until))


def _becomes_main(context: WorkerContext, order: Order, plan: Plan) -> bool:
    """Whether this revision serves requests without options from now on.

    A rung never decides that. The latest request with an API key does. A revision that only viewers requested becomes
    the main one only where there is none, or where it replaces the same kind of stream of an earlier version of the
    source.
    """
    previous = context.revisions.main(plan.video)
    if previous == plan.revision or order.group:
        return previous == plan.revision
    keyed_at = context.jobs.keyed_at(order.job) or order.keyed_at
    if previous is None:  # nothing is live, or a tree of another tool is
        return bool(keyed_at) or context.store.head(context.bucket, commit_key(plan.video)) is None
    if keyed_at:
        return keyed_at >= context.jobs.keyed_at(previous)
    previous_plan = context.revisions.plan(plan.video, previous)
    return previous_plan is None or (
        plan.kind in previous_plan.kinds and previous_plan.source.version != plan.source.version
    )


def rates(plan: Plan, files: Mapping[str, int]) -> dict[str, Rate]:
    """The bit rates of the renditions, measured from their files."""
    durations = list(plan.timeline.durations())
    numbers = range(len(durations))
    return {
        rendition.name: measure(durations, [files[plan.file(rendition, n)] for n in numbers])
        for rendition in plan.renditions
    }


def remove_rung(order: Order) -> None:
    """Removes a rung from its ladder: from the commit first, then its files."""
    context = worker_context()
    plan = context.revisions.plan(order.video, order.revision)
    if plan and context.revisions.is_live(order.video, order.revision):
        context.store.remove(context.bucket, [segment_key(plan.video, plan.revision, order.group, COMMIT)])
        groups = _list_groups(context, order, plan)
        redis_adapter.invalidate_playlist_cache(plan.video)
        _note_listed(context, order, plan, groups)
    prefix = f"{revision_prefix(order.video, order.revision)}{order.group}/"
    context.store.remove(context.bucket, [info.key for info in context.store.listing(context.bucket, prefix)])
    log.info(f"rung {order.group} is removed", extra={"video": order.video, "revision": order.revision})


def discard(order: Order) -> bool:
    """Removes what an ended job left: its revision, and the video's newest plan if it is that revision's.

    True when the revision is live: then it stays. The segments of a rung stay: they are right, and may be watched.
    """
    if order.group:
        return False
    context = worker_context()
    keys = [unfinished_key(order.job)]
    is_live = context.revisions.is_live(order.video, order.job)
    if not is_live:
        context.revisions.withdraw(order.video, order.job)
        if context.revisions.owns(order.video, order.job):
            context.revisions.remove(order.video, [order.job])
        keys.append(index_key(order.video, order.job))
    context.store.remove(context.bucket, keys)
    return is_live
