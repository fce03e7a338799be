"""A server that keeps nothing and makes each segment when it is asked for, as repackaging servers do.

`uvicorn bench.repackaging:app`; BENCH_FILM names the film, the settings of the services say where. One process; making
and reading happen in threads, with the product's own muxer: a segment costs the same here and there, once or each time.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache

from starlette.types import Receive, Scope, Send

from bench.planning import plan_of
from bench.stack import FILMS
from mam.hls.playlist import TYPES
from mam.media.remux import Remuxer
from mam.settings import Settings
from mam.store.objects import Store


@cache
def _remuxer() -> Remuxer:
    store = Store(Settings())
    media, plan = plan_of(store, FILMS, os.environ["BENCH_FILM"])
    media.settle([track.track for track in plan.tracks])
    return Remuxer(media, plan)


async def app(scope: Scope, _receive: Receive, send: Send) -> None:
    """`GET /417.ts`."""
    if scope["type"] != "http":
        return
    number = int(scope["path"].strip("/").removesuffix(".ts"))
    (body,) = (await asyncio.to_thread(_remuxer().segment, number)).values()
    lines = [(b"content-type", TYPES["ts"].encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": bytes(body)})
