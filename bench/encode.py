"""What dividing an encode into chunks costs."""

from __future__ import annotations

from collections.abc import Iterator

from bench import media, plain
from bench.media import MINUTE, Film
from bench.run import Run, say
from bench.table import Bar, Line, Measure, Row, Rule


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
