"""Servers that the VoD service is held against: the same bytes, by the plainest code that sends them.

`uvicorn bench.baselines:plain_asgi` and so on; BENCH_BODY names the file with the body, BENCH_REDIS the Redis.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import redis
from fastapi import FastAPI, Response
from starlette.types import Receive, Scope, Send

CONTENT_TYPE = "application/vnd.apple.mpegurl"
HEADERS = {"Content-Encoding": "gzip", "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
TEXT_KEY = "bench:text"

constant = FastAPI()
thread_pool = FastAPI()


@cache
def _body() -> bytes:
    return Path(os.environ["BENCH_BODY"]).read_bytes()


@cache
def _redis() -> redis.Redis:
    return redis.Redis(port=int(os.environ["BENCH_REDIS"]))


@constant.get("/")
async def a_constant() -> Response:
    """A FastAPI route that has nothing to do but to answer."""
    return Response(_body(), media_type=CONTENT_TYPE, headers=HEADERS)


@thread_pool.get("/")
def from_redis() -> Response:
    """What one writes first: a blocking route, run in the thread pool, that reads Redis and sends the text."""
    return Response(_redis().get(TEXT_KEY), media_type=CONTENT_TYPE)


async def plain_asgi(scope: Scope, _receive: Receive, send: Send) -> None:
    """No framework."""
    if scope["type"] != "http":
        return
    body = _body()
    headers = {**HEADERS, "Content-Type": CONTENT_TYPE, "Content-Length": str(len(body))}
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": body})
