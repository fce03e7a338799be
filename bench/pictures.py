"""What the pictures of a film cost."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench import processes
from bench.run import Run, say
from bench.stack import BenchError, wait_until
from bench.table import Bar, Line, Measure, Row, Rule, Unit
from mam.jobs.job import Picture

BUDGET = Bar(Rule.AT_MOST, 10.0)  # seconds of one core
LIMIT = Bar(Rule.AT_MOST, 200e6)  # bytes, of a worker, and of its ffmpeg
SECONDS = 120  # to wait for them
TICKS = 100  # a second, of what /proc counts
LOOK_SECONDS = 0.02


def made(run: Run) -> Iterator[Row]:
    """Poster and storyboard of a two-hour film that is live already: `POST /transcode` has the missing ones made.

    CPU time of all workers with their ffmpegs until both are there; the peak (VmHWM) of the largest worker, and of the
    largest ffmpeg as far as it was seen.
    """
    if not processes.available():
        raise BenchError("Only Linux tells what a process takes (/proc).")
    stack, film = run.stack, run.feature()
    say(f"pictures of {film.label}")
    with stack.fresh(film) as key:
        stack.transcode(key)
        stack.settle()
        (job,) = stack.jobs(key)
        stack.lose_pictures(job)
        workers = stack.workers()
        for pid in workers:
            processes.forget_peak(pid)
        ticks, begun, encoders = processes.worked_with_children(workers), time.perf_counter(), dict[int, int]()
        stack.transcode(key)

        def are_there() -> bool:
            for pid in set(stack.workers()) - set(workers):
                encoders[pid] = max(encoders.get(pid, 0), processes.peak(pid))
            time.sleep(LOOK_SECONDS)
            (now,) = stack.jobs(key)
            return now.pictures == set(Picture) and not now.running

        wait_until(are_there, SECONDS, "The pictures were not made")
        took = time.perf_counter() - begun
        cpu = (processes.worked_with_children(workers) - ticks) / TICKS
        say(f"they took {took:.1f} s")
        yield Line(f"pictures of {film.label}, CPU", Measure.of([cpu]), None, BUDGET)
        largest = max(map(processes.peak, workers))
        yield Line(f"pictures of {film.label}, peak of a worker", Measure.of([largest], Unit.BYTES), None, LIMIT)
        largest = max(encoders.values(), default=0)
        yield Line(f"pictures of {film.label}, peak of an ffmpeg", Measure.of([largest], Unit.BYTES), None, LIMIT)
