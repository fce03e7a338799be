"""How a conversion ends in the bucket: the commit that makes a video live, and what is removed afterwards."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import redis_adapter
from mam.errors import SourceChanged, Superseded
from mam.hls import multivariant, playlist
from mam.hls.plan import Plan
from mam.naming import (
    COMMIT,
    REVISION,
    commit_key,
    plan_key,
    revision_prefix,
    segment_key,
    segment_uri,
    unfinished_key,
)
from mam.transcoding.conversions import Order, live_revision, read_plan
from mam.transcoding.workshop import Workshop, workshop

log = logging.getLogger(__name__)


def inventory(shop: Workshop, plan: Plan) -> dict[str, int]:
    """What is there of the plan: sizes in bytes by name below the revision, `<rendition>/<file>`."""
    prefix = revision_prefix(plan.video, plan.revision)
    return {info.key.removeprefix(prefix): info.size for info in shop.store.listing(shop.bucket, prefix) if info.size}


def existing(plan: Plan, files: Collection[str]) -> set[int]:
    """The segments of the plan that are there, in every rendition."""
    return {number for number in range(len(plan.timeline)) if all(name in files for name in plan.files(number))}


def commit(order: Order, plan: Plan) -> list[int]:
    """Makes the video live, if everything is there; else returns the segments that are to be made again.

    Raises SourceChanged when the source is no longer what was converted, Superseded.
    """
    shop = workshop()
    files = inventory(shop, plan)
    there = existing(plan, files)
    missing = [number for number in range(len(plan.timeline)) if number not in there]
    if missing:
        log.warning(
            "segments are missing", extra={"video": order.video, "revision": order.job, "segments": missing[:9]}
        )
        shop.jobs.incomplete(order.job, order.epoch, missing)
        return missing
    current = shop.store.head(order.bucket, order.key)
    if current is None or current.version != plan.source.version:
        raise SourceChanged("The source was changed or removed before its conversion ended.")
    if not shop.jobs.touch(order.job, order.epoch):
        raise Superseded("The job was cancelled or taken over.")
    _publish(shop, plan, files)
    shop.jobs.succeed(order.job, order.epoch)
    shop.store.remove(shop.bucket, [unfinished_key(order.job)])
    return []


def _publish(shop: Workshop, plan: Plan, files: Mapping[str, int]) -> None:
    """The commit: one PUT, the last of all. Then whatever was cached of the video before is forgotten."""
    before = live_revision(shop.store, shop.bucket, plan.video)
    if len(plan.renditions) == 1:
        folder = segment_uri(plan.revision, plan.renditions[0].name, "")
        text = multivariant.media_playlist(plan, plan.renditions[0], folder)
    else:
        for rendition in plan.renditions:
            key = segment_key(plan.video, plan.revision, rendition.name, COMMIT)
            text = multivariant.media_playlist(plan, rendition, "")
            shop.store.put(shop.bucket, key, text.encode(), playlist.CONTENT_TYPE)
        text = multivariant.render(
            plan, lambda rendition: segment_uri(plan.revision, rendition.name, COMMIT), rates(plan, files)
        )
    shop.store.put(shop.bucket, commit_key(plan.video), text.encode(), playlist.CONTENT_TYPE)
    redis_adapter.invalidate_playlist_cache(plan.video)
    log.info("video is live", extra={"video": plan.video, "revision": plan.revision})
    if before != plan.revision:  # else it was committed already, and what was live before that is still being played
        _sweep(shop, plan, keep={plan.revision, before})


def rates(plan: Plan, files: Mapping[str, int]) -> dict[str, multivariant.Rate]:
    """The bit rates of what was made."""
    durations = list(plan.timeline.durations())
    numbers = range(len(durations))
    return {
        rendition.name: multivariant.measure(durations, [files[plan.file(rendition, n)] for n in numbers])
        for rendition in plan.renditions
    }


def _sweep(shop: Workshop, plan: Plan, keep: set[str | None]) -> None:
    """Removes the revisions before the last: playlists of the one just replaced are still being played.

    Those that are being made meanwhile, in another profile perhaps, stay.
    """
    folders = [info.key for info in shop.store.listing(shop.bucket, f"{plan.video}/", recursive=False)]
    for folder in folders:
        name = folder.removeprefix(f"{plan.video}/").rstrip("/")
        is_past = folder.endswith("/") and REVISION.fullmatch(name) and name not in keep
        if is_past and shop.store.head(shop.bucket, unfinished_key(name)) is None:
            _remove(shop, revision_prefix(plan.video, name))


def discard(order: Order) -> bool:
    """Removes what a job left that will not go on: its revision, and the newest plan if it was that revision's.

    True when nothing was removed, because it is live.
    """
    shop = workshop()
    newest = read_plan(shop.store, shop.bucket, order.video)
    live = live_revision(shop.store, shop.bucket, order.video)
    keys = [unfinished_key(order.job)]
    if live != order.job:
        _remove(shop, revision_prefix(order.video, order.job))
        keys += [plan_key(order.video)] if newest and newest.revision == order.job else []
    shop.store.remove(shop.bucket, keys)
    return live == order.job


def _remove(shop: Workshop, prefix: str) -> None:
    shop.store.remove(shop.bucket, [info.key for info in shop.store.listing(shop.bucket, prefix)])
