"""How much memory the processes take."""

from __future__ import annotations

from collections.abc import Iterator

from bench import processes
from bench.run import Run, say
from bench.stack import BenchError
from bench.table import Bar, Line, Measure, Row, Rule, Unit

LIMIT = Bar(Rule.AT_MOST, 200e6)  # bytes, of one remuxing worker
FLAT = Bar(Rule.RATIO_AT_MOST, 1.5)  # a longer film has a longer index: 25 MB for two hours


def remux(run: Run) -> Iterator[Row]:
    """The peak (VmHWM) of the largest worker process while films of rising length are remuxed one after another.

    The peaks are forgotten before each film, so a figure holds what earlier films left behind and what this one takes.
    Against the same process before the first film; and the longer films against the shortest.
    """
    _require_proc()
    stack, shortest = run.stack, None
    for film in (run.minute(), run.hour(), run.feature()):
        say(f"memory while {film.label} are remuxed")
        with stack.fresh(film) as key:
            workers = stack.workers()
            for pid in workers:
                processes.forget_peak(pid)
            stack.transcode(key)
            largest = max(workers, key=processes.peak)
            figure = Measure.of([processes.peak(largest)], Unit.BYTES)
        before = Measure.of([stack.started.get(largest, 0)], Unit.BYTES, "at the start")
        yield Line(f"peak memory, remux of {film.label}", figure, before, LIMIT)
        if shortest is None:
            shortest = Measure(figure.values, figure.unit, film.label)
        else:
            yield Line(f"peak memory, {film.label} / {shortest.name}", figure, shortest, FLAT)


def afterwards(run: Run) -> Iterator[Row]:
    """What each process of the services and workers has (VmRSS) after all other lines, against after its start."""
    _require_proc()
    stack = run.stack
    stack.settle()
    for pid in stack.processes():
        if resident := processes.resident(pid):
            before = Measure.of([stack.started[pid]], Unit.BYTES, "at the start") if pid in stack.started else None
            yield Line(f"memory afterwards, {_label(run, pid)}", Measure.of([resident], Unit.BYTES), before, LIMIT)


def _label(run: Run, pid: int) -> str:
    services = {run.stack.transcoder.process.pid: "transcoding service", run.stack.vod.process.pid: "VoD service"}
    if pid in services:
        return services[pid]
    words = processes.words(pid)
    if "--hostname" not in words:
        return " ".join(words[:4]).strip() or "a process"
    name = words[words.index("--hostname") + 1].partition("-")[0]
    children = processes.tree(pid)[1:]
    return f"worker {name!r}, {'parent' if children else f'child {pid}'}"


def _require_proc() -> None:
    if not processes.available():
        raise BenchError("Only Linux tells what a process takes (/proc).")
