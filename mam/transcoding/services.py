"""The parts of the transcoding service: started from its settings, used by its routes."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

import redis_adapter
from mam.connections import REQUEST
from mam.credentials.known_keys import KnownKeys
from mam.events import Listener, async_client, sync_client
from mam.http import bucket, health, stopping
from mam.http.metrics import Recorder
from mam.http.services import Services, start
from mam.http.trail import Trail
from mam.http.tries import Tries
from mam.jobs.admission import Admission
from mam.jobs.claims import Conversions
from mam.jobs.counters import Counters
from mam.jobs.progress import Progress
from mam.jobs.queues import broker_client
from mam.jobs.state import Jobs
from mam.jobs.viewers import Viewers
from mam.settings import Settings
from mam.store import connections as store_connections
from mam.store.objects import Store
from mam.transcoding import fleet
from mam.transcoding.embedded_workers import EmbeddedWorkers
from mam.transcoding.event_feed import EventFeed
from mam.transcoding.fleet_view import FleetOverview
from mam.transcoding.progress import ChunkProgress
from mam.transcoding.reaper import Reaper
from mam.transcoding.service import TranscodingService
from mam.transcoding.webhooks import Callbacks, Webhooks


@dataclass(frozen=True, kw_only=True)
class TranscodingServices(Services):
    """The parts that the routes of the transcoding service use."""

    store: Store
    jobs: Jobs
    transcoding: TranscodingService
    fleet: FleetOverview
    feed: EventFeed
    chunks: ChunkProgress
    workers: EmbeddedWorkers


async def started(settings: Settings, stack: AsyncExitStack, recorder: Recorder) -> TranscodingServices:
    """Starts all parts. Leaving `stack` stops the started ones in reverse order, also after a failed start.

    `recorder`: the service's metrics, to which those of jobs and workers are added.
    """
    store = Store(settings, store_connections.REQUEST)
    client, broker = sync_client(settings, REQUEST), broker_client(settings)
    redis = async_client(settings)
    stack.push_async_callback(redis.aclose)
    keys, trail = KnownKeys(settings, with_service=True), Trail(redis)
    stack.push_async_callback(trail.stop)
    await start(stack, keys)
    jobs, counters, listener = Jobs(client), Counters(client), Listener(redis)
    admission = Admission(settings, client, jobs)
    conversions = Conversions(settings, store, jobs, admission, forget=redis_adapter.invalidate_playlist_cache)
    workers = fleet.Fleet(jobs, counters, client, broker)
    recorder.add(fleet.Collector(workers))
    overview = FleetOverview(settings, store, workers)
    transcoding = TranscodingService(jobs, Viewers(client), conversions, listener, Callbacks(settings), redis)
    embedded = EmbeddedWorkers(settings)
    hooks = Webhooks(settings, jobs, counters, client, listener)
    reaper = Reaper(settings, store, jobs, counters, conversions, state=client, broker=broker)
    for part in (listener, embedded, reaper, hooks):
        await start(stack, part)
    is_stopping = stack.enter_context(stopping.noticed())
    await stack.enter_async_context(bucket.ensured(partial(store.ensure_bucket, settings.minio_bucket_vod)))
    return TranscodingServices(
        settings=settings,
        store=store,
        redis=redis,
        keys=keys,
        tries=Tries(redis),
        trail=trail,
        stopping=is_stopping,
        jobs=jobs,
        transcoding=transcoding,
        fleet=overview,
        feed=EventFeed(jobs, listener, overview),
        chunks=ChunkProgress(store, settings.minio_bucket_vod, jobs, Progress(client)),
        workers=embedded,
    )


async def services_of(request: Request) -> TranscodingServices:
    """The parts of the application that serves the request."""
    services: TranscodingServices = request.app.state.services
    return services


Provided = Annotated[TranscodingServices, Depends(services_of)]


def checks(request: Request) -> dict[str, health.Check]:
    """The checks that must succeed before the service is ready."""
    services: TranscodingServices = request.app.state.services
    return {**health.store_and_redis(request), "workers": services.workers.check}
