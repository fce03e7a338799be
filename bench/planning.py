"""How long a worker needs from nothing to a plan, and on to the first segment."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.media import Moov
from bench.run import Run, say
from bench.stack import FILMS, BenchError, Stack
from bench.table import Bar, Line, Measure, Row, Rule
from mam.hls.plan import Plan, Source
from mam.hls.playlist import TYPES
from mam.hls.recipe import Format, Profile, Recipe
from mam.media.planning import make_plan
from mam.media.remux import Remuxer
from mam.media.source import MediaSource, open_source, read_moov
from mam.mp4.samples import Samples
from mam.store.objects import Store
from tests.recipes import recipe_of

BUDGET = Bar(Rule.AT_MOST, 0.1)  # for index and plan
SEGMENT_BUDGET = Bar(Rule.AT_MOST, 0.04)  # for making and putting segment 0


def index_and_plan(run: Run) -> Iterator[Row]:
    """In this process, with the functions that workers call: `open_source`, the samples of both tracks, `make_plan`.

    Against fetching the same index with one ranged GET that knows where it is. Then segment 0 is made and put, against
    fetching that segment's bytes. What is first in the process (imports, connections) is done once beforehand.
    """
    stack = run.stack
    store = Store(stack.settings)
    for moov in Moov:
        film = run.feature(moov)
        say(f"index and plan of {film.label}, index at the {moov.value}")
        source = _source(store, FILMS, stack.put(film))
        where = _moov(store, source)
        _plan(store, source)
        planning, fetching, making, reading = [], [], [], []
        for _ in run.times(10):
            fetching.append(_seconds_to_read(store, source, *where))
            begun = time.perf_counter()
            media, plan = _plan(store, source)
            planned = time.perf_counter()
            size = _make_first(store, stack, media, plan)
            making.append(time.perf_counter() - planned)
            planning.append(planned - begun)
            reading.append(_seconds_to_read(store, source, where[1] % 1000, size))
        what = f"{film.label}, index at the {moov.value}"
        alone = Measure.of(fetching, name="the index, one ranged GET")
        yield Line(f"index and plan, {what}", Measure.of(planning), alone, BUDGET)
        alone = Measure.of(reading, name="its bytes, one ranged GET")
        yield Line(f"segment 0 made and put, {what}", Measure.of(making), alone, SEGMENT_BUDGET)


def plan_of(store: Store, bucket: str, key: str, profile: Profile = Profile.SOURCE) -> tuple[MediaSource, Plan]:
    """An object's index and plan."""
    return _plan(store, _source(store, bucket, key), profile)


def _source(store: Store, bucket: str, key: str) -> Source:
    found = store.head(bucket, key)
    if found is None:
        raise BenchError(f"There is no {bucket}/{key}.")
    return Source(bucket=bucket, key=key, version=found.version, etag=found.etag, size=found.size)


def _plan(store: Store, source: Source, profile: Profile = Profile.SOURCE) -> tuple[MediaSource, Plan]:
    media = open_source(store, source)
    _all_samples(media)
    return media, make_plan(media, source, _recipe(profile), video="bench", revision="0" * 12, stored=False)


def _recipe(profile: Profile) -> Recipe:
    return recipe_of(profile, Format.FMP4 if profile is Profile.LADDER else Format.TS)


def _all_samples(media: MediaSource) -> list[Samples]:
    return [media.samples(track.number) for track in media.tracks]


def _make_first(store: Store, stack: Stack, media: MediaSource, plan: Plan) -> int:
    (data,) = Remuxer(media, plan).segment(0).values()
    store.put(stack.settings.minio_bucket_vod, "bench/00000.ts", data, TYPES["ts"])
    return len(data)


def _moov(store: Store, source: Source) -> tuple[int, int]:
    """Where the index stands: its first byte, and the one behind it."""
    spans: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> bytes:
        spans.append((start, stop))
        return store.read(source.bucket, source.key, start, stop)

    length = len(read_moov(read, source.size))
    return (source.size - length, source.size) if spans[-1][1] == source.size else (32, 32 + length)


def _seconds_to_read(store: Store, source: Source, start: int, stop: int) -> float:
    begun = time.perf_counter()
    store.read(source.bucket, source.key, start, stop, etag=source.etag)
    return time.perf_counter() - begun
