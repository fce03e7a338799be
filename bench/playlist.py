"""The playlist of a two-hour film: how fast it is rendered and signed, how often a second it is served from cache."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from minio import Minio

from bench import SCRATCH
from bench.baselines import CONTENT_TYPE, TEXT_KEY
from bench.load import requests_per_second
from bench.run import Run, say
from bench.stack import API_KEY, FILMS, BenchError, Stack, start_app
from bench.table import Bar, Line, Measure, Row, Rule, Unit
from dev.servers import LOOPBACK, Server, free_port, spawn
from mam.hls.playlist import render
from mam.hls.timeline import Timeline
from mam.naming import commit_key, segment_name, segment_uri
from mam.origin.tree import MediaPlaylist
from mam.settings import Settings
from mam.vod import playlists

SEGMENTS, SEGMENT_SECONDS = 1200, 6  # two hours
VIDEO, REVISION = "films/feature", "0123456789ab"
READY_SECONDS = 20
BY_NAME, BY_ASSET = "cached playlist, /video/…", "cached playlist, /stream/…"


def sign(run: Run) -> Iterator[Row]:
    """`mam.vod.playlists.live` on the playlist of two hours, in this process: every URI resolved, signed and rewritten.

    Against the SDK's `presigned_get_object` for the same keys (with `region`, so it asks nobody). They take turns.
    """
    os.environ.setdefault("TRANSCODE_API_KEY", API_KEY)
    settings = Settings()
    found = MediaPlaylist(VIDEO, feature(), VIDEO)
    keys = [f"{VIDEO}/{segment_uri(REVISION, 'source', segment_name(number, 'ts'))}" for number in range(SEGMENTS)]
    keypair = settings.minio_usr, settings.minio_pwd.get_secret_value()
    sdk = Minio(settings.public_endpoint, *keypair, secure=False, region=settings.minio_region)
    product, baseline = [], []
    for _ in run.times(20, quick=5):
        begun = time.perf_counter()
        text = playlists.live(found, settings, presigned=True, foreign=False)
        product.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        urls = [sdk.presigned_get_object(settings.minio_bucket_vod, key, timedelta(hours=4)) for key in keys]
        baseline.append(time.perf_counter() - begun)
        if text.count("X-Amz-Signature") != len(urls):
            raise BenchError("Not every segment is signed.")
    alone = Measure.of(baseline, name="minio SDK, signing alone")
    yield Line(f"render and sign {SEGMENTS:,} segments", Measure.of(product), alone, Bar(Rule.AT_MOST, 0.015, aim=0.01))


def feature() -> str:
    """The commit of a two-hour film."""
    boundaries = tuple(range(0, (SEGMENTS + 1) * SEGMENT_SECONDS, SEGMENT_SECONDS))
    uris = (segment_uri(REVISION, "source", segment_name(number, "ts")) for number in range(SEGMENTS))
    return render(Timeline(timescale=1, boundaries=boundaries), uris)


def cached(run: Run) -> Iterator[Row]:
    """Requests a second for the cached playlist of two hours, gzip, over 32 kept-alive connections.

    The generator is a process of its own (wrk where it is installed), so on two cores it has one and the server the
    other. All servers take turns, every one with one process, the same body (but for the thread-pool route, which sends
    the text uncompressed), the same uvicorn and its same options. nginx, where it is installed, serves the body from a
    file.
    """
    stack = run.stack
    stack.minio.put_object(  # as a tree that another tool left; the segments are not asked for
        stack.settings.minio_bucket_vod, commit_key(VIDEO), io.BytesIO(feature().encode()), len(feature()), CONTENT_TYPE
    )
    product = f"http://{stack.vod.address}/video/{VIDEO}/playlist.m3u8"
    by_asset = f"http://{stack.vod.address}/stream/{FILMS}/{VIDEO}.mp4/playlist.m3u8"
    with baselines(stack, body_of(product)) as addresses:
        rates = _rates(run, {BY_NAME: product, BY_ASSET: by_asset, **addresses})
    bars = {"FastAPI constant": 1.0, "plain ASGI": 0.8, "thread-pool route": 5.0}
    for name in addresses:
        bar = Bar(Rule.RATIO_AT_LEAST, bars[name]) if name in bars else None
        yield Line(BY_NAME, rates[BY_NAME], rates[name], bar)
    yield Line(BY_ASSET, rates[BY_ASSET], rates["FastAPI constant"], Bar(Rule.RATIO_AT_LEAST, 1.0))


def _rates(run: Run, urls: dict[str, str]) -> dict[str, Measure]:
    """Requests a second of each, by name; in turns."""
    rates: dict[str, list[float]] = {name: [] for name in urls}
    for number in run.times(5):
        say(f"requests a second for the cached playlist, round {number + 1}")
        for name, url in urls.items():
            seconds = 1 if run.quick else 3
            rates[name].append(requests_per_second(url, seconds=seconds, gzip=name != "thread-pool route"))
    labels = {BY_NAME: "", BY_ASSET: ""}
    return {name: Measure.of(found, Unit.PER_SECOND, labels.get(name, name)) for name, found in rates.items()}


@contextmanager
def baselines(stack: Stack, body: bytes) -> Iterator[dict[str, str]]:
    """The addresses of the servers that the product is held against, by name. `body`: gzip."""
    folder = SCRATCH / "baselines"
    folder.mkdir(exist_ok=True)
    (folder / "playlist").write_bytes(body)
    stack.redis.set(TEXT_KEY, gzip.decompress(body))
    os.environ["BENCH_BODY"] = str(folder / "playlist")
    os.environ["BENCH_REDIS"] = str(stack.settings.redis_port)
    apps = {"FastAPI constant": "constant", "plain ASGI": "plain_asgi", "thread-pool route": "thread_pool"}
    with ExitStack() as children:
        servers = {
            name: children.enter_context(
                start_app(app, f"bench.baselines:{app}", port=free_port(), log=folder / f"{app}.log")
            )
            for name, app in apps.items()
        }
        if nginx := shutil.which("nginx"):
            servers["nginx"] = children.enter_context(_start_nginx(nginx, folder))
        addresses = {name: f"http://{server.address}/" for name, server in servers.items()}
        if "nginx" in addresses:
            addresses["nginx"] += "playlist"
        for name, url in addresses.items():
            _wait_until_it_answers(servers[name], url)
        yield addresses


def _start_nginx(executable: str, folder: Path) -> Server:
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=10;
          default_type {CONTENT_TYPE};
          client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
          fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi;
          scgi_temp_path {folder}/nginx-scgi;
          server {{ listen {LOOPBACK}:{port}; root {folder}; add_header Content-Encoding gzip; }}
        }}
        """
    )
    argv = [executable, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return spawn("nginx", argv, port=port, log=folder / "nginx.log")


def _wait_until_it_answers(server: Server, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            body_of(url)
            return
        except OSError as error:
            if time.monotonic() > deadline or server.process.poll() is not None:
                raise BenchError(f"{server.name} does not answer ({error}): {server.last_lines(3)}") from error
            time.sleep(0.05)


def body_of(url: str) -> bytes:
    """A body as it was sent."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with opener.open(request, timeout=30) as answer:
        return bytes(answer.read())
