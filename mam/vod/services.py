"""The parts of the VoD service: started from its settings, used by its routes."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from redis.asyncio import Redis as Client

from mam.access.denials import Denials
from mam.access.keyring import Keyring
from mam.access.share_links import ShareLinks
from mam.access.streams import Streams
from mam.access.tokens import Tokens
from mam.cache.memory import PlaylistMemory
from mam.cache.shared_reads import SharedReads
from mam.cache.store import PlaylistCache
from mam.connections import QUICK, REQUEST
from mam.credentials.known_keys import KnownKeys
from mam.events import Listener, async_client, sync_client
from mam.http import bucket, stopping
from mam.http.metrics import Recorder
from mam.http.services import start
from mam.http.trail import Trail
from mam.http.transcoder import Transcoder
from mam.http.tries import Tries
from mam.library.routes import LibraryServices
from mam.library.service import running as running_library
from mam.library.status_store import StatusStore
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.store import connections as store_connections
from mam.store.objects import Store
from mam.uploads.routes import UploadServices
from mam.uploads.service import running as running_uploads
from mam.vod.access import Access
from mam.vod.concealment import Durations
from mam.vod.conversions import Conversions
from mam.vod.entrance import Entrance
from mam.vod.foreign import ForeignTrees
from mam.vod.hotpath import HotPath
from mam.vod.missing import MissingAssets
from mam.vod.operations import Operations
from mam.vod.origins import Origins
from mam.vod.outcomes import Outcomes
from mam.vod.pending_segments import PendingSegments
from mam.vod.playback import Playback
from mam.vod.redirects import Redirects
from mam.vod.rendering import Renderer
from mam.vod.status import Statuses
from mam.vod.thumbnails import Thumbnails
from mam.web.assets import PageAssets
from mam.web.pages import Pages
from mam.web.proxy import TranscoderProxy
from mam.web.routes import PageServices
from mam.web.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class VodServices(PageServices, LibraryServices, UploadServices):
    """The parts that the routes of the VoD service use."""

    store: Store
    access: Access
    entrance: Entrance
    hot: HotPath
    redirects: Redirects
    durations: Durations
    tokens: Tokens
    denials: Denials
    links: ShareLinks
    pending: PendingSegments
    origins: Origins
    foreign: ForeignTrees
    statuses: Statuses
    pictures: Thumbnails
    playback: Playback
    operations: Operations


async def started(settings: Settings, stack: AsyncExitStack, recorder: Recorder, outcomes: Outcomes) -> VodServices:
    """Starts all parts. Leaving `stack` stops the started ones in reverse order, also after a failed start."""
    store, access, keyring = Store(settings, store_connections.REQUEST), Access(settings), Keyring(settings)
    redis, quick = async_client(settings), async_client(settings, QUICK)
    transcoder, proxy = Transcoder(settings), TranscoderProxy(settings)
    for close in (redis.aclose, quick.aclose, transcoder.close, proxy.close):
        stack.push_async_callback(close)
    keys, tries, trail = KnownKeys(settings), Tries(redis), Trail(redis)
    stack.push_async_callback(trail.stop)
    trees, listener, memory = Trees(store, settings.minio_bucket_vod), Listener(redis), PlaylistMemory(redis)
    links = ShareLinks(store, settings.minio_bucket_vod, redis, memory)
    for part in (keys, keyring, listener, memory, links):
        await start(stack, part)
    cache = _cache(settings, redis, quick)
    reads, assets, redirects = SharedReads(cache, memory), PageAssets(), Redirects()
    tokens, denials = Tokens(lambda: keyring.keys), Denials(redis, quick, memory)
    entrance = Entrance(settings, tokens, links, denials, Streams(redis))
    is_stopping = stack.enter_context(stopping.noticed())
    await stack.enter_async_context(bucket.ensured(partial(store.ensure_bucket, settings.minio_bucket_vod)))
    pending, origins = PendingSegments(settings, store, trees, transcoder, listener), Origins(trees)
    pending.on_forgotten(redirects.forget)
    library = await stack.enter_async_context(running_library(settings, access, store, redis, Trees))
    uploads = running_uploads(settings, store, redis, transcoder, library.library)
    renderer = Renderer(
        settings, access=access, trees=trees, cache=cache, pending=pending, origins=origins, outcomes=outcomes
    )
    return VodServices(
        settings=settings, store=store, redis=redis, keys=keys, tries=tries, trail=trail, stopping=is_stopping,
        access=access,
        entrance=entrance,
        hot=HotPath(settings, access, entrance, links, redirects, memory, reads, recorder, outcomes),
        redirects=redirects,
        durations=Durations(),
        tokens=tokens, denials=denials, links=links, pending=pending, origins=origins,
        foreign=ForeignTrees(trees),
        statuses=Statuses(settings, access, store, trees, transcoder),
        pictures=Thumbnails(settings, access, store, trees),
        playback=Playback(
            settings, access=access, store=store, trees=trees, reads=reads, outcomes=outcomes, renderer=renderer,
            missing=MissingAssets(library.knows), conversions=Conversions(settings, store, transcoder),
        ),
        operations=Operations(
            access=access, trees=trees, cache=cache, transcoder=transcoder,
            known=StatusStore(sync_client(settings, REQUEST)),
        ),
        library=library,
        uploads=await stack.enter_async_context(uploads),
        sessions=Sessions(settings, redis, keys, tries),
        assets=assets, pages=Pages(settings, assets), proxy=proxy,
    )  # fmt: skip


def _cache(settings: Settings, redis: Client, quick: Client) -> PlaylistCache:
    """`quick`: a client with short timeouts, for reads on behalf of viewers."""
    ttl, budget = settings.playlist_cache_ttl_seconds, settings.playlist_cache_bytes
    return PlaylistCache(redis, ttl=ttl, quick=quick, budget=budget, form=settings.playlist_form())


async def services_of(request: Request) -> VodServices:
    """The parts of the application that serves the request."""
    services: VodServices = request.app.state.services
    return services


Provided = Annotated[VodServices, Depends(services_of)]
