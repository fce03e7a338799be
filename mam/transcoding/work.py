"""What the tasks do, free of Celery: plan, make, commit. Runs in worker processes, which alone open media."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import numpy as np
import redis

import redis_adapter
from mam.errors import SourceChanged, Superseded, Unavailable
from mam.events import sync_client
from mam.hls import playlist
from mam.hls.plan import Chunk, Plan, Profile
from mam.media.encode import ChunkEncoder
from mam.media.planning import Wishes, choose_tracks, make_plan
from mam.media.remux import Remuxer
from mam.media.source import MediaSource, demux, open_source
from mam.mp4 import index
from mam.mp4.tables import NoSampleTables
from mam.naming import (
    REVISION,
    commit_key,
    index_key,
    plan_key,
    rendition_prefix,
    revision_plan_key,
    revision_prefix,
    segment_key,
    segment_name,
    segment_uri,
)
from mam.settings import Settings
from mam.store.objects import Store
from mam.transcoding.conversions import Order, live_revision, read_plan
from mam.transcoding.jobs import Jobs

KEPT_SOURCES = 2  # indexes that a worker keeps: some 25 MB each for a two-hour film
THREADS = 3  # segments of a chunk in the making at a time: a fourth only waits for the other three
BATCH_NICE = 15  # a thirtieth of the share of what a viewer waits for
IN_FLIGHT_BYTES = 64 << 20  # of segments in the making, per process

log = logging.getLogger(__name__)
Alive = Callable[[], None]


@dataclass(slots=True)
class Workshop:
    """What a worker process has at hand: connections, and the sources it looked at last."""

    settings: Settings
    store: Store
    redis: redis.Redis
    jobs: Jobs
    pool: ThreadPoolExecutor
    opened: OrderedDict[str, tuple[Plan, MediaSource]] = field(default_factory=OrderedDict)

    @property
    def bucket(self) -> str:
        return self.settings.minio_bucket_vod

    def keep(self, plan: Plan, media: MediaSource) -> None:
        media.settle([track.track for track in (plan.video_track, plan.audio_track) if track])
        self.opened[plan.revision] = (plan, media)
        self.opened.move_to_end(plan.revision)
        while len(self.opened) > KEPT_SOURCES:
            self.opened.popitem(last=False)


@cache
def workshop() -> Workshop:
    """This process's workshop, set up when first needed: after the worker has forked."""
    settings = Settings()
    client = sync_client(settings)
    return Workshop(settings, Store(settings), client, Jobs(client), ThreadPoolExecutor(THREADS, "segments"))


def warm_up() -> None:
    """Opens connections and touches what is slow when first used, so that no viewer waits for it."""
    shop = workshop()
    try:
        list(shop.pool.map(lambda _: shop.store.check(shop.bucket), range(THREADS)))
        shop.redis.ping()
    except (Unavailable, redis.RedisError) as error:
        log.warning("started without its store or Redis", extra={"error": str(error)})
    np.cumsum(np.ones(1 << 16, np.int64)).searchsorted([1])


def is_outage(error: Exception) -> bool:
    """Whether Redis, rather than the work, is to blame."""
    return isinstance(error, redis.ConnectionError | redis.TimeoutError)


# plan


@dataclass(frozen=True, slots=True)
class Planned:
    """What is left to do: the opening, for whoever planned, and the other chunks, for anyone. `complete`: nothing."""

    opening: Chunk
    chunks: list[Chunk]
    complete: bool


def plan(order: Order, *, alive: Alive) -> Planned:
    """Plans the job, publishes the plan, and makes the first segment where that takes no time."""
    shop = workshop()
    media = open_source(shop.store, order.source)
    stored = _read_index(media, order, alive)
    wishes = Wishes(
        profile=Profile(order.profile),
        segment_seconds=order.segment_seconds,
        preset=order.preset,
        crf=order.crf,
        audio_bitrate=order.audio_bitrate,
        max_duration=shop.settings.max_duration_seconds,
    )
    made = make_plan(media, order.source, wishes, video=order.video, revision=order.job, stored=stored)
    shop.keep(made, media)
    listing = shop.pool.submit(_existing, shop, made)
    data = made.to_json()
    keys = (revision_plan_key(order.video, order.job), plan_key(order.video))
    writes = [shop.pool.submit(shop.store.put, shop.bucket, key, data, "application/json") for key in keys]
    first = None if made.encodes else Remuxer(media, made).segment(0)  # while the plan is on its way
    for write in writes:
        write.result()
    if not shop.jobs.planned(order.job, order.epoch, len(made.timeline)):
        raise Superseded("The job was cancelled or taken over.")
    there = listing.result()
    if first is not None and 0 not in there:
        _put(shop, made, 0, first)
        there.add(0)
    complete = bool(there) and shop.jobs.made(order.job, order.epoch, sorted(there))
    opening, *others = made.chunks()
    return Planned(opening, [chunk for chunk in others if not there.issuperset(chunk)], complete)


def _read_index(media: MediaSource, order: Order, alive: Alive) -> bool:
    """Brings the samples of the tracks that will be used. True when they had to be found by reading the whole file."""
    shop = workshop()
    numbers = [track.number for track in choose_tracks(media) if track]
    try:
        for number in numbers:
            media.samples(number)
    except NoSampleTables as reason:
        log.info("reading the whole source", extra={"video": order.video, "reason": str(reason)})
        found = demux(media, numbers, alive=alive)
        media.adopt(found)
        key = index_key(order.video, order.job)
        shop.store.put(shop.bucket, key, index.dump(found), "application/octet-stream")
        return True
    return False


def _existing(shop: Workshop, made: Plan) -> set[int]:
    """The segments of the plan that are in the bucket: work of an earlier leader."""
    prefix = rendition_prefix(made.video, made.revision, made.rendition)
    names = {info.key.removeprefix(prefix) for info in shop.store.listing(shop.bucket, prefix) if info.size}
    return {number for number in range(len(made.timeline)) if segment_name(number) in names}


# make


def make(order: Order, chunk: Chunk, *, urgent: bool, alive: Alive, enough: Callable[[], bool] = lambda: False) -> bool:
    """Makes the segments that are missing. True when that completed the job, and the commit is to follow.

    `urgent`: a viewer waits, so ffmpeg takes all cores and does not stand back. `enough`: asked after each segment;
    true leaves the rest to whoever makes it anyway.
    """
    shop = workshop()
    made, media = _open(order)
    there = shop.jobs.is_made(order.job, chunk)
    missing = [number for number, done in zip(chunk, there, strict=True) if not done]
    if not missing:
        return False
    if made.encodes:
        work = _encoded(shop, made, media, Chunk(missing[0], missing[-1] + 1), urgent, alive)
    else:
        work = _remuxed(shop, made, media, missing, urgent)
    completed = False
    with closing(work):  # ends ffmpeg at once, whatever happens
        for number in work:
            completed |= shop.jobs.made(order.job, order.epoch, [number])
            alive()
            if enough():
                shop.jobs.drop_seek(order.job, [n for n in missing if n > number])
                break
    return completed


def _open(order: Order) -> tuple[Plan, MediaSource]:
    """The order's plan and source, kept from an earlier task or read again."""
    shop = workshop()
    if order.job in shop.opened:
        shop.opened.move_to_end(order.job)
        return shop.opened[order.job]
    data = shop.store.get(shop.bucket, revision_plan_key(order.video, order.job))
    if data is None:
        raise Superseded("The plan is gone: the video was deleted.")
    made = Plan.from_json(data)
    media = open_source(shop.store, made.source)
    if made.stored_index:
        stored = shop.store.get(shop.bucket, index_key(order.video, order.job))
        media.adopt(index.load(stored or b""))
    shop.keep(made, media)
    return made, media


def _remuxed(
    shop: Workshop, made: Plan, media: MediaSource, numbers: list[int], urgent: bool
) -> Generator[int, None, None]:
    """Copies segments, several at a time; the number of each that is in the bucket."""
    remuxer = Remuxer(media, made)
    # One after the other for a viewer, who waits for the first of them.
    threads = 1 if urgent else _threads(made.source.size, len(made.timeline))
    yield from _in_parallel(
        shop.pool, lambda number: _upload(shop, made, number, remuxer.segment(number)), numbers, threads
    )


def _threads(size: int, segments: int) -> int:
    """How many segments are in the making at a time: fewer when they are large."""
    each = 2 * size // segments + 1  # the source's bytes and the segment's
    return max(1, min(THREADS, IN_FLIGHT_BYTES // each))


def _in_parallel(
    pool: ThreadPoolExecutor, work: Callable[[int], int], numbers: Iterable[int], threads: int
) -> Iterator[int]:
    """The results of `work`, as they come, with at most `threads` running. The first error ends it."""
    rest = iter(numbers)
    running: set[Future[int]] = {pool.submit(work, number) for number in islice(rest, threads)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(work, number) for number in islice(rest, len(done))}
            for future in done:
                yield future.result()
    finally:
        for future in running:
            future.cancel()
        wait(running)


def _encoded(
    shop: Workshop, made: Plan, media: MediaSource, chunk: Chunk, urgent: bool, alive: Alive
) -> Generator[int, None, None]:
    """Encodes the segments of a chunk; the number of each that is in the bucket."""
    chosen = shop.settings
    encoder = ChunkEncoder(
        media,
        made,
        threads=os.cpu_count() or 1 if urgent else chosen.encoder_threads,
        nice=0 if urgent else BATCH_NICE,
        stall_seconds=chosen.encoder_stall_seconds,
    )
    uploads: deque[Future[int]] = deque()
    try:
        with closing(encoder.segments(chunk, alive=alive)) as segments:
            for number, data in segments:
                uploads.append(shop.pool.submit(_upload, shop, made, number, data))
                while len(uploads) > (0 if urgent else 1):  # ffmpeg goes on during the last one
                    yield uploads.popleft().result()
        while uploads:
            yield uploads.popleft().result()
    finally:
        wait(uploads)


def _upload(shop: Workshop, made: Plan, number: int, data: memoryview) -> int:
    _put(shop, made, number, data)
    return number


def _put(shop: Workshop, made: Plan, number: int, data: memoryview) -> None:
    key = segment_key(made.video, made.revision, made.rendition, number)
    shop.store.put(shop.bucket, key, data, playlist.SEGMENT_TYPE)


# commit


def commit(order: Order) -> list[Chunk]:
    """Makes the video live, if everything is there; else returns the chunks that are to be made again."""
    shop = workshop()
    data = shop.store.get(shop.bucket, revision_plan_key(order.video, order.job))
    if data is None:
        raise Superseded("The plan is gone: the video was deleted.")
    made = Plan.from_json(data)
    there = _existing(shop, made)
    missing = [number for number in range(len(made.timeline)) if number not in there]
    if missing:
        log.warning(
            "segments are missing", extra={"video": order.video, "revision": order.job, "segments": missing[:9]}
        )
        shop.jobs.incomplete(order.job, order.epoch, missing)
        return [chunk for chunk in made.chunks() if not there.issuperset(chunk)]
    current = shop.store.head(order.bucket, order.key)
    if current is None or current.version != made.source.version:
        raise SourceChanged("The source was changed or removed before its conversion ended.")
    if not shop.jobs.touch(order.job, order.epoch):
        raise Superseded("The job was cancelled or taken over.")
    _publish(shop, made)
    shop.jobs.succeed(order.job, order.epoch)
    return []


def _publish(shop: Workshop, made: Plan) -> None:
    """The commit: one PUT, the last of all. Then whatever was cached of the video before is forgotten."""
    before = live_revision(shop.store, shop.bucket, made.video)
    uris = (segment_uri(made.revision, made.rendition, number) for number in range(len(made.timeline)))
    text = playlist.render(made.timeline, uris)
    shop.store.put(shop.bucket, commit_key(made.video), text.encode(), playlist.CONTENT_TYPE)
    redis_adapter.invalidate_playlist_cache(made.video)
    log.info("video is live", extra={"video": made.video, "revision": made.revision})
    _sweep(shop, made, keep={made.revision, before})


def _sweep(shop: Workshop, made: Plan, keep: set[str | None]) -> None:
    """Removes the revisions before the last: playlists of the one just replaced are still being played."""
    newest = read_plan(shop.store, shop.bucket, made.video)
    keep = keep | {newest.revision if newest else None}  # the one that is being made meanwhile
    folders = [info.key for info in shop.store.listing(shop.bucket, f"{made.video}/", recursive=False)]
    for folder in folders:
        name = folder.removeprefix(f"{made.video}/").rstrip("/")
        if folder.endswith("/") and REVISION.fullmatch(name) and name not in keep:
            _remove(shop, revision_prefix(made.video, name))


def discard(order: Order) -> None:
    """Removes what a failed job left: its revision, and the newest plan if it was that revision's."""
    shop = workshop()
    newest = read_plan(shop.store, shop.bucket, order.video)
    live = live_revision(shop.store, shop.bucket, order.video)
    if newest and newest.revision == order.job and live != order.job:
        shop.store.remove(shop.bucket, [plan_key(order.video)])
    if live != order.job:
        _remove(shop, revision_prefix(order.video, order.job))


def _remove(shop: Workshop, prefix: str) -> None:
    shop.store.remove(shop.bucket, [info.key for info in shop.store.listing(shop.bucket, prefix)])
