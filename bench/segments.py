"""Segments of a live video: handed out by the store itself, and what a server could hand out in its place."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench import SCRATCH
from bench.load import requests_per_second
from bench.player import Player
from bench.run import Run, say
from bench.stack import start_app
from bench.table import Bar, Line, Measure, Row, Rule, Unit
from dev.servers import free_port

CLIENTS = 8


def direct(run: Run) -> Iterator[Row]:
    """Segments a second that eight clients get by the signed URLs of a live playlist, from the store.

    Against one process that repackages: it makes each segment from the film in the same store when it is asked for, and
    keeps nothing. Both take turns, a segment each round; the clients are one process on the same machine.
    """
    stack, film = run.stack, run.ten_minutes()
    os.environ["BENCH_FILM"] = stack.put(film)
    ours: list[float] = []
    theirs: list[float] = []
    with (
        stack.fresh(film) as key,
        start_app("repackaging", "bench.repackaging:app", port=free_port(), log=SCRATCH / "repackaging.log") as server,
    ):
        stack.transcode(key)
        uris = Player().open(stack.stream_url(key)).uris
        for number in run.times(5):
            say(f"segments a second, round {number + 1}")
            at = 1 + number * (len(uris) // 6)
            for rates, url in ((ours, uris[at]), (theirs, f"http://{server.address}/{at}.ts")):
                Player().seconds_of(url)  # until the server is up, and each has it at hand
                rates.append(requests_per_second(url, seconds=1 if run.quick else 3, gzip=False, connections=CLIENTS))
    alone = Measure.of(theirs, Unit.PER_SECOND, "one repackaging server")
    what = f"segments of a live video, {CLIENTS} clients"
    yield Line(what, Measure.of(ours, Unit.PER_SECOND), alone, Bar(Rule.RATIO_AT_LEAST, 4))
