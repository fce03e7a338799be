"""The work of picture tasks, without Celery: a revision's poster and its storyboard. Runs in worker processes.

Both depend only on the source and the plan, so each may be made twice. They belong to the revision, not to the job:
they are also made after the job has succeeded, but not after its revision was removed.
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

POSTER_PIXELS, TILE_PIXELS = 1280, 160  # The longer sides of a poster and of a storyboard tile.
CANDIDATES, TURNS = 10, 3  # A poster is chosen from this many frames, in this many turns while none is good.
NICE = 15  # Picture decoders run at this nice value: no viewer waits for pictures.

log = logging.getLogger(__name__)
Alive = Callable[[], None]
Parts = Generator[tuple[str, bytes, str], None, None]  # key, data, content type of each object


@dataclass(frozen=True, slots=True)
class _Bench:
    """The inputs of a picture."""

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
    """Makes the poster unless it exists. Raises MediaError when no frame of the video can be decoded."""
    _make(order, Picture.POSTER, poster_key(order.video, order.job), _poster, alive)


def make_storyboard(order: Order, *, alive: Alive) -> None:
    """Makes the storyboard's sheets and its WebVTT unless they exist. Raises MediaError likewise."""
    _make(order, Picture.STORYBOARD, storyboard_key(order.video, order.job), _storyboard, alive)


def _make(order: Order, kind: Picture, last: str, parts: Callable[[_Bench], Parts], alive: Alive) -> None:
    """Stores the objects that `parts` yields, unless the last of them, `last`, exists already.

    A deletion removes the revision's plan first and the objects after it, so it may miss objects that are written
    later: they are removed here when the plan no longer exists.
    """
    context = worker_context()
    check_wanted(context, order)
    if context.store.head(context.bucket, last) is None:
        plan, media = context.open(order)
        if plan.video_track is None:
            return
        written: list[str] = []
        try:
            with closing(parts(_Bench(context, plan, media, media.track(plan.video_track.track), alive))) as objects:
                for key, data, content_type in objects:
                    alive()
                    written.append(key)
                    context.store.put(context.bucket, key, data, content_type)
        finally:
            if not is_wanted(context, order):
                context.store.remove(context.bucket, written)
        check_wanted(context, order)
    announce(context, order, kind)


def is_wanted(context: WorkerContext, order: Order) -> bool:
    """Whether the job was not given up and its revision still exists."""
    keys = (plan_key(order.video), revision_plan_key(order.video, order.job))
    return context.jobs.keeps(order.job, order.epoch) and all(context.store.head(context.bucket, key) for key in keys)


def check_wanted(context: WorkerContext, order: Order) -> None:
    """Raises Superseded when the picture is no longer wanted."""
    if not is_wanted(context, order):
        raise Superseded("The job was given up, or the video was deleted.")


def announce(context: WorkerContext, order: Order, kind: Picture) -> None:
    """Announces a finished picture in the job's state and in the library."""
    context.progress.pictured(order.job, order.epoch, kind)
    StatusStore(context.redis).pictured(order.asset, order.job, kind.value)
    log.info("picture is there", extra={"video": order.video, "revision": order.job, "picture": kind.value})


# pictures


def _poster(bench: _Bench) -> Parts:
    choice = poster_score.Choice()
    for frame in _candidates(bench, choice):
        choice.add(frame)
    if choice.pixels is None:
        raise DamagedMedia("No frame that was looked at can be decoded.")
    yield poster_key(bench.plan.video, bench.plan.revision), sheets.jpeg(choice.pixels), storyboard.SHEET_TYPE


def _candidates(bench: _Bench, choice: poster_score.Choice) -> Iterator[Pixels]:
    """Decoded frames to choose from until one is good: key frames in turns, then, where those are few, frames
    that follow one of them.

    A film that begins in the dark may have the first frame as its only key frame.
    """
    samples, timeline = bench.samples, bench.plan.timeline
    picture = stills.picture_of(bench.media, bench.track, longest=POSTER_PIXELS, quick=False)
    for turn in range(TURNS):
        frames = key_frames.candidates(samples, timeline.start, timeline.duration, most=CANDIDATES, turn=turn)
        if not frames or choice.is_good:
            break
        with suppress(DamagedMedia), closing(bench.decode(frames, picture)) as decoded:
            for _, frame in decoded:
                yield frame
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
