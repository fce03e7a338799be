"""What a viewer waits for: the first picture of a film that was never converted, and a seek into it."""

from __future__ import annotations

import random
from collections.abc import Iterator

from bench import media, plain
from bench.media import Film, Moov
from bench.player import Player, Stream
from bench.run import Run, say
from bench.stack import BenchError
from bench.table import Bar, Line, Measure, Row, Rule
from mam.jobs.progress import Progress

START = Bar(Rule.AT_MOST, 0.2, aim=0.12)
NO_SLOWER = Bar(Rule.RATIO_AT_MOST, 2)
SEEK = Bar(Rule.AT_MOST, 0.1)
ENCODED = Bar(Rule.ABOVE_BASELINE, 0.3)
SEEKS = 10
APART = 5  # segments: whoever makes a segment for a viewer makes the next few too
PREROLL = 1.0  # seconds before a segment that are encoded with it


def cold(run: Run) -> Iterator[Row]:
    """From sending `GET /stream/…` for a film that was never converted to the last byte of its first segment.

    The player opens new connections, unpacks the playlist, and follows the first segment's redirect. Each time it is
    another object: the same film under a name that the system has not met; afterwards its conversion is cancelled and
    removed. Against the same requests by a second player right afterwards, who finds the segment made; and the two
    hours against the two minutes.
    """
    films = [film for moov in Moov for film in (run.clip(moov), run.feature(moov))]
    first: dict[Film, list[float]] = {film: [] for film in films}
    second: dict[Film, list[float]] = {film: [] for film in films}
    for number in run.times(10, quick=3):
        say(f"cold starts, round {number + 1}")
        for film in films:
            with run.stack.fresh(film) as key:
                url = run.stack.stream_url(key)
                first[film].append(Player().start(url)[0])
                second[film].append(Player().start(url)[0])
    for film in films:
        what = f"cold start, {film.label}, index at the {film.moov.value}"
        yield Line(what, Measure.of(first[film]), Measure.of(second[film], name="second viewer"), START)
    for moov in Moov:
        clip, feature = run.clip(moov), run.feature(moov)
        what = f"cold start, {feature.label} / {clip.label}, index at the {moov.value}"
        yield Line(what, Measure.of(first[feature]), Measure.of(first[clip], name=clip.label), NO_SLOWER)


def cold_encode(run: Run) -> Iterator[Row]:
    """The same with `reencode=true`, against one `ffmpeg` that encodes the first segment's frames of the local file."""
    film = run.clip()
    source = media.file(film)
    first, alone = [], []
    for number in run.times(5):
        say(f"cold start, re-encoded, {number + 1}")
        with run.stack.fresh(film) as key:
            seconds, stream = Player().start(run.stack.stream_url(key, reencode=True))
        first.append(seconds)
        alone.append(plain.encode_part(source, start=0, end=stream.durations[0]))
    baseline = Measure.of(alone, name="ffmpeg alone, these frames")
    yield Line(f"cold start, {film.label}, re-encode 1080p", Measure.of(first), baseline, ENCODED)


def seek(run: Run) -> Iterator[Row]:
    """Right after a cold start: ten segments far behind it, in random order, none made yet, one after another.

    Against fetching each again once it is made. The conversion of the film goes on meanwhile, as it does in life.
    """
    film = run.feature()
    say(f"seeks in {film.label}")
    with run.stack.fresh(film) as key:
        player = Player()
        _, stream = player.start(run.stack.stream_url(key))
        sought = _seeks(run, key, player, stream)
        again = [player.seconds_of(stream.uris[number]) for number in sought]
    cold = list(sought.values())
    yield Line(f"seek, {film.label}", Measure.of(cold), Measure.of(again, name="once made"), SEEK)
    yield Line(f"seek, {film.label}, the slowest", Measure.of([max(cold)]), Measure.of([max(again)], name="once made"))


def seek_encode(run: Run) -> Iterator[Row]:
    """The same with `reencode=true`, each against one `ffmpeg` that encodes that segment and its pre-roll."""
    film = run.ten_minutes()
    source = media.file(film)
    say(f"seeks in {film.label}, re-encoded")
    with run.stack.fresh(film) as key:
        player = Player()
        _, stream = player.start(run.stack.stream_url(key, reencode=True))
        sought = _seeks(run, key, player, stream)
    cold, starts, durations = list(sought.values()), stream.starts, stream.durations
    alone = [
        plain.encode_part(source, start=max(0.0, starts[number] - PREROLL), end=starts[number] + durations[number])
        for number in sought
    ]
    baseline = Measure.of(alone, name="ffmpeg alone, segment and pre-roll")
    yield Line(f"seek, {film.label}, re-encode 1080p", Measure.of(cold), baseline, ENCODED)
    slowest = Measure.of([max(alone)], name="ffmpeg alone")
    yield Line(f"seek, {film.label}, re-encode 1080p, the slowest", Measure.of([max(cold)]), slowest)


def _seeks(run: Run, key: str, player: Player, stream: Stream) -> dict[int, float]:
    """Seconds to fetch segments that nobody has made yet, by their numbers. Raises BenchError when there are none."""
    stack = run.stack
    progress, job = Progress(stack.redis), stack.jobs(key)[0].id
    sought = {}
    for number in far(len(stream.uris)):
        if not progress.is_made(job, [number])[0]:
            sought[number] = player.seconds_of(stream.uris[number])
    if not sought:
        raise BenchError("The whole film was converted before the first seek.")
    return sought


def far(count: int, most: int = SEEKS) -> list[int]:
    """Segments of the film's second half, in random order, so far apart that what one seek makes is not the next's."""
    there = range(count // 2, count, APART)
    return random.Random(count).sample(there, min(most, len(there)))
