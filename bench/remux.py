"""How fast a whole film is remuxed."""

from __future__ import annotations

from collections.abc import Iterator

from bench import plain
from bench.media import Film
from bench.plain import SEGMENT_SECONDS, StoreAlone
from bench.run import Run, say
from bench.table import Bar, Line, Measure, Row, Rule


def whole(run: Run) -> Iterator[Row]:
    """Ten minutes that were never converted, from `POST /transcode` to its answer that the video is live.

    Product, plain pipeline, reading and putting take turns. The plain pipeline: one process downloads the object with
    the SDK, runs `ffmpeg -c copy -f hls` on it, uploads the files one after another. The store alone: the same bytes
    read once by ranges, and as many bytes put once as objects, both of a segment's size, over eight connections with
    presigned requests and unhashed bodies; the slower of the two is the least that any remux needs on this store.
    """
    yield from _compared(run, run.ten_minutes(), run.times(5))


def feature(run: Run) -> Iterator[Row]:
    """The same with two hours, which the page cache does not swallow: what is written twice is waited for twice."""
    yield from _compared(run, run.feature(), run.times(1, quick=1))


def _compared(run: Run, film: Film, rounds: range) -> Iterator[Row]:
    stack = run.stack
    alone = StoreAlone(stack, stack.put(film), film.seconds // SEGMENT_SECONDS)
    product, pipeline, read, put = [], [], [], []
    for number in rounds:
        say(f"remux of {film.label}, round {number + 1}")
        with stack.fresh(film) as key:
            product.append(stack.transcode(key))
        stack.settle()
        pipeline.append(plain.pipeline(stack, stack.put(film)))
        stack.settle()
        read.append(alone.read())
        put.append(alone.put())
    what, figure = f"remux, {film.label}", Measure.of(product)
    yield Line(what, figure, Measure.of(pipeline, name="plain pipeline"), Bar(Rule.TIMES_AS_FAST, 5))
    slower = max(Measure.of(read, name="read once"), Measure.of(put, name="put once"), key=lambda each: each.median)
    yield Line(what, figure, slower, Bar(Rule.RATIO_AT_MOST, 1.5, aim=1.25))
