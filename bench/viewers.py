"""A thousand viewers at once. `python -m bench.viewers URL` is they, a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from bench.run import Run, say
from bench.stack import BenchError
from bench.table import Bar, Line, Measure, Row, Rule, Unit

TIMEOUT = 600  # seconds for one viewer
REDIRECTS = 3
NONE = Bar(Rule.AT_MOST, 0)
ONE = Bar(Rule.AT_MOST, 1)


def thousand(run: Run) -> Iterator[Row]:
    """So many viewers, all in the same moment, of one video that was never converted: playlist, then first segment.

    Each has connections of its own, on loopback, and reads the segment to its last byte. The seconds hold the time that
    some gigabytes take through one store and one client process on the same machine; against the same crowd once the
    video is live. What counts is that one job was made and that everyone got a picture.
    """
    count = 100 if run.quick else 1000
    stack, film = run.stack, run.clip()
    with stack.fresh(film) as key:
        say(f"{count:,} viewers of a video never converted")
        cold = _crowd(stack.stream_url(key), count)
        stack.settle()
        made = sum(job.epoch for job in stack.jobs(key))
        say(f"{count:,} viewers of the same video, live")
        live = _crowd(stack.stream_url(key), count)
    what = f"{count:,} viewers at once, never converted"
    yield Line(f"{what}: jobs", Measure.of([made], Unit.COUNT), bar=ONE)
    yield Line(f"{what}: errors{_reasons(cold)}", Measure.of([sum(cold["errors"].values())], Unit.COUNT), bar=NONE)
    if cold["seconds"] and live["seconds"]:
        for name, share in (("median", 50), ("99th percentile", 99)):
            figure, baseline = (Measure.of([_percentile(each["seconds"], share)]) for each in (cold, live))
            yield Line(f"{what}: {name}", figure, Measure(baseline.values, baseline.unit, "live"))


def _reasons(outcome: dict[str, Any]) -> str:
    return "".join(f"; {count} × {reason}" for reason, count in list(outcome["errors"].items())[:3])


def _percentile(seconds: list[float], share: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[share - 1] if len(seconds) > 1 else seconds[0]


def _crowd(url: str, count: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "bench.viewers", url, "--count", str(count)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(done.stderr[-400:])
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


async def crowd(url: str, count: int) -> dict[str, Any]:
    """`seconds` of those who got their first segment, `errors` of the others: how many of each kind."""
    outcomes = await asyncio.gather(*(_guarded(url) for _ in range(count)))
    return {
        "seconds": [outcome for outcome in outcomes if isinstance(outcome, float)],
        "errors": Counter(outcome for outcome in outcomes if isinstance(outcome, str)),
    }


async def _guarded(url: str) -> float | str:
    begun = time.perf_counter()
    try:
        await asyncio.wait_for(_watch(url), TIMEOUT)
    except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
        return f"{type(error).__name__}: {error}"[:120]
    return time.perf_counter() - begun


async def _watch(url: str) -> None:
    text = gzip.decompress(await _get(url, keep=True)).decode()
    first = next((line for line in text.splitlines() if line and not line.startswith("#")), None)
    if first is None:
        raise ValueError("The playlist names no segment.")
    await _get(urljoin(url, first), keep=False)


async def _get(url: str, *, keep: bool) -> bytes:
    """The body, wherever redirects lead; empty unless it is to be kept: a thousand segments fill the memory."""
    for _ in range(REDIRECTS):
        status, headers, body = await _request(url, keep=keep)
        if status in (301, 302, 303, 307, 308):
            url = urljoin(url, headers["location"])
            continue
        if status != 200:
            raise ValueError(f"status {status}")
        return body
    raise ValueError("too many redirects")


async def _request(url: str, *, keep: bool) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        encoding = "gzip" if keep else "identity"
        head = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        left, body = int(headers.get("content-length", "0")), b""
        while left:
            data = await reader.read(min(left, 1 << 18))
            if not data:
                raise EOFError(f"{left} bytes were missing")
            left -= len(data)
            body += data if keep else b""
        return int(lines[0].split()[1]), headers, body
    finally:
        writer.close()


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser("python -m bench.viewers", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    print(json.dumps(uvloop.run(crowd(given.url, given.count))))


if __name__ == "__main__":
    main()
