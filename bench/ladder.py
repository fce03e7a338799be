"""What a ladder costs: its start, a seek into a rung that nobody has made, and the encodes of all rungs."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urljoin

from bench import media, plain
from bench.planning import plan_of
from bench.player import Player, Stream
from bench.run import Run, say
from bench.stack import FILMS, BenchError
from bench.start import PREROLL, far
from bench.table import Bar, Line, Measure, Row, Rule
from mam.hls.ladder import below
from mam.hls.plan import Chunk, Plan
from mam.hls.recipe import Profile
from mam.jobs.progress import Progress
from mam.media.encode import ChunkEncoder
from mam.media.source import MediaSource
from mam.naming import job_id
from mam.store.objects import Store

LADDER = "?profile=ladder"
START = Bar(Rule.RATIO_AT_MOST, 1.1)
SEEK = Bar(Rule.ABOVE_BASELINE, 0.1)
SHORT = Bar(Rule.RATIO_AT_MOST, 0.4)  # of a segment's length: else a player takes the wait for a slow line
ONE_DECODE = Bar(Rule.RATIO_AT_MOST, 0.8)


def start(run: Run) -> Iterator[Row]:
    """From sending `GET /stream/…?profile=ladder` for a film that was never converted to the last byte of the first
    segment of the variant that is listed first: its playlist, initialization section and segment.

    Against the same of `auto`, whose answer is the media playlist. They take turns, each with an object of its own.
    """
    film = run.feature()
    ladders, single = [], []
    for number in run.times(10, quick=5):
        say(f"cold starts of {film.label}, round {number + 1}")
        with run.stack.fresh(film) as key:
            ladders.append(_start(Player(), run.stack.stream_url(key) + LADDER))
        with run.stack.fresh(film) as key:
            single.append(Player().start(run.stack.stream_url(key))[0])
    yield Line(f"cold start of a ladder, {film.label}", Measure.of(ladders), Measure.of(single, name="auto"), START)


def _start(player: Player, url: str) -> float:
    begun = time.perf_counter()
    text = player.fetch(url, {"Accept-Encoding": "gzip"}).decode()
    first = next((line for line in text.splitlines() if line and not line.startswith("#")), None)
    if first is None:
        raise BenchError(f"No variants: {text[:200]!r}")
    stream = _opened(player, urljoin(url, first))
    if not player.fetch(stream.uris[0]):
        raise BenchError("The first segment is empty.")
    return time.perf_counter() - begun


def _opened(player: Player, url: str) -> Stream:
    """A rendition, with its initialization section fetched."""
    text = player.fetch(url, {"Accept-Encoding": "gzip"}).decode()
    init = next(line for line in text.splitlines() if line.startswith("#EXT-X-MAP:"))
    player.fetch(urljoin(url, init.split('"')[1]))
    return Stream.parse(text, url)


def seek(run: Run) -> Iterator[Row]:
    """Segments of a rung, far apart, none made yet, one after another; the base of the ladder is whole.

    Against one `ffmpeg` that scales and encodes that segment and its pre-roll from the local file; and against the
    segment's length.
    """
    film = run.ten_minutes()
    source = media.file(film)
    with run.stack.fresh(film) as key:
        run.stack.transcode(key, profile=Profile.LADDER)
        revision = run.stack.jobs(key)[0].id.partition("-")[0]
        for rung in below(1920, 1080, 25, 4_700_000):
            say(f"seeks into {rung.name} of {film.label}")
            stream = _opened(Player(), f"{run.stack.stream_url(key)}{LADDER}&rendition={rung.name}")
            cold, alone, lengths = [], [], []
            for number in far(len(stream.uris), 4):
                if Progress(run.stack.redis).is_made(job_id(revision, rung.name), [number])[0]:
                    continue
                cold.append(Player().seconds_of(stream.uris[number]))
                run.stack.settle()
                start, length = stream.starts[number], stream.durations[number]
                scaled = ["-vf", f"scale={rung.width}:{rung.height}", "-maxrate", str(rung.maxrate),
                          "-bufsize", str(rung.bufsize)]  # fmt: skip
                alone.append(
                    plain.encode_part(source, start=max(0.0, start - PREROLL), end=start + length, options=scaled)
                )
                lengths.append(length)
            baseline = Measure.of([1.1 * seconds for seconds in alone], name="1.1 x ffmpeg alone")
            yield Line(f"seek into a cold rung, {rung.name}", Measure.of(cold), baseline, SEEK)
            yield Line(
                f"… against its length, {rung.name}", Measure.of(cold), Measure.of(lengths, name="length"), SHORT
            )


def one_decode(run: Run) -> Iterator[Row]:
    """CPU seconds of ffmpeg for a chunk of all rungs of a full-HD film from one decode, against a decode for each.

    In this process, with the functions that workers call; each side three times, in turns.
    """
    film = run.clip()
    store = Store(run.stack.settings)
    source, plan = plan_of(store, FILMS, run.stack.put(film), Profile.LADDER)
    groups = [group for group in plan.groups if group]
    chunk = plan.of_groups(groups[0]).chunks()[1]
    together, apart = [], []
    for number in run.times(3, quick=2):
        say(f"a chunk of {len(groups)} rungs, round {number + 1}")
        together.append(_cpu_seconds(source, plan, [groups], chunk))
        apart.append(_cpu_seconds(source, plan, [[group] for group in groups], chunk))
    baseline = Measure.of(apart, name="a decode for each")
    yield Line(f"CPU, a chunk of {len(groups)} rungs", Measure.of(together), baseline, ONE_DECODE)


def _cpu_seconds(source: MediaSource, plan: Plan, runs: Sequence[Sequence[str]], chunk: Chunk) -> float:
    """CPU seconds of the children of this process that encode the chunk. `runs`: the groups of each ffmpeg."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for groups in runs:
        for _ in ChunkEncoder(source, plan.of_groups(*groups), threads=2).segments(chunk):
            pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
