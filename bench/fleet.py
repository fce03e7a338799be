"""A fleet: what a second worker brings, what seams cost, and what a viewer feels of a long queue."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import requests

from bench import SCRATCH, media, processes
from bench.media import MINUTE, Film
from bench.planning import plan_of
from bench.player import Player
from bench.run import Run, say
from bench.stack import FILMS, BenchError, Stack, start_app, wait_until
from bench.start import SEEK
from bench.table import Bar, Line, Measure, Row, Rule, Unit
from dev.servers import Server, free_port, spawn
from mam.hls.plan import Chunk
from mam.hls.recipe import Profile
from mam.jobs.queues import QUEUES
from mam.media.encode import ChunkEncoder
from mam.store.objects import Store
from mam.transcoding import embedded_workers

APART = {"EMBEDDED_WORKERS": "0", "ENCODER_THREADS": "1", "REDIS_DB": "4", "MINIO_BUCKET_VOD": "vod-fleet"}
READY_SECONDS = 60
LADDER_SECONDS = 1800
WAITING = 20  # conversions that wait
SEAM_FRAMES = 12  # behind a seam


def speed_up(run: Run) -> Iterator[Row]:
    """A re-encode by two workers against the same by one: each with a core of its own and one thread for each ffmpeg.

    The workers run apart from the service, as on machines of one core; the store and the services take what they need
    of both cores. The film has five minutes; the preset is `superfast`, so that it takes minutes and not an hour.
    """
    yield _speed_up(run, "re-encode", _reencode)


def ladder_speed_up(run: Run) -> Iterator[Row]:
    """All rungs of a ladder by two workers against the same by one, as above."""
    yield _speed_up(run, "ladder", _make_ladder, LADDER_FILL="all")


def _speed_up(run: Run, what: str, work: Callable[[Stack, Server, str], object], **settings: str) -> Line:
    """Seconds that `work` takes with two workers, against one. It gets the stack, the service and the film's key."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        raise BenchError("This needs Linux and two cores.")
    film = Film(MINUTE if run.quick else 5 * MINUTE)
    seconds: dict[int, float] = {}
    for count in (2, 1):
        say(f"{what} of {film.label} by {count} worker(s)")
        wanted = {"H264_PRESET": "superfast", **settings}
        with _apart(run.stack, workers=count, **wanted) as service, run.stack.fresh(film) as key:
            begun = time.perf_counter()
            work(run.stack, service, key)
            seconds[count] = time.perf_counter() - begun
    figure, baseline = Measure.of([seconds[2]]), Measure.of([seconds[1]], name="one worker")
    return Line(f"{what}, {film.label}, two workers", figure, baseline, Bar(Rule.TIMES_AS_FAST, 1.8))


def _reencode(stack: Stack, service: Server, key: str) -> None:
    stack.transcode(key, reencode=True, service=service)


def _make_ladder(stack: Stack, service: Server, key: str) -> None:
    stack.transcode(key, profile=Profile.LADDER, service=service)
    wait_until(partial(_is_whole, stack, service, key), LADDER_SECONDS, "The ladder was not whole")


def _is_whole(stack: Stack, service: Server, key: str) -> bool:
    """Whether all renditions of an asset's ladder are made."""
    jobs = stack.ask("GET", f"/jobs?bucket={FILMS}&object={quote(key, safe='')}", service=service)["jobs"]
    renditions = [rendition for job in jobs for rendition in job["renditions"]]
    return bool(renditions) and all(rendition["state"] == "made" for rendition in renditions)


@contextmanager
def _apart(stack: Stack, *, workers: int, **settings: str) -> Iterator[Server]:
    """A transcoding service without workers of its own, over a state and a bucket of its own, and workers."""
    wanted = {**APART, **settings}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        with ExitStack() as children:
            service = children.enter_context(
                start_app("apart", "video_transcoding_main_server:app", port=free_port(), log=SCRATCH / "apart.log")
            )
            for number in range(workers):
                argv = ["taskset", "-c", str(number), *embedded_workers.command(",".join(QUEUES), 1, f"apart{number}")]
                started = spawn("worker", argv, port=0, log=SCRATCH / f"worker-{number}.log", env=dict(os.environ))
                children.callback(started.stop, 40.0)
            wait_until(lambda: _workers(stack, service) == workers, READY_SECONDS, f"{workers} workers were not there")
            yield service
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _workers(stack: Stack, service: Server) -> int:
    with suppress(requests.RequestException, BenchError):  # it is starting
        return len(stack.ask("GET", "/fleet", service=service)["workers"])
    return 0


def seams(run: Run) -> Iterator[Row]:
    """A minute encoded in the chunks of its plan, each alone, against one run of the same encoder over the whole.

    Both are compared with the source, picture by picture (PSNR of the luma): on average, and just behind each seam. The
    frames and their times must be the same, or the line fails.
    """
    store, film = Store(run.stack.settings), run.minute()
    source, plan = plan_of(store, FILMS, run.stack.put(film), Profile.H264)
    whole = Chunk(0, len(plan.timeline))
    with TemporaryDirectory(dir=SCRATCH) as folder:
        made = {}
        for name, chunks in (("chunks", plan.chunks()), ("whole", [whole])):
            say(f"{film.label} encoded, {name}")
            made[name] = Path(folder) / f"{name}.ts"
            with made[name].open("wb") as file:
                for chunk in chunks:
                    for _, segment in ChunkEncoder(source, plan, threads=os.cpu_count() or 1).segments(chunk):
                        file.write(next(iter(segment.values())))
        if _times(made["chunks"]) != _times(made["whole"]):
            raise BenchError("The frames in chunks are not those of one run.")
        psnr = {name: _psnr(path, media.file(film)) for name, path in made.items()}
    starts = [sum(plan.frames[: chunk.first]) for chunk in plan.chunks()[1:]]
    behind = [[psnr[name][at] for start in starts for at in range(start, start + SEAM_FRAMES)] for name in psnr]
    means = [sum(psnr[name]) / len(psnr[name]) for name in psnr]
    near = [sum(values) / len(values) for values in behind]
    bars = {"all frames": (means, 0.05), f"{SEAM_FRAMES} frames behind each seam": (near, 1.0)}
    for what, ((ours, theirs), limit) in bars.items():
        lost = Measure.of([theirs - ours], Unit.DECIBEL)
        yield Line(f"PSNR lost by chunks, {what} ({ours:.2f} dB)", lost, bar=Bar(Rule.AT_MOST, limit))


def _times(path: Path) -> list[str]:
    argv = [media.ffmpeg(), "-v", "error", "-i", str(path), "-map", "0", "-c", "copy", "-copyts", "-f", "framecrc", "-"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return sorted(",".join(line.split(",")[:4]) for line in said.splitlines() if not line.startswith("#"))


def _psnr(path: Path, reference: Path) -> list[float]:
    """Of the luma of each picture, in dB."""
    with TemporaryDirectory(dir=SCRATCH) as folder:
        graph = "[0:v]settb=1/25,setpts=N[a];[1:v]settb=1/25,setpts=N[b];[a][b]psnr=stats_file=psnr.log"
        files = ["-i", str(path), "-i", str(reference)]
        argv = [media.ffmpeg(), "-v", "error", *files, "-lavfi", graph, "-f", "null", "-"]
        subprocess.run(argv, check=True, capture_output=True, cwd=folder)
        found = re.findall(r"psnr_y:(\S+)", Path(folder, "psnr.log").read_text())
    return [min(float(value), 100.0) for value in found]  # inf: no difference


def busy(run: Run) -> Iterator[Row]:
    """The line `seek` while twenty re-encodes wait and every slot is busy with their chunks.

    Against the same segments once they are made.
    """
    stack, film = run.stack, run.feature()
    with ExitStack() as films:
        waiting = [films.enter_context(stack.fresh(run.clip())) for _ in range(WAITING)]
        key = films.enter_context(stack.fresh(film))
        for each in waiting:
            stack.begin(each, reencode=True)
        _until_busy(stack)
        player = Player()
        first, stream = player.start(stack.stream_url(key))
        sought: dict[int, float] = {}
        for number in random.Random(1).sample(range(100 if not run.quick else 20, len(stream.uris), 5), 10):
            sought[number] = player.seconds_of(stream.uris[number])
        again = [player.seconds_of(stream.uris[number]) for number in sought]
        if not stack.ask("GET", "/fleet")["queues"]["batch"]:
            raise BenchError("Nothing waited any more.")
        for each in (key, *waiting):
            stack.cancel(each)
    made = Measure.of(again, name="once made")
    yield Line(f"cold start, {film.label}, while {WAITING} re-encodes wait", Measure.of([first]), made)
    yield Line(f"seek, {film.label}, while {WAITING} re-encodes wait", Measure.of(list(sought.values())), made, SEEK)
    slowest = Measure.of([max(sought.values())])
    yield Line(f"seek, {film.label}, while {WAITING} re-encodes wait, the slowest", slowest)


def _encoders(stack: Stack) -> list[int]:
    return [pid for pid in stack.workers() if "-filter_complex" in processes.words(pid)]


def _until_busy(stack: Stack) -> None:
    slots = stack.settings.embedded_workers
    wait_until(lambda: len(_encoders(stack)) >= slots, READY_SECONDS, "The slots did not become busy")


def cancel(run: Run) -> Iterator[Row]:
    """From sending `DELETE /jobs/{id}` of a running re-encode until no ffmpeg is left, by /proc."""
    stack, film = run.stack, run.clip()
    seconds = []
    for number in run.times(5):
        say(f"cancelled, {number + 1}")
        with stack.fresh(film) as key:
            job = stack.begin(key, reencode=True)
            _until_busy(stack)
            begun = time.perf_counter()
            stack.ask("DELETE", f"/jobs/{job}")
            while _encoders(stack):
                time.sleep(0.005)
            seconds.append(time.perf_counter() - begun)
    yield Line("a running re-encode cancelled, no ffmpeg left", Measure.of(seconds), bar=Bar(Rule.AT_MOST, 1))
