"""A worker process's connections, and the sources that it opened last."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import redis
from cachetools import LRUCache
from kombu.exceptions import KombuError

import redis_adapter
from mam.connections import Silent
from mam.errors import Superseded, Unavailable
from mam.events import sync_client
from mam.hls import playlist, webvtt
from mam.hls.cues import InvalidSubtitles
from mam.hls.plan import Plan, Sidecar, Source
from mam.jobs.admission import Admission
from mam.jobs.claims import Conversions
from mam.jobs.counters import Counters
from mam.jobs.order import Order
from mam.jobs.progress import Progress
from mam.jobs.shared_files import shared_file
from mam.jobs.state import Jobs
from mam.jobs.viewers import Viewers
from mam.media import ffmpeg_process
from mam.media.muxing import SegmentFiles
from mam.media.source import MediaSource, open_source
from mam.mp4 import stored_index
from mam.naming import index_key, revision_plan_key, revision_prefix
from mam.origin.revisions import Revisions
from mam.processes import cores
from mam.settings import Settings, worker_settings
from mam.store.objects import Store
from mam.worker.priority import Precedence, Urgency
from mam.worker.process import slots

KEPT_SOURCES = 2  # A process keeps this many sources open: the index of a two-hour film takes some 25 MB.
KEPT_INITIALIZATIONS = 32  # A process keeps the initialization sections of this many rungs: a kilobyte each.
THREADS = 3  # A chunk's segments are copied by this many threads: a fourth would only wait for the other three.
STILL_SECONDS, MOVING_SECONDS = 10.0, 2.0  # Encoders pause for at most the first, then run for at least the second.

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkerContext:
    """Connections and kept sources of one worker process."""

    settings: Settings
    store: Store
    redis: redis.Redis
    jobs: Jobs
    progress: Progress
    viewers: Viewers
    counters: Counters
    conversions: Conversions
    revisions: Revisions
    precedence: Precedence
    pool: ThreadPoolExecutor
    opened: LRUCache[str, tuple[Plan, MediaSource]] = field(default_factory=lambda: LRUCache(KEPT_SOURCES))
    initializations: LRUCache[str, SegmentFiles] = field(default_factory=lambda: LRUCache(KEPT_INITIALIZATIONS))

    @property
    def bucket(self) -> str:
        return self.settings.minio_bucket_vod

    def keep(self, plan: Plan, media: MediaSource) -> None:
        media.settle([track.track for track in plan.tracks] + plan.text_tracks)
        self.opened[plan.revision] = (plan, media)

    def plan(self, order: Order) -> Plan:
        """The plan of the order's job. Raises Superseded when it no longer exists."""
        data = self.store.get(self.bucket, revision_plan_key(order.video, order.revision))
        if data is None:
            raise Superseded("The plan is gone: the video was deleted.")
        return Plan.from_json(data)

    def open(self, order: Order, *others: Order) -> tuple[Plan, MediaSource]:
        """The plan of the order's group, and the source, kept from an earlier task or read again.

        `others`: orders of other groups of the same revision, which the plan has too.
        """
        plan, media = self.open_whole(order)
        return plan.of_groups(order.group, *(other.group for other in others)), media

    def open_whole(self, order: Order) -> tuple[Plan, MediaSource]:
        """The plan with all of its groups, and the source."""
        if order.revision not in self.opened:
            plan = self.plan(order)
            media = self.source(plan.source)
            if plan.stored_index:
                index = self.store.get(self.bucket, index_key(order.video, order.revision))
                media.adopt(stored_index.load(index or b""))
            self.keep(plan, media)
        return self.opened[order.revision]

    def source(self, source: Source) -> MediaSource:
        """Opens a source and reads the subtitles beside it; subtitles that cannot be parsed are left out."""
        media = open_source(self.store, source)
        for sidecar in source.sidecars:
            try:
                media.cues[sidecar.key] = webvtt.parse(
                    self._subtitles(source.bucket, sidecar), language=sidecar.language
                )
            except InvalidSubtitles as error:
                log.warning("subtitles left out", extra={"key": sidecar.key, "reason": error.detail})
        return media

    def _subtitles(self, bucket: str, sidecar: Sidecar) -> bytes:
        if sidecar.size > webvtt.MAX_BYTES:  # checked before reading: any file may be named .srt
            raise InvalidSubtitles(f"The file has {sidecar.size} bytes; at most {webvtt.MAX_BYTES} are read.")
        return self.store.get(bucket, sidecar.key) or b""

    def put(self, plan: Plan, files: SegmentFiles) -> None:
        """Stores the files of a segment."""
        for name, data in files.items():
            key = revision_prefix(plan.video, plan.revision) + name
            self.store.put(self.bucket, key, data, playlist.TYPES[name.rpartition(".")[2]])

    @property
    def encoder_threads(self) -> int:
        """Threads of each batch ffmpeg: the cores, divided among the slots."""
        return self.settings.encoder_threads or max(1, cores() // slots())

    def pacer(self, urgency: Urgency) -> Callable[[], None]:
        """A function that a task calls repeatedly: it pauses this process's encoders while more urgent work runs."""
        longest = min(STILL_SECONDS, self.settings.encoder_stall_seconds / 3)
        stopped, resumed = 0.0, 0.0

        def pace() -> None:
            nonlocal stopped, resumed
            now = time.monotonic()
            if stopped and (now - stopped > longest or not self.precedence.is_felt(urgency)):
                resumed = now if now - stopped > longest else 0.0
                stopped = 0.0
                ffmpeg_process.resume()
            elif stopped or (now - resumed > MOVING_SECONDS and self.precedence.is_felt(urgency)):
                stopped = stopped or now
                ffmpeg_process.pause()  # each time: another encoder may have started meanwhile

        return pace


@cache
def worker_context() -> WorkerContext:
    """This process's context, created on first use: after the worker has forked."""
    settings = worker_settings()
    client = sync_client(settings)
    store, jobs = Store(settings), Jobs(client)
    admission = Admission(settings, client, jobs)
    return WorkerContext(
        settings,
        store,
        client,
        jobs,
        Progress(client),
        Viewers(client),
        Counters(client),
        Conversions(settings, store, jobs, admission, forget=redis_adapter.invalidate_playlist_cache),
        Revisions(store, settings.minio_bucket_vod),
        Precedence(shared_file(settings, "urgency")),
        ThreadPoolExecutor(THREADS, "segments"),
    )


def warm_up() -> None:
    """Opens connections and runs what is slow on first use, so that no viewer waits for it."""
    context = worker_context()
    try:
        list(context.pool.map(lambda _: context.store.check(context.bucket), range(THREADS)))
        context.redis.ping()
    except (Unavailable, redis.RedisError) as error:
        log.warning("started without its store or Redis", extra={"error": str(error)})
    for weakness in ffmpeg_process.weaknesses():
        log.warning("ffmpeg is not fully contained", extra={"reason": weakness})
    np.cumsum(np.ones(1 << 16, np.int64)).searchsorted([1])


def this_machine() -> str:
    return platform.node()


def this_worker() -> str:
    """This process's name in job states: its machine and process id."""
    return f"{this_machine()}:{os.getpid()}"


def is_outage(error: Exception) -> bool:
    """Whether Redis caused the error: it is away or full, or holds a value of the wrong type."""
    return isinstance(error, redis.RedisError | KombuError | Silent)
