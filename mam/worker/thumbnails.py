"""What the tasks of pictures do, free of Celery: a revision's poster and its storyboard. Runs in worker processes.

Both follow from the source and the plan alone, so each may be made twice. They belong to the revision, not to the job:
they are made also when that has succeeded meanwhile, and not when its revision is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from mam.errors import DamagedMedia, Superseded
from mam.hls import storyboard
from mam.hls.plan import Plan
from mam.jobs.job import Picture
from mam.jobs.order import Order
from mam.library.status_store import StatusStore
from mam.media import key_frames, poster_score, sheets, stills
from mam.media.source import MediaSource, MediaTrack
from mam.media.stills import Pixels
from mam.mp4.samples import Samples
from mam.naming import plan_key, poster_key, revision_plan_key, sheet_key, storyboard_key
from mam.worker.context import WorkerContext, worker_context

POSTER_PIXELS, TILE_PIXELS = 1280, 160  # of the longer side
CANDIDATES, TURNS = 10, 3  # frames that are looked at for a poster at a time, and how often, while none is good
NICE = 15  # no viewer waits for pictures

log = logging.getLogger(__name__)
Alive = Callable[[], None]
Parts = Generator[tuple[str, bytes, str], None, None]  # key, data, content type of each object


@dataclass(frozen=True, slots=True)
class _Bench:
    """What a picture is made of and with."""

    context: WorkerContext
    plan: Plan
    media: MediaSource
    track: MediaTrack
    alive: Alive

    @property
    def samples(self) -> Samples:
        return self.media.samples(self.track.number)

    @property
    def running(self) -> stills.Running:
        return stills.Running(NICE, self.context.settings.encoder_stall_seconds, self.alive)

    def decode(self, frames: list[int], picture: stills.Picture) -> stills.Decoded:
        return stills.decode(self.media, self.track, frames, picture, self.running)

    def decode_all(self, frames: list[int], picture: stills.Picture) -> stills.Decoded:
        return stills.decode_all(self.media, self.track, frames, picture, self.running)


def make_poster(order: Order, *, alive: Alive) -> None:
    """Makes the poster, unless it is there. Raises MediaError when no frame of the video can be decoded."""
    _make(order, Picture.POSTER, poster_key(order.video, order.job), _poster, alive)


def make_storyboard(order: Order, *, alive: Alive) -> None:
    """Makes the sheets and the WebVTT that names them, unless they are there. Raises MediaError likewise."""
    _make(order, Picture.STORYBOARD, storyboard_key(order.video, order.job), _storyboard, alive)


def _make(order: Order, kind: Picture, last: str, parts: Callable[[_Bench], Parts], alive: Alive) -> None:
    """Stores what `parts` makes, unless what comes `last` and vouches for all of it is there already.

    A deletion removes the revision's plan first, and then the objects. So what was written although
    that plan is gone by then is removed here.
    """
    context = worker_context()
    check_wanted(context, order)
    if context.store.head(context.bucket, last) is None:
        plan, media = context.open(order)
        if plan.video_track is None:
            return
        written: list[str] = []
        try:
            with closing(parts(_Bench(context, plan, media, media.track(plan.video_track.track), alive))) as made:
                for key, data, content_type in made:
                    alive()
                    written.append(key)
                    context.store.put(context.bucket, key, data, content_type)
        finally:
            if not is_wanted(context, order):
                context.store.remove(context.bucket, written)
        check_wanted(context, order)
    announce(context, order, kind)


def is_wanted(context: WorkerContext, order: Order) -> bool:
    """Whether the job was not given up, and its revision is still there."""
    keys = (plan_key(order.video), revision_plan_key(order.video, order.job))
    return context.jobs.keeps(order.job, order.epoch) and all(context.store.head(context.bucket, key) for key in keys)


def check_wanted(context: WorkerContext, order: Order) -> None:
    """Raises Superseded when the video is gone."""
    if not is_wanted(context, order):
        raise Superseded("The job was given up, or the video was deleted.")


def announce(context: WorkerContext, order: Order, kind: Picture) -> None:
    """Makes known that a picture is there: to those who look at the job, and to the library."""
    context.progress.pictured(order.job, order.epoch, kind)
    StatusStore(context.redis).pictured(order.asset, order.job, kind.value)
    log.info("picture is there", extra={"video": order.video, "revision": order.job, "picture": kind.value})


# what is made


def _poster(bench: _Bench) -> Parts:
    choice = poster_score.Choice()
    for pixels in _looked_at(bench, choice):
        choice.add(pixels)
    if choice.pixels is None:
        raise DamagedMedia("No frame that was looked at can be decoded.")
    yield poster_key(bench.plan.video, bench.plan.revision), sheets.jpeg(choice.pixels), storyboard.SHEET_TYPE


def _looked_at(bench: _Bench, choice: poster_score.Choice) -> Iterator[Pixels]:
    """Pictures to choose from, until one is good: key frames, then others of them, then what follows one of a few.

    A film that begins in the dark may have no key frame but the first.
    """
    samples, timeline = bench.samples, bench.plan.timeline
    picture = stills.picture_of(bench.media, bench.track, longest=POSTER_PIXELS, quick=False)
    for turn in range(TURNS):
        frames = key_frames.candidates(samples, timeline.start, timeline.duration, most=CANDIDATES, turn=turn)
        if not frames or choice.is_good:
            break
        with suppress(DamagedMedia), closing(bench.decode(frames, picture)) as decoded:
            for _, pixels in decoded:
                yield pixels
    if len(key_frames.seen_keys(samples, timeline.start)) <= CANDIDATES and not choice.is_good:
        group = key_frames.longest_group(samples, timeline.start)
        images = stills.decode_group(bench.media, bench.track, group, picture, most=CANDIDATES, running=bench.running)
        with suppress(DamagedMedia), closing(images):
            yield from images


def _storyboard(bench: _Bench) -> Parts:
    plan, timeline = bench.plan, bench.plan.timeline
    picture = stills.picture_of(bench.media, bench.track, longest=TILE_PIXELS, quick=True)
    board = storyboard.board(timeline.duration, picture.width, picture.height)
    codec = bench.track.template.codec_context
    pixels = int(codec.width) * int(codec.height)
    tiles = key_frames.all_tile_frames(bench.samples, board, timeline.start, pixels=pixels)
    decode = bench.decode_all
    if tiles is None:
        tiles, decode = key_frames.tile_frames(bench.samples, board, timeline.start, pixels=pixels), bench.decode
    with closing(decode(list(dict.fromkeys(tiles)), picture)) as decoded:
        for number, sheet in enumerate(sheets.sheets(board, tiles, decoded)):
            yield sheet_key(plan.video, plan.revision, number), sheet, storyboard.SHEET_TYPE
    yield storyboard_key(plan.video, plan.revision), board.to_webvtt().encode(), storyboard.CONTENT_TYPE
