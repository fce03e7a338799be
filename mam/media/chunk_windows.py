"""The samples of segments, and the input of ffmpeg for chunks: pure arithmetic on a source's index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mam.hls.plan import Chunk, Plan
from mam.hls.renditions import AudioTrack, VideoTrack
from mam.hls.timeline import Timeline
from mam.media.holes import holes
from mam.media.packets import ORIGIN
from mam.mp4.samples import Samples
from mam.mp4.tables import Flags, Ints

VIDEO_PREROLL = 1  # Seconds that are encoded and dropped: afterwards a CRF encode equals a seamless one within 0.01 dB.
AUDIO_PREROLL = 24  # AAC frames that are encoded and dropped on either side: by then the seam has no effect.
AAC_FRAME = 1024  # An AAC frame has this many samples.
DECODE_AHEAD = Fraction(1, 2)  # Seconds of extra audio packets on either side, which a decoder needs to start.


# samples of segments


def openings(samples: Samples) -> Ints:
    """The numbers of the key frames that may start a segment of copied video.

    No later sample is shown before them. An open group of pictures has such samples: they need the previous group, and
    its key frame is no IDR frame, with which every segment must begin (Apple's authoring specification, 7.4).
    """
    keys = np.flatnonzero(samples.key)
    if not len(keys):
        return keys
    closed: Flags = np.minimum.reduceat(samples.pts, keys) == samples.pts[keys]
    closed[0] = True  # the first key frame has no group before it
    return keys[closed]


def segment_edges(samples: Samples, timeline: Timeline) -> Ints:
    """For copied video: the first sample of each segment, and the one after the last."""
    keys = openings(samples)
    places = np.searchsorted(samples.pts[keys], np.asarray(timeline.boundaries[1:-1], np.int64))
    inner = np.append(keys, len(samples))[places]
    return np.concatenate(([0], inner, [len(samples)])).astype(np.int64)


def edges_by_time(samples: Samples, timeline: Timeline) -> Ints:
    """For audio: the first sample at or after each boundary; earlier ones belong to the first segment."""
    ticks = [-(-b * samples.timescale // timeline.timescale) for b in timeline.boundaries[1:-1]]
    inner = np.searchsorted(samples.pts, np.asarray(ticks, np.int64))
    return np.concatenate(([0], inner, [len(samples)])).astype(np.int64)


def reordering(samples: Samples) -> int:
    """Ticks from the first decode time to the first presentation time."""
    return int(samples.pts.min() - samples.dts[0]) if len(samples) else 0


# presentation times of encoded frames


def shown_frames(samples: Samples, track: VideoTrack, timeline: Timeline) -> Ints:
    """The time of each frame of an encoded track, in the timeline's ticks: the source's own, or those of a grid.

    All frames count, also where the track shows only each `every`th.
    """
    start, end = shown_span(samples, track)
    if track.grid is None:
        shown = samples.times if track.whole else shown_times(samples, track.first)
        return shown[shown >= timeline.boundaries[0]]
    return grid_ticks(track, max(start, timeline.start), min(end, timeline.end))


def each_of(shown: Ints, every: int, timeline: Timeline) -> Ints:
    """Each `every`th of the frames of every segment, counted from the segment's first. `shown`: the times of all."""
    boundaries = np.asarray(timeline.boundaries[:-1], np.int64)
    firsts = np.searchsorted(shown, boundaries)
    segments = np.maximum(np.searchsorted(boundaries, shown, side="right") - 1, 0)
    kept: Ints = shown[(np.arange(len(shown)) - firsts[segments]) % every == 0]
    return kept


def shown_times(samples: Samples, first: int | None = None) -> Ints:
    """The presentation times in ticks of the track, sorted: of pictures that no edit list hides, from `first` on."""
    shown = samples.times if samples.shown is None else np.sort(samples.pts[samples.shown], kind="stable")
    return shown if first is None else shown[shown >= first]


def shown_span(samples: Samples, track: VideoTrack) -> tuple[Fraction, Fraction]:
    """Start and end of the presentation of an encoded track, in seconds."""
    if samples.shown is None:
        start, end = samples.start, samples.end
    else:
        ends = (samples.pts + samples.duration)[samples.shown]
        start, end = (Fraction(int(tick), samples.timescale) for tick in (shown_times(samples)[0], ends.max()))
    return (start if track.first is None else max(start, Fraction(track.first, samples.timescale))), end


def grid_ticks(track: VideoTrack, start: Fraction, end: Fraction) -> Ints:
    """The moments of the track's grid in [start, end) in ticks of 1 / grid[0] seconds; at least one.

    The grid counts from the zero of ffmpeg's clock, `ORIGIN` seconds before ours, so that all chunks share it.
    """
    assert track.grid
    rate, base = track.grid
    first = place(track, start)
    last = max(place(track, end), first + 1)
    return np.arange(first, last, dtype=np.int64) * base + track.phase - ORIGIN * rate


def place(track: VideoTrack, moment: Fraction) -> int:
    """The number of the first grid place at or after `moment`, in ffmpeg's count."""
    assert track.grid
    rate, base = track.grid
    return math.ceil(((moment + ORIGIN) * rate - track.phase) / base)


# parts of an edit list


def part_starts(samples: Samples, track: VideoTrack) -> list[int]:
    """Ticks of the timeline at which the parts of an encoded track after the first begin: they start segments."""
    if not samples.joins or not track.grid:
        return []
    shown = np.ones(len(samples), np.bool_) if samples.shown is None else samples.shown
    rate, base = track.grid
    edges = zip(samples.joins, (*samples.joins[1:], len(samples)), strict=True)
    firsts = (int(samples.pts[begin:end][shown[begin:end]].min()) for begin, end in edges)
    places = (place(track, Fraction(first, samples.timescale)) for first in firsts)
    return [number * base + track.phase - ORIGIN * rate for number in places]


def part_of(samples: Samples, track: VideoTrack, tick: int) -> slice:
    """The samples of the part that is shown at `tick` of the timeline."""
    if not samples.joins:
        return slice(0, len(samples))
    edges = (0, *samples.joins, len(samples))
    number = int(np.searchsorted(part_starts(samples, track), tick, side="right"))
    return slice(edges[number], edges[number + 1])


def pieces(samples: Samples, track: VideoTrack, timeline: Timeline, chunk: Chunk) -> list[Chunk]:
    """The chunk, divided at the joins of an edit list: each piece is decoded by itself."""
    starts = np.searchsorted(np.asarray(timeline.boundaries), part_starts(samples, track)).tolist()
    edges = sorted({chunk.first, chunk.last, *(start for start in starts if chunk.first < start < chunk.last)})
    return [Chunk(first, last) for first, last in pairwise(edges)]


# input of ffmpeg


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a track that goes through ffmpeg for one chunk.

    Samples `first` to `last - 1` are the input. Encoding starts at `begin` (seconds), before the kept part, which is
    from `keep_from` to `keep_to`, in ticks of the encoder's time base `1 / rate`. `silence`: the track has no sound in
    a part of the window.
    """

    first: int
    last: int
    begin: Fraction
    end: Fraction
    keep_from: int
    keep_to: int
    rate: int
    silence: bool = False


def video_window(samples: Samples, plan: Plan, track: VideoTrack, chunk: Chunk) -> Window:
    """The frames of a chunk with their pre-roll, from the key frame at which decoding must start."""
    scale = plan.timeline.timescale
    low, high = plan.timeline.boundaries[chunk.first], plan.timeline.boundaries[chunk.last]
    shown = shown_frames(samples, track, plan.timeline)
    part = part_of(samples, track, low)
    starts = [plan.timeline.boundaries[0], *(tick for tick in part_starts(samples, track) if tick <= low)]
    position = int(np.searchsorted(shown, max(low - VIDEO_PREROLL * scale, starts[-1])))
    begin = int(shown[min(position, len(shown) - 1)])  # the last frame is repeated after the picture's end
    pts = samples.pts[part]
    keys = np.flatnonzero(samples.key[part] & (pts <= begin * samples.timescale // scale))
    key_count = 2 if track.refreshes else 1  # starting one key frame earlier refreshes the whole picture
    first = int(keys[-min(key_count, len(keys))]) if len(keys) else 0
    before_end = np.flatnonzero(pts < -(-high * samples.timescale // scale))
    last = int(before_end[-1]) + 1 if len(before_end) else first + 1
    first, last = first + part.start, last + part.start
    step = track.grid[1] if track.grid else None
    return Window(
        first, last, just_before(shown, begin, scale, step), just_before(shown, high, scale), low, high, scale
    )


def just_before(shown: Ints, tick: int, scale: int, step: int | None = None) -> Fraction:
    """A moment in seconds half a frame before the frame at `tick`. `step`: the frame duration where no frame precedes.

    ffmpeg takes times as decimal text and rounds them; half a frame away from any frame, rounding does not matter.
    """
    position = int(np.searchsorted(shown, tick))
    # Without a frame before it and without a step, a thousandth of a second suffices.
    previous = int(shown[position - 1]) if position else tick - (step or max(2, scale // 500))
    return Fraction(previous + tick, 2 * scale)


def audio_window(samples: Samples, plan: Plan, track: AudioTrack, chunk: Chunk) -> Window:
    """The audio of a chunk on the common grid of AAC frames: frame k begins at sample 1024 k."""
    rate = track.sample_rate
    low = _frame_at(plan.timeline.time(chunk.first), rate)
    last_chunk = chunk.last == len(plan.timeline)
    high = _frame_at(max(samples.end, plan.timeline.end) if last_chunk else plan.timeline.time(chunk.last), rate)
    begin = Fraction((low - AUDIO_PREROLL) * AAC_FRAME, rate)
    end = Fraction((high + AUDIO_PREROLL) * AAC_FRAME, rate)
    scale = samples.timescale
    first = int(np.searchsorted(samples.pts, math.floor((begin - DECODE_AHEAD) * scale)))
    last = int(np.searchsorted(samples.pts, math.ceil((end + DECODE_AHEAD) * scale)))
    if first == last:  # ffmpeg needs some input, even if all of it is cut away
        first = min(max(first - 1, 0), len(samples) - 1)
        last = first + 1
    kept = Fraction(low * AAC_FRAME, rate), Fraction(high * AAC_FRAME, rate)
    silence = samples.start > kept[0] or samples.end < kept[1] - Fraction(AAC_FRAME, rate)
    silence = silence or any(start < kept[1] and kept[0] < stop for start, stop in holes(samples))
    return Window(first, last, begin, end, low * AAC_FRAME, high * AAC_FRAME, rate, silence)


def _frame_at(moment: Fraction, rate: int) -> int:
    """The first AAC frame that begins at or after `moment`."""
    return math.ceil(moment * rate / AAC_FRAME)
