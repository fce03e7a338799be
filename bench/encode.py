"""What dividing an encode into chunks costs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

from bench import media, plain
from bench.media import MINUTE, Film
from bench.run import Run, say
from bench.table import Bar, Line, Measure, Row, Rule
from mam.media.ffmpeg_process import executable
from mam.sandbox.box import sandbox


def overhead(run: Run) -> Iterator[Row]:
    """`POST /transcode` with `reencode: true` of a film that was never converted, until it is live.

    Against one `ffmpeg` with the same settings (veryfast, CRF 23, High, audio copied, HLS of 6 s) and all the threads
    it likes, which reads the local file and writes to the local disk, at a low priority, as the product encodes
    (nice 10; the product's own is lower still). They take turns.
    """
    film = Film(MINUTE if run.quick else 150)
    source = media.file(film)
    product, alone = [], []
    for number in run.times(2, quick=1):
        say(f"re-encode of {film.label}, round {number + 1}")
        with run.stack.fresh(film) as key:
            product.append(run.stack.transcode(key, reencode=True))
        alone.append(plain.encode(source))
    figure, baseline = Measure.of(product), Measure.of(alone, name="one ffmpeg, local file")
    yield Line(f"re-encode 1080p, {film.label}", figure, baseline, Bar(Rule.RATIO_AT_MOST, 1.1, aim=1.05))


def contained(run: Run) -> Iterator[Row]:
    """`ffmpeg -version` in the sandbox that workers start it in, from the start to the end, against starting it bare.

    They take turns. The difference is part of each cold start and seek that is encoded: a tenth of their budget.
    """
    argv = [executable(), "-version"]
    inside = sandbox(argv[0])
    wrapped, bare = [], []
    for _ in run.times(50, quick=10):
        wrapped.append(_seconds_of(inside.command(argv), env=inside.environment, pass_fds=inside.passed))
        bare.append(_seconds_of(argv))
    baseline = Measure.of(bare, name="bare")
    yield Line("ffmpeg begins and ends in its sandbox", Measure.of(wrapped), baseline, Bar(Rule.ABOVE_BASELINE, 0.03))


def _seconds_of(argv: list[str], **how: Any) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, **how)
    return time.perf_counter() - begun
