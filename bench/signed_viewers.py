"""A thousand viewers with tokens. `python -m bench.signed_viewers` is they, a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from bench import processes
from bench.access import token
from bench.run import Run, say
from bench.stack import FILMS, BenchError
from bench.table import Bar, Line, Measure, Row, Rule, Unit

EVERY_SECONDS = 6.0  # A player asks for a segment this often.
TICKS = 100  # clock ticks a second
NONE = Bar(Rule.AT_MOST, 0)
MANY = 10_000
ALL = Bar(Rule.RATIO_AT_LEAST, 1)


def watching(run: Run) -> Iterator[Row]:
    """So many viewers of a film whose policy is `signed`: each asks for the redirect of a segment every six seconds.

    Each has a token of its own, and connects for each request: a server keeps no connection for so long. The first
    round is not counted: it verifies the tokens. The seconds are those of answers, connections among them. How many
    viewers one process of the VoD service carries is reckoned from the part of one core that it used meanwhile.
    """
    count, seconds = (200, 12.0) if run.quick else (1000, 60.0)
    stack = run.stack_with(PLAYBACK_RULES=f"{FILMS}/=signed")
    with stack.fresh(run.clip()) as key:
        stack.transcode(key)
        say(f"{count:,} viewers of a signed film, for {seconds:.0f} s")
        tokens = [token(stack, key, vid=f"viewer-{number}") for number in range(count)]
        base = f"http://{stack.vod.address}"
        before = processes.worked([stack.vod.process.pid])
        outcome = _crowd(base, key, tokens, seconds)
        used = (processes.worked([stack.vod.process.pid]) - before) / TICKS
    answers, errors = len(outcome["seconds"]), outcome["errors"]
    what = f"{count:,} viewers with tokens"
    reasons = "".join(f"; {number} × {reason}" for reason, number in list(errors.items())[:3])
    yield Line(f"{what}: errors{reasons}", Measure.of([sum(errors.values())], Unit.COUNT), bar=NONE)
    if answers < 2:
        return
    percentiles = statistics.quantiles(outcome["seconds"], n=100, method="inclusive")
    yield Line(f"{what}: redirect, median", Measure.of([percentiles[49]]))
    yield Line(f"{what}: redirect, 99th percentile", Measure.of([percentiles[98]]))
    carried = count * outcome["took"] / used
    wanted = Measure.of([MANY], Unit.COUNT, "wanted")
    yield Line("viewers that one process carries, reckoned", Measure.of([carried], Unit.COUNT), wanted, ALL)


def _crowd(base: str, key: str, tokens: list[str], seconds: float) -> dict[str, Any]:
    argv = [sys.executable, "-m", "bench.signed_viewers", base, key, "--seconds", str(seconds)]
    done = subprocess.run(argv, input="\n".join(tokens), capture_output=True, text=True)
    if done.returncode:
        raise BenchError(done.stderr[-400:])
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


async def crowd(base: str, key: str, tokens: list[str], seconds: float) -> dict[str, Any]:
    """`seconds` of each answer, `errors` by kind, and how long it all `took`."""
    answers: list[float] = []
    errors: Counter[str] = Counter()
    host = urlsplit(base).netloc
    begun = time.perf_counter()

    async def watch(token: str) -> None:
        path = f"/p/{token}/stream/{FILMS}/{key}/"
        try:
            await asyncio.sleep(random.uniform(0, EVERY_SECONDS))
            _, _, text = await _get(host, f"{path}playlist.m3u8")
            segments = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
            number = 0
            while time.perf_counter() - begun < seconds:
                asked = time.perf_counter()
                status, headers, _ = await _get(host, path + segments[number % len(segments)])
                if status != 302 or "X-Amz-Signature" not in headers.get("location", ""):
                    raise ValueError(f"status {status}")
                if number:
                    answers.append(time.perf_counter() - asked)
                number += 1
                await asyncio.sleep(EVERY_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            errors[f"{type(error).__name__}: {error}"[:100]] += 1

    await asyncio.gather(*map(watch, tokens))
    return {"seconds": answers, "errors": errors, "took": time.perf_counter() - begun}


async def _get(host: str, target: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request, on a connection of its own."""
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n\r\n".encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, body
    finally:
        writer.close()


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser("python -m bench.signed_viewers", description=__doc__)
    parser.add_argument("base")
    parser.add_argument("key")
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    tokens = sys.stdin.read().split()
    print(json.dumps(uvloop.run(crowd(given.base, given.key, tokens, given.seconds))))


if __name__ == "__main__":
    main()
