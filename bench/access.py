"""What is not public: how often a second its playlist and the redirects of its segments are served to token holders."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Iterator

from bench.load import requests_per_second
from bench.playlist import baselines, body_of
from bench.run import Run, say
from bench.stack import API_KEY, FILMS, Stack
from bench.table import Bar, Line, Measure, Row, Rule, Unit

PLAYLIST, REDIRECT = "signed playlist, /p/…", "redirect of a signed segment"
BARS = {PLAYLIST: 0.6, REDIRECT: 0.5}
PLAIN = "plain ASGI"


def signed(run: Run) -> Iterator[Row]:
    """Requests a second for the playlist of a signed video and for one of its segments, over 32 kept-alive connections.

    All requests have the same token, which is verified once. The baseline is a plain ASGI application that answers with
    the same body (with none for the redirect) on the same server. They take turns.
    """
    stack = run.stack_with(PLAYBACK_RULES=f"{FILMS}/=signed")
    with stack.fresh(run.clip()) as key:
        stack.transcode(key)
        url = f"http://{stack.vod.address}/p/{token(stack, key)}/stream/{FILMS}/{key}/playlist.m3u8"
        body = body_of(url)
        first = next(line for line in gzip.decompress(body).decode().splitlines() if not line.startswith("#"))
        urls = {PLAYLIST: (url, body), REDIRECT: (url.replace("playlist.m3u8", first), b"")}
        for what, (address, sent) in urls.items():
            with baselines(stack, sent or gzip.compress(b"")) as plain:
                ours, theirs = _rates(run, what, address, plain[PLAIN])
            bar = Bar(Rule.RATIO_AT_LEAST, BARS[what])
            yield Line(what, Measure.of(ours, Unit.PER_SECOND), Measure.of(theirs, Unit.PER_SECOND, PLAIN), bar)


def _rates(run: Run, what: str, *urls: str) -> tuple[list[float], ...]:
    rates: tuple[list[float], ...] = tuple([] for _ in urls)
    for number in run.times(5):
        say(f"requests a second: {what}, round {number + 1}")
        for found, url in zip(rates, urls, strict=True):
            found.append(requests_per_second(url, seconds=1 if run.quick else 3))
    return rates


def token(stack: Stack, key: str, **claims: str) -> str:
    """A playback token for a film. `claims`: further ones."""
    data = json.dumps({"sub": f"{FILMS}/{key}", **claims}).encode()
    headers = {"x-api-key": API_KEY, "content-type": "application/json"}
    request = urllib.request.Request(f"http://{stack.vod.address}/playback/tokens", data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return str(json.load(answer)["token"])
